import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readSettings } from '../../../deploy/supervisor/settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-settings-'))
afterAll(() => rmSync(folder, { recursive: true }))
const file = (text: string) => writeFileSync(join(folder, 'tagout.json'), text)

test('without anything said, everything listens on loopback', () => {
  const settings = readSettings(folder, {}, {})
  expect(settings.http).toEqual({ host: '127.0.0.1', port: 8443, plain: false })
  expect(settings.ssh).toEqual({ host: '127.0.0.1', port: 2222 })
})

test('guacd is one of the site where it is named, by either half of its address', () => {
  file('{}')
  expect(readSettings(folder, {}, {}).guacd).toBeUndefined()
  expect(readSettings(folder, {}, { GUACD_PORT: '4823' }).guacd).toEqual({ host: '127.0.0.1', port: 4823 })
  file('{ "guacd": { "host": "::1" } }')
  expect(readSettings(folder, {}, {}).guacd).toEqual({ host: '::1', port: 4822 })
})

test('an option wins over the environment, which wins over the file', () => {
  file('{ "http": { "port": 1 }, "ssh": { "port": 2, "host": "0.0.0.0" } }')
  const settings = readSettings(folder, { httpPort: '3' }, { TAGOUT_HTTP_PORT: '4', TAGOUT_SSH_PORT: '5' })
  expect([settings.http.port, settings.ssh.port, settings.ssh.host]).toEqual([3, 5, '0.0.0.0'])
})

test.each([
  [{ httpPort: 'x' }, {}, '--http-port is "x": give a number from 0 to 65535'],
  [{}, { TAGOUT_SSH_PORT: '70000' }, 'TAGOUT_SSH_PORT is "70000": give a number from 0 to 65535'],
  [{ workers: '0' }, {}, '--workers is "0": give a number from 1 to 64'],
  [{}, { TAGOUT_HTTP_PLAIN: 'maybe' }, 'TAGOUT_HTTP_PLAIN is neither yes nor no: give 1 or 0'],
  [{}, { TAGOUT_HTTP_TLS_CERT: '/x' }, 'TAGOUT_HTTP_TLS_CERT and TAGOUT_HTTP_TLS_KEY go together'],
  [{}, { GUACD_PORT: '0' }, 'GUACD_PORT is "0": give a number from 1 to 65535'],
  [{}, { GUACD_HOST: '10.0.0.7' }, 'GUACD_HOST (or guacd.host) is "10.0.0.7": give an address of loopback'],
  [{}, { GUACD_HOST: 'localhost.example.com' }, 'give an address of loopback'],
  [{}, { DATABASE_URL: 'mysql://x' }, 'DATABASE_URL is not a PostgreSQL URL: give postgresql://'],
])('a wrong setting gets a sentence that names it and the fix: %j %j', (flags, env, sentence) => {
  file('{}')
  expect(() => readSettings(folder, flags, env)).toThrow(sentence)
})

test.each([
  ['{', 'is not JSON: correct it, or remove it'],
  ['{ "ssh": { "port": "many" } }', 'ssh.port in'],
  ['{ "http": { "names": [""] } }', 'http.names.0 in'],
])('a wrong file gets a sentence that names the member: %s', (text, sentence) => {
  file(text)
  expect(() => readSettings(folder, {}, {})).toThrow(sentence)
})

test('the sentence about DATABASE_URL does not quote the password in it', () => {
  file('{}')
  const url = 'http://owner:hunter22@db/x'
  expect(() => readSettings(folder, {}, { DATABASE_URL: url })).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining('hunter22') }),
  )
})
