import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readNotifyConfig } from '../../../api/notify/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-notify-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
writeFileSync(join(folder, 'password'), 'S3cret-of-mail\n')
writeFileSync(join(folder, 'empty'), '\n')
writeFileSync(join(folder, 'ca.pem'), 'a certificate')

const read = (env: Record<string, string>, file: Parameters<typeof readNotifyConfig>[0] = {}) =>
  readNotifyConfig(file, env, folder)
const url = { TAGOUT_SMTP_URL: 'smtp://mail.plant.example', TAGOUT_SMTP_FROM: 'tagout@plant.example' }

test('nothing is sent where nothing is set', () => {
  expect(read({})).toEqual({
    mail: undefined,
    consoleUrl: undefined,
    webhook: { ca: undefined, loopback: false },
  })
})

test('mail goes by STARTTLS, by TLS, or in clear where that is asked for, and the environment wins', () => {
  expect(read(url).mail).toEqual({
    host: 'mail.plant.example',
    port: 587,
    transport: 'starttls',
    from: 'tagout@plant.example',
    login: undefined,
    ca: undefined,
  })
  const file = {
    consoleUrl: 'https://tagout.plant.example',
    smtp: {
      url: 'smtps://mail.plant.example:8465',
      from: 'tagout@plant.example',
      user: 'tagout',
      passwordFile: 'password',
      caFile: 'ca.pem',
    },
    webhook: { loopback: true },
  }
  expect(read({}, file)).toEqual({
    mail: {
      host: 'mail.plant.example',
      port: 8465,
      transport: 'tls',
      from: 'tagout@plant.example',
      login: { user: 'tagout', password: 'S3cret-of-mail' },
      ca: 'a certificate',
    },
    consoleUrl: 'https://tagout.plant.example',
    webhook: { ca: undefined, loopback: true },
  })
  expect(read({ TAGOUT_SMTP_URL: 'smtp://other.example' }, file).mail).toMatchObject({
    host: 'other.example',
    transport: 'starttls',
  })
  expect(read({ ...url, TAGOUT_SMTP_PLAIN: '1' }).mail).toMatchObject({ transport: 'plain', port: 25 })
})

test.each([
  [{ TAGOUT_SMTP_FROM: 'tagout@plant.example' }, /TAGOUT_SMTP_FROM is set and TAGOUT_SMTP_URL is not/],
  [{ ...url, TAGOUT_SMTP_URL: 'mail.plant.example' }, /TAGOUT_SMTP_URL is no mail server: write smtp:/],
  [{ ...url, TAGOUT_SMTP_URL: 'http://mail.plant.example' }, /TAGOUT_SMTP_URL is no mail server/],
  [{ ...url, TAGOUT_SMTP_URL: 'smtp://tagout:S3cret@mail.plant.example' }, /holds a name or a password/],
  [{ ...url, TAGOUT_SMTP_URL: 'smtp://mail.plant.example/?tls=no' }, /more than a host and a port/],
  [{ TAGOUT_SMTP_URL: 'smtp://mail.plant.example' }, /TAGOUT_SMTP_FROM is no mail address/],
  [{ ...url, TAGOUT_SMTP_FROM: 'Tagout <t@plant.example>' }, /TAGOUT_SMTP_FROM is no mail address/],
  [{ ...url, TAGOUT_SMTP_USER: 'tagout' }, /TAGOUT_SMTP_USER and TAGOUT_SMTP_PASSWORD_FILE go together/],
  [
    { ...url, TAGOUT_SMTP_USER: 'tagout', TAGOUT_SMTP_PASSWORD_FILE: 'missing' },
    /TAGOUT_SMTP_PASSWORD_FILE names .*missing, which cannot be read \(ENOENT\)/,
  ],
  [
    { ...url, TAGOUT_SMTP_USER: 'tagout', TAGOUT_SMTP_PASSWORD_FILE: 'empty' },
    /the file of TAGOUT_SMTP_PASSWORD_FILE is empty/,
  ],
  [
    {
      ...url,
      TAGOUT_SMTP_USER: 'tagout',
      TAGOUT_SMTP_PASSWORD_FILE: 'password',
      TAGOUT_SMTP_PLAIN: '1',
    },
    /would send the password to mail\.plant\.example in clear/,
  ],
  [
    { ...url, TAGOUT_SMTP_URL: 'smtps://mail.plant.example', TAGOUT_SMTP_PLAIN: '1' },
    /smtps and TAGOUT_SMTP_PLAIN/,
  ],
  [{ TAGOUT_SMTP_PLAIN: 'maybe' }, /TAGOUT_SMTP_PLAIN is neither yes nor no/],
  [{ TAGOUT_CONSOLE_URL: 'http://tagout.plant.example' }, /TAGOUT_CONSOLE_URL is not where people reach/],
  [{ TAGOUT_CONSOLE_URL: 'https://tagout.plant.example/console' }, /TAGOUT_CONSOLE_URL/],
  [{ TAGOUT_CONSOLE_URL: 'javascript:alert(1)' }, /TAGOUT_CONSOLE_URL/],
])('what cannot be used names the setting, and no password: %o', (env, sentence) => {
  const said = () => read(env)
  expect(said).toThrow(sentence)
  try {
    said()
  } catch (error) {
    expect(String(error)).not.toContain('S3cret')
  }
})
