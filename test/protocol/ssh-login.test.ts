import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Client } from '../../vault/ssh/library.ts'
import { type Gateway, type Ran, startGateway, until } from '../support/gateway.ts'

/** What real clients show a person whose login cannot be verified, whoever it is. */

const why = ['ssh', 'plink', 'puttygen', 'expect'].find((program) => !existsSync(join('/usr/bin', program)))
if (why !== undefined)
  console.warn(`${why} is not installed (deploy/test-packages.txt): logins of real clients are left out`)

const states = {
  'the vault is sealed': [
    (gateway: Gateway) => {
      gateway.vault.state = 'sealed'
    },
    'Tagout: the vault is sealed, nobody can log in: ask the administrator to unseal it',
  ],
  'the vault is not set up': [
    (gateway: Gateway) => {
      gateway.vault.state = 'uninitialised'
    },
    'Tagout: the vault is not set up yet, nobody can log in: ask the administrator to run tagout init',
  ],
  'the database of the vault is away': [
    (gateway: Gateway) => {
      gateway.vault.state = 'without its database'
    },
    'Tagout: the vault does not answer, nobody can log in: try again in a minute',
  ],
  'the vault is away': [
    async (gateway: Gateway) => {
      await gateway.vault.goAway()
      await until(() => gateway.logged.some((line) => line.startsWith('the vault went away')))
    },
    'Tagout: the vault does not answer, nobody can log in: try again in a minute',
  ],
} as const

