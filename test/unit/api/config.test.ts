import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { afterAll, expect, test } from 'vitest'
import { readApiConfig } from '../../../api/config.ts'
import { isLoopback } from '../../../api/loopback.ts'
import { listen } from '../../../api/http/server.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-api-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function read(env: Record<string, string>, file?: unknown) {
  rmSync(join(folder, 'tagout.json'), { force: true })
  if (file !== undefined)
    writeFileSync(join(folder, 'tagout.json'), typeof file === 'string' ? file : JSON.stringify(file))
  return readApiConfig({ TAGOUT_DATA: folder, ...env })
}

test('without settings the console is served over TLS on loopback', () => {
  expect(read({})).toMatchObject({
    host: '127.0.0.1',
    port: 8443,
    sshPort: 2222,
    transport: {
      kind: 'tls',
      certFile: join(folder, 'api/tls/server.crt'),
      keyFile: join(folder, 'api/tls/server.key'),
    },
  })
})

test('the environment wins over the file', () => {
  const file = {
    http: { host: '192.0.2.1', port: 9443, names: ['tagout.plant.example'] },
    ssh: { port: 2200 },
  }
  expect(read({}, file)).toMatchObject({
    host: '192.0.2.1',
    port: 9443,
    names: ['tagout.plant.example'],
    sshPort: 2200,
  })
  expect(read({ TAGOUT_HTTP_PORT: '1', TAGOUT_HTTP_HOST: '::1' }, file)).toMatchObject({
    host: '::1',
    port: 1,
  })
})

test.each([
  [{ TAGOUT_DATA: '' }, undefined, /TAGOUT_DATA is not set/],
  [{ TAGOUT_HTTP_PORT: '70000' }, undefined, /TAGOUT_HTTP_PORT is not a port: give a number/],
  [{ TAGOUT_HTTP_PORT: 'https' }, undefined, /TAGOUT_HTTP_PORT/],
  [{ TAGOUT_HTTP_PLAIN: 'maybe' }, undefined, /TAGOUT_HTTP_PLAIN is neither yes nor no: give 1 or 0/],
  [{ TAGOUT_HTTP_PLAIN: '1', TAGOUT_HTTP_HOST: '0.0.0.0' }, undefined, /loopback only.*set TAGOUT_HTTP_HOST/],
  [{ TAGOUT_HTTP_PLAIN: '1', TAGOUT_HTTP_HOST: 'plant.example' }, undefined, /loopback only/],
  [{ TAGOUT_HTTP_TLS_CERT: '/x.crt' }, undefined, /TAGOUT_HTTP_TLS_CERT and TAGOUT_HTTP_TLS_KEY go together/],
  [{}, '{', /tagout\.json is not JSON: correct it/],
  [{}, { http: { port: '8443' } }, /tagout\.json: http\.port/],
  [{}, { http: { prot: 8443 } }, /tagout\.json: http/],
] as const)('what cannot be used names the setting and the fix: %o', (env, file, sentence) => {
  expect(() => read(env as Record<string, string>, file)).toThrow(sentence)
})

test('loopback is what only this machine reaches', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost'])
    expect([host, isLoopback(host)]).toEqual([host, true])
  for (const host of [
    '0.0.0.0',
    '::',
    '127.0.0.1.evil.example',
    '128.0.0.1',
    'localhost.evil.example',
    '127.1',
    '',
  ])
    expect([host, isLoopback(host)]).toEqual([host, false])
})

test('a port that is taken and a certificate that is missing are named with the fix', async () => {
  const options = { host: '127.0.0.1', port: 0, transport: { kind: 'insecurePlain' } } as const
  await using first = await listen(express(), options)
  const port = Number(new URL(first.address).port)
  await expect(listen(express(), { ...options, port })).rejects.toThrow(
    /another program listens there.*TAGOUT_HTTP_PORT/,
  )
  const transport = {
    kind: 'tls',
    certFile: join(folder, 'none.crt'),
    keyFile: join(folder, 'none.key'),
  } as const
  await expect(listen(express(), { ...options, transport })).rejects.toThrow(
    /none\.crt \(ENOENT\).*TAGOUT_HTTP_TLS_CERT/,
  )
})
