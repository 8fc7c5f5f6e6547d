import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readConfig } from '../../../recorder/config.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tagout-config-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (value: unknown) =>
  writeFileSync(join(folder, 'tagout.json'), typeof value === 'string' ? value : JSON.stringify(value))

test('without settings the recorder has two workers, port 2222 and its own folder', () => {
  expect(readConfig({ TAGOUT_DATA: folder })).toEqual({
    dataDir: folder,
    ssh: { host: '0.0.0.0', port: 2222 },
    workers: 2,
    storePath: join(folder, 'recorder'),
    quotaBytes: 1024 ** 3,
    floorBytes: 1024 ** 3,
    vaultAwayMs: 600_000,
  })
})

test('a variable wins over the file, member by member', () => {
  write({
    ssh: { host: '127.0.0.1', port: 2200 },
    recorder: { workers: 3, storePath: '/srv/tagout' },
    http: {},
  })
  const config = readConfig({ TAGOUT_DATA: folder, TAGOUT_SSH_PORT: '2300' })
  expect([config.ssh, config.workers, config.storePath]).toEqual([
    { host: '127.0.0.1', port: 2300 },
    3,
    '/srv/tagout',
  ])
})

test.each([
  [{}, undefined, /TAGOUT_DATA is not set: give it the path/],
  [{ TAGOUT_SSH_PORT: 'ssh' }, {}, /TAGOUT_SSH_PORT cannot be used .*: correct it/],
  [{ TAGOUT_RECORDER_WORKERS: '0' }, {}, /TAGOUT_RECORDER_WORKERS cannot be used/],
  [{}, { ssh: { port: 70_000 } }, /ssh\.port in .*tagout\.json cannot be used/],
  [{}, { recorder: { quotaBytes: 1 } }, /recorder\.quotaBytes in .*tagout\.json/],
  [{}, '{ "ssh":', /tagout\.json is not a JSON object/],
  [{}, '[]', /tagout\.json is not a JSON object/],
])('the fault for %j with %j names what to correct', (env, file, message) => {
  if (file !== undefined) write(file)
  expect(() => readConfig({ ...(file === undefined ? {} : { TAGOUT_DATA: folder }), ...env })).toThrow(
    message,
  )
})
