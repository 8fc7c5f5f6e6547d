import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { makeSshUser, run } from '../support/gateway.ts'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'
import { clientSecret, startProvider, type TestProvider } from '../support/oidc-provider.ts'
import { type HttpPerson, type PlantHttp, plantHttp } from '../support/plant-http.ts'
import {
  peoplesPassword,
  slapdBase,
  slapdReader,
  slapdSecret,
  startSlapd,
  type TestSlapd,
} from '../support/slapd.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`people of directories over SSH are left out: ${why}`)

vi.setConfig({ testTimeout: 240_000, hookTimeout: 300_000 })

// OpenSSH's own client, a real sshd, OpenLDAP and a provider: over SSH people of a directory give the factors that they
// give in the console, and are let in by a group of it that a rule of the policy names.
describe.skipIf(why !== undefined)('people of directories over SSH', () => {
  let installation: TestInstallation
  let http: PlantHttp
  let slapd: TestSlapd
  let provider: TestProvider
  let sshd: TestSshd
  let room: string
  let bob: HttpPerson
  let carol: HttpPerson
  /** Recovery codes of bob: nobody waits for the next code of an authenticator. */
  let sheet: string[] = []
  const nextOfSheet = () => sheet.pop() ?? 'none is left'
  let carolsKey: ReturnType<typeof makeSshUser>

  const tagout = async <T = unknown>(args: readonly string[], stdin?: string): Promise<T> =>
    installation.tagoutJson<T>(args, { cwd: room, ...(stdin === undefined ? {} : { stdin }) })
  const linkOf = async (name: string) =>
    (await tagout<{ readonly link: string }>(['user', 'enrol', name])).link

  beforeAll(async () => {
    room = mkdtempSync(join(tmpdir(), 'tagout-ssh-directory-'))
    chmodSync(room, 0o755)
    ;[installation, slapd, sshd] = await Promise.all([
      startTestInstallation({ withDatabase: true }),
      startSlapd(),
      startSshd(),
    ])
    http = await plantHttp(installation)
    provider = await startProvider({ console: http.origin })
    slapd.addPerson('bob')
    slapd.group('operators', ['bob'])
    provider.people.set('carol', { sub: 'subject-of-carol', name: 'carol', groups: ['shift'] })
    await tagout(['auditor', 'keygen', '--out', 'auditor.key', '--passphrase-stdin'], 'birch lantern 8851')
    await tagout(['auditor', 'add', 'ingrid', 'auditor.key.pub', '--recovery-out', 'recordings.key'])
    await tagout(['safe', 'add', 'line-3'])
    await tagout([
      'target',
      'add',
      'press-3',
      `ssh://127.0.0.1:${sshd.port}`,
      '--safe',
      'line-3',
      '--pin-now',
    ])
    await tagout(['account', 'add', `press-3/${sshd.user}`, '--password-stdin'], sshd.password)
    writeFileSync(
      join(room, 'policy.json'),
      JSON.stringify({
        version: 1,
        groups: { 'line-3': [] },
        rules: [
          {
            name: 'shift',
            effect: 'allow',
            who: { groups: ['line-3'] },
            what: { safes: ['line-3'] },
            actions: ['shell', 'exec'],
          },
        ],
      }),
    )
    await tagout(['policy', 'apply', 'policy.json', '--yes'])
    writeFileSync(join(room, 'slapd.pem'), slapd.certificates.ca)
    writeFileSync(join(room, 'provider.pem'), provider.ca)
    await tagout(
      [
        ...['directory', 'add', 'plant', '--url', slapd.url, '--ca', 'slapd.pem', '--base', slapdBase],
        ...['--bind-name', slapdReader, '--every', '0', '--password-stdin'],
      ],
      slapdSecret,
    )
    await tagout([
      ...['directory', 'map', 'plant', slapd.groupDn('operators')],
      ...['--role', 'operator', '--policy-group', 'line-3'],
    ])
    await tagout(['directory', 'sync', 'plant'])
    bob = await http.enrol(await linkOf('bob'), undefined, { password: peoplesPassword })
    await tagout(
      [
        ...['directory', 'add-oidc', 'corp', '--issuer', provider.issuer, '--client-id', 'tagout'],
        ...['--console', http.origin, '--ca', 'provider.pem', '--secret-stdin'],
      ],
      clientSecret,
    )
    await tagout(['directory', 'map', 'corp', 'shift', '--role', 'operator', '--policy-group', 'line-3'])
    await arrive()
    carol = await http.enrol(await linkOf('carol'), undefined, { arrival: await arrive() })
    const { knownHosts } = JSON.parse(readFileSync(join(installation.dataDir, 'ready.json'), 'utf8')).ssh
    carolsKey = makeSshUser(room, 'carol', knownHosts, installation.ssh.port)
  })
  afterAll(async () => {
    http?.[Symbol.dispose]()
    await installation?.[Symbol.asyncDispose]()
    await provider?.[Symbol.asyncDispose]()
    await slapd?.[Symbol.asyncDispose]()
    await sshd?.[Symbol.asyncDispose]()
    rmSync(room, { recursive: true, force: true })
  })

  /** Goes to the provider as carol would in a browser, and comes back. */
  async function arrive(): Promise<string> {
    const left = await http.ask('POST', '/api/login/leave', { body: { directory: 'corp' } })
    const [kept = ''] = [left.headers['set-cookie'] ?? []].flat()
    const back = await provider.signIn(JSON.parse(left.text).url, 'carol')
    const came = await http.ask('POST', '/api/login/return', {
      body: back,
      headers: { cookie: kept.split(';')[0] ?? '' },
    })
    return JSON.parse(came.text).arrival
  }
  const place = (name: string) => `${name}@${sshd.user}@press-3@127.0.0.1`
  const options = (more: readonly string[]) =>
    carolsKey.ssh(['-p', String(installation.ssh.port), '-o', 'LogLevel=INFO', ...more])
  /** OpenSSH on a terminal, which asks once for a password and once for a code. Answers all that was shown. */
  async function types(name: string, password: string, code: string): Promise<string> {
    const asks = [
      ...['-o', 'BatchMode=no', '-o', 'PreferredAuthentications=keyboard-interactive'],
      ...['-o', 'NumberOfPasswordPrompts=1'],
    ]
    const { out, err } = await run('expect', [
      '-c',
      `set timeout 40
       spawn ssh ${options(asks).join(' ')} ${place(name)} echo let-in-as-\\$USER
       expect {
         "Password: " { send "${password}\\r"; exp_continue }
         "Code: " { send "${code}\\r"; exp_continue }
         eof {}
       }`,
    ])
    return out.toString() + err
  }
  const letIn = () => `let-in-as-${sshd.user}`

  test('password of the directory and code of ours: in, to the machine that a rule opens to the group', async () => {
    expect(await types('bob', peoplesPassword, await bob.code())).toContain(letIn())
    const [session] = await tagout<{ readonly user: string; readonly target: string }[]>(['session', 'list'])
    expect(session).toMatchObject({ user: 'bob', target: 'press-3' })
  })

  test('a wrong code is refused, tells nothing, and the directory is not asked', async () => {
    const shown = await types('bob', 'whatever it is', '000000')
    expect(shown).toContain('Permission denied')
    expect(shown).not.toContain('Tagout')
    expect(slapd.read(slapd.dn('bob'), 'pwdFailureTime')).not.toContain('pwdFailureTime')
  })

  test('recovery codes are made anew on the command line, by their person alone, and stand in for a code over SSH', async () => {
    const renew = (answers: string) =>
      installation.tagout(['user', 'recovery-codes', '--user', 'bob', '--answers-stdin', '--json'], {
        stdin: answers,
      })
    const made = await renew(`${peoplesPassword}\n${await bob.code()}\n${await bob.code()}\n`)
    expect(made.stderr).toBe('')
    const { user, recoveryCodes } = JSON.parse(made.stdout)
    expect([user, recoveryCodes.length]).toEqual(['bob', 10])
    sheet = recoveryCodes
    // None of them makes new ones.
    const wrong = await renew(`${peoplesPassword}\n${sheet.pop()}\n${sheet[0]}\n`)
    expect(wrong.code).not.toBe(0)
    expect(wrong.stderr).toContain('the code is wrong or was used')
    expect(await types('bob', peoplesPassword, nextOfSheet())).toContain(letIn())
    const entries = JSON.stringify(await tagout(['audit', 'list', '--limit', '100']))
    expect(entries).toContain('bob made 10 recovery codes')
    for (const code of recoveryCodes) expect(entries).not.toContain(code)
  })

  test('the directory away: who has the code is told so, whoever has none is not; it is back, they are in', async () => {
    await slapd.stop()
    try {
      const shown = await types('bob', peoplesPassword, nextOfSheet())
      expect(shown).toContain('Tagout: the directory plant, which knows your password, does not answer')
      expect(shown).toContain('local users sign in as ever')
      expect(shown).not.toContain(letIn())
      expect(await types('bob', peoplesPassword, '000000')).not.toContain('Tagout')
    } finally {
      await slapd.start()
    }
    expect(await types('bob', peoplesPassword, nextOfSheet())).toContain(letIn())
  })

  test('a wrong password with a right code, and a disabled person, read alike', async () => {
    const wrong = await types('bob', 'not this one', nextOfSheet())
    expect(wrong).toContain('Permission denied')
    expect(slapd.read(slapd.dn('bob'), 'pwdFailureTime')).toContain('pwdFailureTime')
    slapd.change(`dn: ${slapd.dn('bob')}\nchangetype: modify\nreplace: shadowExpire\nshadowExpire: 1\n`)
    const disabled = await types('bob', peoplesPassword, nextOfSheet())
    expect(disabled).toContain('Permission denied')
    for (const shown of [wrong, disabled]) expect(shown).not.toContain('Tagout')
    await tagout(['directory', 'sync', 'plant'])
    expect((await tagout<{ readonly state: string }>(['user', 'show', 'bob'])).state).toBe('disabled')
  })

  test('who came by a provider gives their key, or a ticket of the console; a password and code say what to do', async () => {
    const key = async () => {
      const { out, err } = await run('ssh', [...options([]), place('carol'), 'echo let-in-as-$USER'])
      return out.toString() + err
    }
    expect(await key()).toContain('Permission denied')
    await tagout(['user', 'key', 'add', 'carol', `${carolsKey.keyFile}.pub`])
    expect(await key()).toContain(letIn())
    const shown = await types('carol', 'whatever it is', await carol.code())
    expect(shown).toContain('Tagout: who is of corp signs in there, and has no password here')
    expect(shown).toContain('over SSH give your key then, or a ticket of the console')
    expect(await types('carol', 'whatever it is', '000000')).not.toContain('Tagout')
    const issued = await http.ask('POST', '/api/tickets', {
      token: carol.token,
      from: carol.from,
      body: { account: `press-3/${sshd.user}` },
    })
    expect(await types('carol', JSON.parse(issued.text).ticket, 'not asked for')).toContain(letIn())
  })

  test('out of the group there, out of the machine here: the next sign-in is the end of it', async () => {
    const person = provider.people.get('carol')
    if (person === undefined) throw new Error('carol is there')
    person.groups = []
    expect(await arrive()).toBeUndefined()
    const { err } = await run('ssh', [...options([]), place('carol'), 'echo let-in-as-$USER'])
    expect(err).toContain('Permission denied')
  })
})
