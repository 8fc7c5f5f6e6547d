import { expect, test } from 'vitest'
import { makeSshConfig } from '../../../deploy/cli/ssh-config.ts'
import { tagout } from '../../support/cli.ts'

const gateway = { host: 'gateway.plant', port: 2222, publicKeys: ['ssh-ed25519 AAAA'] }
const configFor = (logins: readonly string[]) =>
  makeSshConfig(gateway, 'bob', [{ target: 'press-3', logins }], 'known').config

test('the entry of a target with one account names it', () => {
  expect(configFor(['engineer'])).toMatch(/Host press-3\n(.*\n)* {2}User engineer\n/)
})

test('the entry of a target with several accounts says how one is chosen, and chooses none', () => {
  const config = configFor(['backup', 'engineer'])
  expect(config).toContain('# Several accounts: ssh backup@press-3, ssh engineer@press-3\nHost press-3\n')
  expect(config.slice(config.indexOf('Host press-3'))).not.toMatch(/^ {2}User /m)
})

test('a configuration is for somebody', async () => {
  const { code, err } = await tagout(['ssh-config', '--data', '/nowhere'])
  expect(code).toBe(2)
  expect(err).toMatch(/--user NAME/)
})
