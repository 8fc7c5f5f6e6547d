import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readConfig } from '../../../vault/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const env = (more: Record<string, string> = {}) => ({ TAGOUT_DATA: folder, ...more })
const write = (text: string) => writeFileSync(join(folder, 'tagout.json'), text)

test('without a file the settings are the usual ones', () => {
  expect(readConfig(env())).toEqual({
    dataDir: folder,
    quotaBytes: 1024 ** 3,
    sealers: { modules: {}, plugIns: {}, secondsToAnswer: 30 },
    longestSessionSeconds: 12 * 3600,
    loginIdleSeconds: 15 * 60,
    loginLongestSeconds: 12 * 3600,
    consoleNames: [...new Set(['localhost', hostname().toLowerCase()])],
  })
})

test('the file is read, and the environment wins over it', () => {
  write(JSON.stringify({ http: { port: 8443 }, session: { quotaBytes: 2_000_000, longestSeconds: 600 } }))
  expect(readConfig(env())).toMatchObject({ quotaBytes: 2_000_000, longestSessionSeconds: 600 })
  const won = readConfig(env({ TAGOUT_SESSION_LONGEST_SECONDS: '900' }))
  expect(won).toMatchObject({ quotaBytes: 2_000_000, longestSessionSeconds: 900 })
  write(JSON.stringify({ login: { idleSeconds: 300, longestSeconds: 3600 } }))
  expect(readConfig(env())).toMatchObject({ loginIdleSeconds: 300, loginLongestSeconds: 3600 })
  expect(readConfig(env({ TAGOUT_LOGIN_IDLE_SECONDS: '600' })).loginIdleSeconds).toBe(600)
  write('{}')
})

test('passkeys are good at the names under which the console is reached, and at no address', () => {
  write(
    JSON.stringify({
      http: { host: '10.0.0.5', names: ['Gateway.plant.example', '192.0.2.1'] },
      notify: { consoleUrl: 'https://tagout.plant.example:8443' },
    }),
  )
  expect(readConfig(env()).consoleNames.slice(-2)).toEqual(['gateway.plant.example', 'tagout.plant.example'])
  expect(readConfig(env({ TAGOUT_HTTP_HOST: 'press.example' })).consoleNames).toContain('press.example')
  write('{}')
})

test('an error names the variable, or the member and the file, and what to do', () => {
  write('{}')
  expect(() => readConfig({})).toThrow(/TAGOUT_DATA/)
  expect(() => readConfig(env({ TAGOUT_SESSION_QUOTA_BYTES: 'much' }))).toThrow(
    /TAGOUT_SESSION_QUOTA_BYTES.*correct it/,
  )
  write(JSON.stringify({ session: { longestSeconds: 5 } }))
  expect(() => readConfig(env())).toThrow(/session\.longestSeconds in .*tagout\.json/)
  write(JSON.stringify({ login: { idleSeconds: 5 } }))
  expect(() => readConfig(env())).toThrow(/login\.idleSeconds in .*tagout\.json/)
  expect(() => readConfig(env({ TAGOUT_LOGIN_IDLE_SECONDS: 'never' }))).toThrow(/TAGOUT_LOGIN_IDLE_SECONDS/)
  write('{ "session": ')
  expect(() => readConfig(env())).toThrow(/tagout\.json is not readable JSON/)
})
