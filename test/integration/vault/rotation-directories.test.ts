import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fingerprintOf } from '../../../vault/tls/fingerprint.ts'
import { ownLoopback } from '../../support/databases.ts'
import { type Rotations, startRotations } from '../../support/rotations.ts'
import { adBase, adPassword, startSambaAd, type TestSambaAd, whyNoSambaAd } from '../../support/samba-ad.ts'
import { peoplesPassword, slapdBase, startSlapd, type TestSlapd, whyNoSlapd } from '../../support/slapd.ts'

/** Connectors of directories, against a real OpenLDAP and a real domain controller. */

let rotations: Rotations
beforeAll(async () => {
  rotations = await startRotations()
}, 60_000)
afterAll(() => rotations[Symbol.asyncDispose]())

const pinOf = (pem: string) => fingerprintOf(new X509Certificate(pem).raw)

async function addTarget(name: string, address: string, pem: string): Promise<void> {
  await rotations.vault.ask('target.add', { name, safe: 'line-3', address, pin: pinOf(pem) })
}
async function addAccount(target: string, login: string, password: string, connector: string) {
  const account = `${target}/${login}`
  const credential = await rotations.vault.sealPassword(account, password)
  await rotations.vault.ask('account.add', { target, login, credential })
  await rotations.vault.ask('rotation.set', { account, connector })
  return account
}
const reconcile = (account: string, by: string) =>
  rotations.vault.ask('rotation.set', { account, reconcileAccount: by })

const why = whyNoSlapd() ?? whyNoSambaAd()
if (why !== undefined) process.stderr.write(`rotation in directories is left out: ${why}\n`)

describe.skipIf(why !== undefined)('ldap-password on a real OpenLDAP', () => {
  let slapd: TestSlapd
  const clearAt = ownLoopback()
  beforeAll(async () => {
    slapd = await startSlapd({ clearAt })
    await addTarget('dir', slapd.url.replace('ldaps', 'ldap'), slapd.certificates.certificate)
    await addTarget('dir-clear', `ldap://${clearAt}:389`, slapd.certificates.certificate)
  }, 60_000)
  afterAll(() => slapd?.[Symbol.asyncDispose]())

  const person = (uid: string, target = 'dir') => {
    slapd.addPerson(uid)
    return addAccount(target, slapd.dn(uid), peoplesPassword, 'ldap-password')
  }

  test.each([
    ['under TLS from the first byte', 'dir', 'svc'],
    ['by StartTLS', 'dir-clear', 'clear'],
  ])('%s: it is changed twice and verified, and the old ones are refused', async (_, target, uid) => {
    const account = await person(uid, target)
    expect(await rotations.rotate(account)).toMatchObject({ phase: 'done', version: 2, why: '' })
    const second = await rotations.passwordOf(account)
    expect(await rotations.rotate(account)).toMatchObject({ phase: 'done', version: 3, why: '' })
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
    const third = await rotations.passwordOf(account)
    expect([peoplesPassword, second, third].map((one) => slapd.binds(uid, one))).toEqual([false, false, true])
  })

  test('drift is found, and a privileged account sets it right', async () => {
    const account = await person('report')
    slapd.change(
      `dn: ${slapd.dn('report')}\nchangetype: modify\nreplace: userPassword\nuserPassword: by-hand-at-night\n`,
    )
    expect((await rotations.verify(account)).phase).not.toBe('done')
    const keeper = await person('keeper')
    await reconcile(account, keeper)
    expect(await rotations.rotate(account)).toMatchObject({ phase: 'done' })
    expect(slapd.binds('report', await rotations.passwordOf(account))).toBe(true)
    expect(slapd.binds('keeper', peoplesPassword)).toBe(true)
  })

  test('what its policy does not take leaves the present one', async () => {
    const account = await person('strict')
    const policy = (values: string) =>
      slapd.change(`dn: cn=policy,${slapdBase}\nchangetype: modify\n${values}\n`)
    policy('replace: pwdCheckQuality\npwdCheckQuality: 2\n-\nreplace: pwdMinLength\npwdMinLength: 99')
    expect(await rotations.rotate(account)).toMatchObject({
      phase: 'failed',
      believes: 'current',
      why: 'dir did not take the new password: its rules do not allow this password, or not yet',
    })
    policy('replace: pwdMinLength\npwdMinLength: 0')
    expect(slapd.binds('strict', peoplesPassword)).toBe(true)
  })

  test('another certificate is told nothing, and a directory that is away changes nothing', async () => {
    const account = await person('panel')
    await slapd.renew()
    expect(await rotations.rotate(account)).toMatchObject({
      phase: 'failed',
      why: expect.stringContaining('that is not the pinned one, so nothing was sent') as string,
    })
    const fingerprint = pinOf(slapd.certificates.certificate)
    await rotations.vault.ask('target.pin', { target: 'dir', fingerprint })
    expect(await rotations.rotate(account)).toMatchObject({ phase: 'done', why: '' })
    await slapd.stop()
    expect(await rotations.rotate(account)).toMatchObject({ phase: 'failed', why: 'dir refuses connections' })
    await slapd.start()
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
  }, 60_000)
})

describe.skipIf(why !== undefined)('ad-password on a real domain controller', () => {
  let ad: TestSambaAd
  beforeAll(async () => {
    ad = await startSambaAd()
    await addTarget('dc-1', ad.settings().url.replace('ldaps', 'ldap'), ad.certificates.certificate)
  }, 90_000)
  afterAll(() => ad?.[Symbol.asyncDispose]())

  const user = (name: string, login = `PLANT\\${name}`) => {
    ad.addUser(name)
    return addAccount('dc-1', login, adPassword, 'ad-password')
  }

  test('it changes its own, by the name with the domain and by that of its entry', async () => {
    ad.tool('domain', 'passwordsettings', 'set', '--min-pwd-age=0')
    for (const account of [await user('svc'), await user('named', `CN=named,CN=Users,${adBase}`)]) {
      expect(await rotations.rotate(account)).toMatchObject({ phase: 'done', version: 2, why: '' })
      expect(await rotations.rotate(account)).toMatchObject({ phase: 'done', version: 3, why: '' })
      expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
    }
  })

  test('what its policy does not take leaves the present one; a privileged account resets it', async () => {
    const account = await user('young')
    ad.tool('domain', 'passwordsettings', 'set', '--min-pwd-age=1')
    expect(await rotations.rotate(account)).toMatchObject({
      phase: 'failed',
      believes: 'current',
      why: 'dc-1 did not take the new password: its rules do not allow this password, or not yet',
    })
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
    ad.tool('user', 'setpassword', 'young', '--newpassword=By-hand-at-n1ght')
    // A domain takes an old password for a while; one that was never its own it does not.
    ad.tool('user', 'setpassword', 'young', '--newpassword=By-hand-at-n1ght-2')
    expect((await rotations.verify(account)).phase).not.toBe('done')
    // As many logins were refused as may be before its lock-out; half an hour later there is room again.
    rotations.vault.advance(31 * 60_000)
    ad.addUser('keeper')
    ad.tool('group', 'addmembers', 'Domain Admins', 'keeper')
    await reconcile(account, await addAccount('dc-1', 'PLANT\\keeper', adPassword, 'ad-password'))
    expect(await rotations.rotate(account)).toMatchObject({ phase: 'done' })
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
  })

  test('who is disabled or not there is told from a wrong password', async () => {
    const account = await user('gone')
    ad.tool('user', 'disable', 'gone')
    expect(await rotations.verify(account)).toMatchObject({
      why: expect.stringMatching(/says that PLANT\\gone is disabled/) as string,
    })
  })
})
