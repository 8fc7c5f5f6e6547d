import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectReplay } from '../../recorder/index.ts'
import { openStore } from '../../recorder/store/index.ts'
import { type GroupKeys, openGroupKeys, verifyChain } from '../../vault/auditors/index.ts'
import { sodium } from '../../vault/crypto/sodium.ts'
import type { RecordingId } from '../../vault/kernel/id.ts'
import { makeSshUser, type Ran, run, until } from '../support/gateway.ts'
import { spawnRecorder, type SpawnedRecorder } from '../support/recorder-process.ts'
import { framesOf, joined, replayOf, valueOf } from '../support/recordings.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'
import { startTestVault, type TestPerson, type TestVault } from '../support/vault.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`sessions end to end are left out: ${why}`)

describe.skipIf(why !== undefined)(
  'a session, from the client to the target (real vault, real recorder, real sshd)',
  () => {
    let vault: TestVault
    let recorder: SpawnedRecorder
    let sshd: TestSshd
    let keyed: TestSshd
    let bob: ReturnType<typeof makeSshUser>
    let carol: TestPerson
    let groupKeys: GroupKeys

    beforeAll(async () => {
      vault = await startTestVault()
      sshd = await startSshd()
      const accountKey = join(vault.dataDir, 'account-key')
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'phrase', '-f', accountKey])
      keyed = await startSshd({
        login: 'publickey',
        authorizedKey: readFileSync(`${accountKey}.pub`, 'utf8').trim(),
      })
      recorder = await spawnRecorder(vault.dataDir, vault.identities.recorder)
      bob = makeSshUser(vault.dataDir, 'bob', recorder.ready().knownHosts, recorder.ready().address.port)

      const { ask } = vault
      await vault.account({
        target: 'press-3',
        login: sshd.user,
        address: `ssh://127.0.0.1:${sshd.port}`,
        pin: sshd.pins[0]?.fingerprint ?? '',
        password: sshd.password,
      })
      await ask('target.add', { name: 'robot-1', safe: 'line-3', address: `ssh://127.0.0.1:${keyed.port}` })
      await ask('account.add', {
        target: 'robot-1',
        login: keyed.user,
        credential: await vault.sealKey(`robot-1/${keyed.user}`, readFileSync(accountKey, 'utf8'), 'phrase'),
      })
      await ask('user.add', { name: 'bob', roles: ['operator'] })
      await ask('user.key.add', { user: 'bob', publicKey: bob.publicLine })
      carol = await vault.person('carol', ['vendor'])
      for (const user of ['bob', 'carol']) {
        await vault.grant(user, `press-3/${sshd.user}`)
        await vault.grant(user, `robot-1/${keyed.user}`, { actions: ['exec'] })
      }
      if (vault.auditor === undefined) throw new Error('no auditor')
      const chain = valueOf(await verifyChain(sodium, await ask('auditor.lists', {})))
      groupKeys = valueOf(openGroupKeys(sodium, vault.auditor, chain))
    }, 120_000)
    afterAll(async () => {
      await recorder?.[Symbol.asyncDispose]()
      await vault?.[Symbol.asyncDispose]()
      await sshd?.stop()
      await keyed?.stop()
    })

    const port = () => String(recorder.ready().address.port)
    const ssh = (place: string, command: readonly string[], input?: string) =>
      run('ssh', [...bob.ssh(['-p', port()]), place, ...command], input)
    const press = () => `bob@${sshd.user}@press-3@127.0.0.1`
    const lastSession = async () => {
      const [session] = await vault.ask('session.list', { limit: 1 })
      if (session === undefined) throw new Error('there is no session')
      return session
    }
    const ended = async () => {
      await until(async () => (await lastSession()).state === 'ended', 15_000)
      return lastSession()
    }
    const framesOfLast = async () => {
      const { recording } = await ended()
      const store = await openStore({
        folder: join(vault.dataDir, 'recorder'),
        floorBytes: 0,
        reserveBytes: 0,
      })
      await using source = valueOf(await store.read(recording as RecordingId))
      return await framesOf(await replayOf(source, groupKeys))
    }

    test('bob runs a command; the vault knows of it, and only the auditor can read it', async () => {
      const ran = await ssh(press(), ['id -un; cat; exit 7'], 'typed')
      expect([ran.code, ran.out.toString(), ran.err]).toEqual([7, `${sshd.user}\ntyped`, ''])
      const session = await ended()
      expect(session).toMatchObject({
        user: 'bob',
        target: 'press-3',
        endReason: 'finished',
        forward: null,
        protocol: 'ssh',
      })
      const [recording] = await vault.ask('recording.list', { limit: 1 })
      expect(recording).toMatchObject({ state: 'complete', session: session.id })
      expect(joined(await framesOfLast(), 'output').toString()).toBe(`${sshd.user}\ntyped`)
      const kinds = (await vault.ask('audit.list', {})).map((leaf) => leaf.kind)
      const order = ['session.opened', 'session.started', 'session.connected', 'session.ended']
      expect(kinds.filter((kind) => order.includes(kind))).toEqual(order)
      expect((await vault.ask('audit.verify', {})).ok).toBe(true)
      expect(vault.faults).toEqual([])
    })

    test('the account may be left out where there is one', async () => {
      expect((await ssh('bob@press-3@127.0.0.1', ['id -un'])).out.toString()).toBe(`${sshd.user}\n`)
    })

    test('a target whose key nobody approved is not connected to; approved, the vault signs for it', async () => {
      const place = `bob@${keyed.user}@robot-1@127.0.0.1`
      const refused = await ssh(place, ['true'])
      expect(refused.code).toBe(255)
      expect(refused.err).toMatch(/^tagout: .+/)
      const seen = await vault.ask('target.scan', { target: 'robot-1' })
      expect(seen).toEqual(keyed.pins.map((pin) => ({ ...pin, needs: [] })))
      await vault.ask('target.pin', { target: 'robot-1', fingerprint: seen[0]?.fingerprint ?? '' })
      await vault.ask('account.bind', { account: `robot-1/${keyed.user}` })
      const ran = await ssh(place, ['id -un; exit 3'])
      expect([ran.code, ran.out.toString(), ran.err]).toEqual([3, `${keyed.user}\n`, ''])
      const shell = await ssh(place, [])
      expect([shell.code, shell.err]).toEqual([
        255,
        expect.stringMatching(/^tagout: your grant|^tagout: .*grant/),
      ])
    })

    test('carol logs in with password and code, typed at two questions', async () => {
      const command = `set timeout 15
      spawn ssh ${bob.ssh(['-p', port(), '-o', 'PubkeyAuthentication=no', '-o', 'BatchMode=no']).join(' ')} carol@${sshd.user}@press-3@127.0.0.1 {echo in-as-$(id -un)}
      expect "Password: "; send "${carol.password}\\r"
      expect "Code: "; send "${carol.code()}\\r"
      expect eof`
      const ran = await run('expect', ['-c', command])
      expect(ran.out.toString()).toContain(`in-as-${sshd.user}`)
      expect((await ended()).user).toBe('carol')
    })

    test('a ticket from the console lets in once', async () => {
      const api = await vault.connect('api')
      const { ticket } = valueOf(
        await api.call('ticket.issue', { account: `press-3/${sshd.user}` }, carol.token),
      )
      const file = join(vault.dataDir, 'ticket')
      writeFileSync(file, ticket, { mode: 0o600 })
      const login = (): Promise<Ran> =>
        run('sshpass', [
          ...['-f', file, '-P', 'assword:', 'ssh'],
          ...bob.ssh([
            '-p',
            port(),
            '-o',
            'PubkeyAuthentication=no',
            '-o',
            'BatchMode=no',
            '-o',
            'NumberOfPasswordPrompts=1',
          ]),
          `carol@${sshd.user}@press-3@127.0.0.1`,
          'echo with a ticket',
        ])
      expect((await login()).out.toString()).toBe('with a ticket\n')
      const again = await login()
      expect(again.code).not.toBe(0)
      expect(again.out.toString()).toBe('')
    })

    test.each([
      [
        'terminated',
        async (): Promise<void> => {
          await vault.ask('session.terminate', { session: (await lastSession()).id, reason: 'lunch' })
        },
        'lunch',
      ],
      [
        'grant revoked',
        async (): Promise<void> => {
          const grants = await vault.ask('grant.list', { user: 'bob', account: `press-3/${sshd.user}` })
          for (const { id } of grants) await vault.ask('grant.revoke', { grant: id })
        },
        'grant',
      ],
    ] as const)(
      'a running session that is %s ends within 3 s, and its user is told',
      async (reason, act, word) => {
        const child = spawn('ssh', [...bob.ssh(['-p', port(), '-tt']), press(), 'echo up; sleep 60'])
        let text = ''
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (piece: Buffer) => (text += piece.toString()))
        const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
        await until(() => text.includes('up'), 15_000)
        const at = performance.now()
        await act()
        expect(await exited).toBe(255)
        expect(performance.now() - at).toBeLessThan(3_000)
        expect(text).toContain(word)
        expect((await ended()).endReason).toBe(reason)
        if (reason === 'grant revoked') await vault.grant('bob', `press-3/${sshd.user}`)
      },
    )

    test('a client that goes away under a running command has closed the session, which did not finish', async () => {
      const child = spawn('ssh', [...bob.ssh(['-p', port()]), press(), 'echo up; sleep 60'])
      const isUp = new Promise((resolve) => child.stdout.once('data', resolve))
      await isUp
      child.kill('SIGKILL')
      expect((await ended()).endReason).toBe('closed by the user')
    })

    test('a target that shows another key is refused, written down, and gets no password', async () => {
      const impostor = await startSshd()
      try {
        await vault.ask('target.add', {
          name: 'press-9',
          safe: 'line-3',
          address: `ssh://127.0.0.1:${impostor.port}`,
          pin: sshd.pins[0]?.fingerprint ?? '',
        })
        await vault.ask('account.add', {
          target: 'press-9',
          login: impostor.user,
          credential: await vault.sealPassword(`press-9/${impostor.user}`, impostor.password),
        })
        await vault.grant('bob', `press-9/${impostor.user}`)
        const ran = await ssh(`bob@${impostor.user}@press-9@127.0.0.1`, ['true'])
        expect(ran.code).toBe(255)
        expect(ran.err).toContain(impostor.pins[0]?.fingerprint)
        expect((await ended()).endReason).toBe('target key changed')
        expect((await vault.ask('target.show', { target: 'press-9' })).changedKey).toMatchObject(
          impostor.pins[0] ?? {},
        )
        expect(impostor.log()).not.toContain('assword for')
      } finally {
        await impostor.stop()
      }
    })

    test('unknown and not granted read alike', async () => {
      const unknown = await ssh('bob@nobody@nowhere@127.0.0.1', ['true'])
      const { enrolment: _, ...dave } = await vault.ask('user.add', { name: 'dave', roles: ['operator'] })
      expect(dave.user.name).toBe('dave')
      const own = makeSshUser(
        vault.dataDir,
        'dave',
        recorder.ready().knownHosts,
        recorder.ready().address.port,
      )
      await vault.ask('user.key.add', { user: 'dave', publicKey: own.publicLine })
      const place = `dave@${sshd.user}@press-3@127.0.0.1`
      const denied = await run('ssh', [...own.ssh(['-p', port()]), place, 'true'])
      expect([unknown.code, unknown.err]).toEqual([denied.code, denied.err])
      expect(unknown.err).toMatch(/^tagout: .+: .+\n$/)
    })

    test('a killed worker’s session is closed as crashed, and its recording opens', async () => {
      const child = spawn('ssh', [...bob.ssh(['-p', port()]), press(), 'echo up; sleep 60'])
      let text = ''
      child.stdout.on('data', (piece: Buffer) => (text += piece.toString()))
      await until(() => text.includes('up'), 15_000)
      await new Promise((resolve) => setTimeout(resolve, 400))
      for (const pid of recorder.workers()) process.kill(pid, 'SIGKILL')
      const session = await ended()
      expect(session.endReason).toBe('recorder crashed')
      await until(
        async () => (await vault.ask('recording.list', { limit: 1 }))[0]?.state === 'incomplete',
        15_000,
      )
      expect(joined(await framesOfLast(), 'output').toString()).toBe('up\n')
      await until(async () => (await ssh(press(), ['exit 3'])).code === 3, 20_000)
    })

    test('the vault starts anew: the session goes on, is claimed, and ends in order', async () => {
      const child = spawn('ssh', [
        ...bob.ssh(['-p', port()]),
        press(),
        'echo up; read line; echo got $line; exit 5',
      ])
      let text = ''
      child.stdout.on('data', (piece: Buffer) => (text += piece.toString()))
      const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
      await until(() => text.includes('up'), 15_000)
      await vault.restart()
      child.stdin.write('through\n')
      expect(await exited).toBe(5)
      expect(text).toBe('up\ngot through\n')
      expect((await ended()).endReason).toBe('finished')
      expect(await vault.ask('recording.list', { limit: 1 })).toMatchObject([{ state: 'complete' }])
    })

    test('the replay socket asks the vault who may read', async () => {
      await ssh(press(), ['echo read me'])
      const { recording } = await ended()
      await using client = await connectReplay(vault.dataDir)
      expect(await client.open(carol.token, recording, 'replay')).toMatchObject({ ok: false })
      const { token } = await vault.ask('login.local', {})
      await using opened = valueOf(await client.open(token, recording, 'verify'))
      expect((await opened.read(0, 8)).length).toBe(8)
    })
  },
)