describe.skipIf(why !== undefined)('logins of real clients (fake vault)', () => {
  let gateway: Gateway
  beforeEach(async () => {
    gateway = await startGateway()
    gateway.vault.users.set('carol', { name: 'carol', password: 'a long one' })
  })
  afterEach(() => gateway[Symbol.asyncDispose]())

  const options = (...more: readonly string[]) =>
    gateway.ssh(['-p', String(gateway.port), '-o', 'LogLevel=INFO', ...more])

  const clients: Record<string, (name: string) => Promise<Ran>> = {
    'OpenSSH with a key': (name) => gateway.run('ssh', [...options(), `${name}@127.0.0.1`, 'true']),
    'a client that gives a password unasked': passwordOnly,
    'OpenSSH with questions': (name) => typing(name, ['a long one', '123456']),
    'plink with a key': async (name) => {
      const key = join(gateway.folder, 'bob.ppk')
      if (!existsSync(key)) execFileSync('puttygen', [gateway.keyFile, '-O', 'private', '-o', key])
      const fingerprint = execFileSync('ssh-keygen', ['-lf', join(gateway.folder, 'known_hosts')], {
        encoding: 'utf8',
      })
      const hostKeys = [...fingerprint.matchAll(/SHA256:\S+/g)].flatMap(([found]) => ['-hostkey', found])
      return gateway.run(
        'plink',
        ['-batch', '-P', String(gateway.port), ...hostKeys, '-i', key, `${name}@127.0.0.1`],
        '',
        { env: { PATH: process.env['PATH'], HOME: gateway.folder } },
      )
    },
  }

  /** Runs ssh on a terminal and answers its questions in turn, again and again. All that was shown is its output. */
  function typing(name: string, answers: readonly string[], before = ''): Promise<Ran> {
    const args = options('-o', 'BatchMode=no', '-o', 'PreferredAuthentications=keyboard-interactive')
    return gateway.run('expect', [
      '-c',
      `set timeout 20
       spawn ssh ${args.join(' ')} ${name}@127.0.0.1 true
       expect {
         "Password: " { ${before}; send "${answers[0]}\\r"; exp_continue }
         "Code: " { send "${answers[1]}\\r"; exp_continue }
         eof {}
       }
       catch wait result
       exit [lindex $result 3]`,
    ])
  }

  async function passwordOnly(username: string): Promise<Ran> {
    const client = new Client()
    let err = ''
    client.on('banner', (text) => {
      err += text
    })
    client.on('error', () => undefined)
    const code = new Promise<number>((resolve) => {
      client.once('ready', () => resolve(0))
      client.once('close', () => resolve(255))
    })
    const where = { host: '127.0.0.1', port: gateway.port, username, hostVerifier: () => true }
    client.connect({ ...where, password: 'a long one', authHandler: ['password', 'password'] })
    const ran = { code: await code, signal: null, out: Buffer.alloc(0), err }
    client.destroy()
    return ran
  }

  // plink folds a banner at 80 columns.
  const shown = (ran: Ran) => (ran.out.toString() + ran.err).replaceAll(/\r?\n> /g, '')

  test.each(Object.entries(states))(
    'where %s, every client is told so, once, whoever asks',
    async (_state, [enter, sentence]) => {
      await enter(gateway)
      for (const name of ['bob', 'nobody-of-that-name@engineer@press-3'])
        await Promise.all(
          Object.entries(clients).map(async ([client, logIn]) => {
            const ran = await logIn(name)
            expect([client, ran.code === 0, shown(ran).split('Tagout')]).toEqual([
              client,
              false,
              [expect.any(String), expect.stringContaining(sentence.slice('Tagout'.length))],
            ])
            // Nobody types a password that cannot be looked at.
            expect(shown(ran)).not.toMatch(/(?:Password|Code):/)
          }),
        )
    },
  )

  test('while all is well nobody is told anything of the gateway, also not between the questions', async () => {
    for (const [client, login] of Object.entries(clients)) {
      const ran = await login('nobody-of-that-name')
      expect([client, shown(ran).includes('Tagout')]).toEqual([client, false])
    }
    const wrong = await typing('carol', ['wrong', '000000'])
    expect(shown(wrong).split('Code:').length).toBeGreaterThan(2)
    expect(shown(wrong)).not.toContain('Tagout')
    const right = await typing('carol@engineer@press-3', ['a long one', '123456'])
    expect(shown(right)).not.toContain('Permission denied')
    expect(shown(right)).not.toContain('Tagout')
  })

  /** Runs ssh with bob's key on a terminal, and gives these codes where one is asked for. */
  const withCodes = (codes: readonly string[], ...more: readonly string[]): Promise<Ran> =>
    gateway.run('expect', [
      '-c',
      `set timeout 20
       set codes {${codes.join(' ')}}
       spawn ssh ${more.join(' ')}
       expect {
         "fresh one): " {
           send "[lindex $codes 0]\\r"
           set codes [lrange $codes 1 end]
           exp_continue
         }
         eof {}
       }
       catch wait result
       exit [lindex $result 3]`,
    ])

  test('whose rule wants a younger factor is asked for a code after the key, before the session begins', async () => {
    gateway.vault.wantsFactor = true
    const asking = options('-o', 'BatchMode=no')
    const there = 'bob@engineer@press-3@127.0.0.1'
    const opened = () => gateway.vault.calls.filter(({ verb }) => verb === 'session.open').length
    // Codes that are wrong are asked for again, and no session is begun meanwhile.
    const wrong = await withCodes(['000000', '111111', '222222'], ...asking, there, 'true')
    expect(shown(wrong)).toContain('Permission denied')
    expect(shown(wrong)).toContain('the code is wrong or was used')
    expect(opened()).toBe(0)
    const right = await withCodes(['000000', '123456'], ...asking, there, 'true')
    expect(shown(right)).not.toMatch(/Permission denied|wants your second factor/)
    expect(opened()).toBe(1)
    // A program that answers no question is kept out, and a login that names no machine is asked for nothing.
    const batch = await gateway.run('ssh', [...options(), there, 'true'])
    expect(shown(batch)).toContain('Permission denied (keyboard-interactive)')
    expect(shown(batch)).toContain('a rule of this machine wants a fresh code')
    const nowhere = await gateway.run('ssh', [...options(), 'bob@127.0.0.1', 'true'])
    expect(shown(nowhere)).toContain('name the machine you want')
  })

  test('through ssh -J it is the inner login that is asked for the code', async () => {
    gateway.vault.wantsFactor = true
    const config = join(gateway.folder, 'config')
    const given = options('-o', 'BatchMode=no').filter(
      (_, at, all) => !['-F', '-p'].includes(all[at] ?? '') && !['-F', '-p'].includes(all[at - 1] ?? ''),
    )
    writeFileSync(
      config,
      [
        `Host gw\n  HostName 127.0.0.1\n  Port ${gateway.port}\n  User bob`,
        'Host press-3\n  ProxyJump gw\n  User engineer',
        'Host *',
        ...given.flatMap((text, at) => (given[at - 1] === '-o' ? [`  ${text}`] : [])),
        `  IdentityFile ${gateway.keyFile}\n`,
      ].join('\n'),
      { mode: 0o600 },
    )
    const inner = ['-F', config, 'press-3', 'true']
    expect(shown(await withCodes(['000000', '111111', '222222'], ...inner))).toContain('Permission denied')
    const right = await withCodes(['123456'], ...inner)
    expect(shown(right)).not.toMatch(/Permission denied|wants your second factor/)
  })

  test('a vault that is sealed between a question and its answer is told of', async () => {
    const sealed = join(gateway.folder, 'sealed')
    const typed = typing('carol', ['a long one', '123456'], `while {![file exists ${sealed}]} { after 20 }`)
    await until(() => gateway.vault.calls.some(({ verb }) => verb === 'status'))
    gateway.vault.state = 'sealed'
    writeFileSync(sealed, '')
    expect(shown(await typed).split(states['the vault is sealed'][1])).toHaveLength(2)
  })
})
