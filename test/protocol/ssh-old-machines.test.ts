import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fetchHostKeys } from '../../recorder/broker/ssh/fetch-host-key.ts'
import { frontAlgorithms } from '../../vault/ssh/algorithms.ts'
import { onTheWire } from '../../vault/ssh/legacy.ts'
import { legacyAlgorithms } from '../../vault/contract.ts'
import { addTarget, allEnded, type Gateway, startGateway } from '../support/gateway.ts'
import { startDropbear, startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.log(`left out: ${why}`)

const allOld = ['group1-sha1', 'ssh-dss', '3des-cbc', 'hmac-md5'] as const
const oldConfig = [
  'KexAlgorithms diffie-hellman-group1-sha1',
  'HostKeyAlgorithms ssh-dss',
  'Ciphers 3des-cbc',
  'MACs hmac-md5',
]

describe.skipIf(why !== undefined)('old machines', () => {
  let gateway: Gateway
  let old: TestSshd

  beforeAll(async () => {
    gateway = await startGateway()
    old = await startSshd({ hostKeys: ['dsa'], config: oldConfig })
    addTarget(gateway, 'switch-old', old, { legacy: allOld })
    addTarget(gateway, 'switch-refused', old)
    addTarget(gateway, 'switch-half', old, { legacy: ['group1-sha1', 'ssh-dss', '3des-cbc'] })
  }, 120_000)

  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]()
    await old?.stop()
  })

  const ssh = (target: string, login: string, command: readonly string[], extra: readonly string[] = []) =>
    gateway.run('ssh', [
      ...gateway.ssh(extra),
      '-p',
      String(gateway.port),
      `bob@${login}@${target}@127.0.0.1`,
      ...command,
    ])

  test('a server of group1-sha1, ssh-dss, 3des-cbc and hmac-md5 is reached where exactly those are allowed', async () => {
    const ran = await ssh('switch-old', old.user, ['echo', 'from the old machine'])
    expect(ran.err).toBe('')
    expect(ran.out.toString()).toBe('from the old machine\n')
    await allEnded(gateway.vault)
    expect(
      gateway.vault.inputsOf('session.event').map(({ event, detail }) => ({ event, detail })),
    ).toContainEqual({
      event: 'old algorithms',
      detail: expect.stringMatching(/^group1-sha1, ssh-dss, 3des-cbc, hmac-md5, allowed until \d{4}-/),
    })
    const frames = await gateway.frames()
    expect(
      frames.some((frame) => frame.kind === 'mark' && JSON.stringify(frame.mark).includes('old algorithms')),
    ).toBe(true)
  })

  test('a terminal on it begins with the finding', async () => {
    const ran = await ssh('switch-old', old.user, ['-tt', 'true'], ['-tt'])
    expect(ran.out.toString()).toMatch(
      /\*\*\* tagout: switch-old speaks old algorithms \(group1-sha1, ssh-dss, 3des-cbc, hmac-md5\): who listens/,
    )
  })

  test('without the permission nothing is sent, and the sentence says what it needs', async () => {
    const before = old.log().length
    const ran = await ssh('switch-refused', old.user, ['true'])
    expect(ran.code).toBe(255)
    expect(ran.err.trim()).toBe(
      'tagout: switch-refused offers only the key exchange diffie-hellman-group1-sha1, the host key ssh-dss, ' +
        'the cipher 3des-cbc, the MAC hmac-md5, and is not allowed to be spoken with so: update its SSH server, or have ' +
        'an administrator run tagout target legacy switch-refused --allow group1-sha1,ssh-dss,3des-cbc,hmac-md5',
    )
    expect(old.log().slice(before)).not.toContain('Accepted')
  })

  test('of a permission that is not enough the sentence names what is missing alone', async () => {
    const ran = await ssh('switch-half', old.user, ['true'])
    expect(ran.err).toContain('switch-half offers only the MAC hmac-md5,')
    expect(ran.err).toContain('--allow group1-sha1,ssh-dss,3des-cbc,hmac-md5')
  })

  test('a modern server that may speak what is old is spoken with in what is modern', async () => {
    await using modern = await startSshd({ config: ['HostKeyAlgorithms +ssh-rsa', 'Ciphers +3des-cbc'] })
    addTarget(gateway, 'switch-new', modern, { legacy: [...legacyAlgorithms] })
    const events = gateway.vault.inputsOf('session.event').length
    const ran = await ssh('switch-new', modern.user, ['echo', 'new'])
    expect(ran.out.toString()).toBe('new\n')
    expect(gateway.vault.inputsOf('session.event').slice(events)).toEqual([])
  })

  test('a scan says which old algorithms a machine needs, for each of its keys', async () => {
    expect(await fetchHostKeys('127.0.0.1', old.port)).toMatchObject({
      ok: true,
      value: [{ ...old.pins[0], needs: allOld }],
    })
    await using mixed = await startSshd({
      hostKeys: ['rsa', 'dsa'],
      config: [
        'KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1',
        'HostKeyAlgorithms ssh-rsa,ssh-dss',
      ],
    })
    expect(await fetchHostKeys('127.0.0.1', mixed.port)).toMatchObject({
      ok: true,
      value: [
        { type: 'ssh-rsa', needs: ['group14-sha1', 'ssh-rsa'] },
        { type: 'ssh-dss', needs: ['group14-sha1', 'ssh-dss'] },
      ],
    })
  })

  test('Dropbear and a modern OpenSSH need nothing old', async () => {
    await using dropbear = await startDropbear()
    expect(await fetchHostKeys('127.0.0.1', dropbear.port)).toMatchObject({
      ok: true,
      value: [{ ...dropbear.pins[0], needs: [] }],
    })
    await using modern = await startSshd({ hostKeys: ['ed25519', 'rsa'] })
    expect(await fetchHostKeys('127.0.0.1', modern.port)).toMatchObject({
      ok: true,
      value: [
        { type: 'ssh-ed25519', needs: [] },
        { type: 'ssh-rsa', needs: [] },
      ],
    })
  })

  test.each(legacyAlgorithms)(
    'no client speaks %s with the gateway, whatever its targets may',
    async (one) => {
      const { part, names } = onTheWire[one]
      for (const name of names) {
        const ran = await ssh(
          'switch-old',
          old.user,
          ['true'],
          ['-o', 'LogLevel=INFO', ...option(part, name)],
        )
        expect(ran.code).toBe(255)
        expect(ran.err).toMatch(/no matching|Unable to negotiate|Bad (?:key types|SSH2)/)
      }
      expect(Object.values(frontAlgorithms).flat()).not.toContain(names[0])
    },
  )
})

/** What makes an OpenSSH client offer this algorithm alone. */
function option(part: string, name: string): readonly string[] {
  const keys = { kex: 'KexAlgorithms', serverHostKey: 'HostKeyAlgorithms', cipher: 'Ciphers', hmac: 'MACs' }
  const option = ['-o', `${keys[part as keyof typeof keys]}=${name}`]
  // Ciphers that vouch for themselves would make up for the MAC.
  return part === 'hmac' ? [...option, '-o', 'Ciphers=aes128-ctr'] : option
}
