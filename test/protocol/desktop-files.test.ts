import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FilesRefusal } from '../../web/desktop/sftp.ts'
import { type FakeAccount, makeAccountKey } from '../support/contract-vault.ts'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway, vncAccount } from '../support/desktop.ts'
import { allEnded } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'
import { startVnc, type VncServer, whyNoDesktop } from '../support/vnc.ts'

/** Files beside a desktop: fake vault, real guacd, TigerVNC and sshd. */

const why = whyNoDesktop() ?? whyNoSshd()
if (why !== undefined) console.warn(`files beside desktops are left out: ${why}`)

const both = ['observe', 'interact', 'sftp-read', 'sftp-write'] as const
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const noSignal = new AbortController().signal

describe.skipIf(why !== undefined)('files beside a desktop', () => {
  let desk: DesktopGateway
  let vnc: VncServer
  let sshd: TestSshd
  const carrier = (change: Partial<FakeAccount> = {}): FakeAccount => ({
    ...{ target: 'hmi-3-ssh', login: sshd.user, host: '127.0.0.1', port: sshd.port, pins: sshd.pins },
    credential: { kind: 'password', password: sshd.password },
    ...change,
  })
  beforeAll(async () => {
    vnc = await startVnc('Kanarie7')
    sshd = await startSshd()
    desk = await startDesktopGateway()
    const { accounts } = desk.gateway.vault
    const add = (
      target: string,
      actions: NonNullable<FakeAccount['actions']>,
      files: FakeAccount | undefined,
    ) => accounts.push(vncAccount(vnc, { target, actions, ...(files === undefined ? {} : { files }) }))
    add('hmi-3', both, carrier())
    add('reads', ['observe', 'interact', 'sftp-read'], carrier())
    add('plain', ['observe', 'interact'], carrier())
    add('looks', ['observe', 'sftp-read', 'sftp-write'], carrier())
    add('none', both, undefined)
    accounts.push(vncAccount(vnc, { target: 'bound', actions: both, files: carrier(), fileMegabytes: 1 }))
    add('moved', both, carrier({ pins: [{ type: 'ssh-ed25519', fingerprint: `SHA256:${'A'.repeat(43)}` }] }))
    add('wrong', both, carrier({ credential: { kind: 'password', password: 'not the password' } }))
  }, 60_000)
  afterAll(async () => {
    await desk?.[Symbol.asyncDispose]()
    await sshd?.[Symbol.asyncDispose]()
    await vnc?.[Symbol.asyncDispose]()
  })

  const open = async (target = 'hmi-3') => {
    const end = await openDesktopEnd(desk.gateway, target, 'operator')
    const { session } = await end.live.hear('started')
    await end.see('sync')
    return { ...end, session }
  }
  type End = Awaited<ReturnType<typeof open>>
  const opened = async (end: End) => {
    const files = await end.files()
    expect(files.said).toMatchObject({ kind: 'files', open: true })
    return { ...files, home: await files.client.begin() }
  }
  const refusedOf = (said: unknown) => expect(said).toMatchObject({ kind: 'files', open: false })
  const leave = async (end: End) => {
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    await allEnded(desk.gateway.vault)
  }
  const place = (name: string, content: Uint8Array) => {
    const path = join(sshd.home, name)
    writeFileSync(path, content)
    execFileSync('chown', [sshd.user, path])
    return path
  }
  const filesOf = (session: string) =>
    desk.gateway.vault.inputsOf('session.file').filter((one) => one.session === session)
  const eventsOf = (session: string) =>
    desk.gateway.vault.inputsOf('session.event').filter((one) => one.session === session)

  test('go both ways, whole; size and digest are in the audit log and the recording, the content nowhere', async () => {
    const recipe = Buffer.concat([Buffer.from('THE SECRET RECIPE\n'), randomBytes(1_000_000)])
    place('recipe.bin', recipe)
    const end = await open()
    expect(await end.live.hear('started')).toMatchObject({ files: { account: `hmi-3-ssh/${sshd.user}` } })
    const { client, home, said } = await opened(end)
    expect(said).toMatchObject({ reads: true, writes: true })
    expect(home).toBe(sshd.home)
    expect((await client.list(home)).find(({ name }) => name === 'recipe.bin')).toMatchObject({
      isFolder: false,
      size: recipe.length,
    })
    const pieces: Uint8Array[] = []
    const steps: number[] = []
    const size = await client.read(
      join(home, 'recipe.bin'),
      (piece) => pieces.push(piece),
      (done) => steps.push(done),
      noSignal,
    )
    expect(size).toBe(recipe.length)
    expect(sha256(Buffer.concat(pieces))).toBe(sha256(recipe))
    expect(steps.at(-1)).toBe(recipe.length)
    expect(steps).toEqual([...steps].sort((a, b) => a - b))
    const sent = randomBytes(777_777)
    await client.write(join(home, 'new.bin'), new Blob([sent]), false, () => undefined, noSignal)
    expect(sha256(readFileSync(join(sshd.home, 'new.bin')))).toBe(sha256(sent))
    // Another of that name is not written over unasked.
    await expect(
      client.write(join(home, 'new.bin'), new Blob(['x']), false, () => undefined, noSignal),
    ).rejects.toBeInstanceOf(FilesRefusal)
    await client.write(join(home, 'new.bin'), new Blob(['y']), true, () => undefined, noSignal)
    expect(readFileSync(join(sshd.home, 'new.bin'), 'utf8')).toBe('y')
    // The desktop goes on beside them.
    end.type('x')
    await until(() => end.taken() >= end.sent() || undefined, 20_000)
    await leave(end)
    const named = { via: 'sftp', complete: true, session: end.session }
    expect(filesOf(end.session)).toEqual([
      {
        ...named,
        name: join(home, 'recipe.bin'),
        direction: 'download',
        size: recipe.length,
        sha256: sha256(recipe),
      },
      { ...named, name: join(home, 'new.bin'), direction: 'upload', size: sent.length, sha256: sha256(sent) },
      {
        ...named,
        name: join(home, 'new.bin'),
        direction: 'upload',
        size: 1,
        sha256: sha256(Buffer.from('y')),
      },
    ])
    const frames = await desk.gateway.frames()
    const marks = frames.flatMap((frame) => (frame.kind === 'mark' ? [frame.mark] : []))
    expect(marks.filter(({ kind }) => kind === 'file')).toHaveLength(3)
    expect(marks).toContainEqual({ kind: 'open', type: 'subsystem', command: 'sftp' })
    const recorded = JSON.stringify(frames, (_key, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
    )
    for (const text of [recorded, desk.gateway.logged.join('\n'), JSON.stringify(end.live.messages)]) {
      expect(text).not.toContain('THE SECRET RECIPE')
      expect(text).not.toContain(sshd.password)
    }
  })

  test('by a key that never leaves the vault, too, and one login serves a session', async () => {
    const key = makeAccountKey()
    await using other = await startSshd({ login: 'publickey', authorizedKey: key.publicKey })
    desk.gateway.vault.accounts.push(
      vncAccount(vnc, {
        ...{ target: 'keyed', actions: [...both] },
        files: {
          ...carrier({ login: other.user, port: other.port, pins: other.pins }),
          credential: { kind: 'ssh-key', ...key },
        },
      }),
    )
    const end = await open('keyed')
    for (let count = 0; count < 3; count += 1) {
      const { client, home } = await opened(end)
      expect(home).toBe(other.home)
      await client.write(`${home}/${count}`, new Blob(['z']), false, () => undefined, noSignal)
      end.live.say({ kind: 'files', open: false })
      const closed = () => end.live.messages.filter((one) => one.kind === 'files' && !one.open).length
      await until(() => closed() > count || undefined, 20_000)
    }
    await leave(end)
    const logins = desk.gateway.vault
      .inputsOf('session.files-login')
      .filter((one) => one.session === end.session)
    expect(logins).toEqual([{ session: end.session, verdict: 'accepted' }])
    expect(existsSync(join(other.home, '2'))).toBe(true)
  })

  test('each way is of its own: who may only take files off puts none there, and changes nothing', async () => {
    place('given.txt', Buffer.from('given'))
    const end = await open('reads')
    const { client, home, said } = await opened(end)
    expect(said).toMatchObject({ reads: true, writes: false })
    let got = ''
    await client.read(
      `${home}/given.txt`,
      (piece) => (got += Buffer.from(piece)),
      () => undefined,
      noSignal,
    )
    expect(got).toBe('given')
    for (const act of [
      () => client.write(`${home}/taken.txt`, new Blob(['x']), false, () => undefined, noSignal),
      () => client.remove(`${home}/given.txt`),
    ])
      await expect(act()).rejects.toThrow('your grant does not allow this')
    expect(existsSync(join(sshd.home, 'taken.txt'))).toBe(false)
    expect(existsSync(join(sshd.home, 'given.txt'))).toBe(true)
    await leave(end)
    expect(eventsOf(end.session).map(({ event }) => event)).toContain('refused channel')
  })

  test.each([
    ['without the action', 'plain'],
    ['who only looks', 'looks'],
    ['where nobody carries them', 'none'],
  ])('%s there are none, and the vault is not asked for a credential', async (_, target) => {
    const before = desk.gateway.vault.inputsOf('session.files').length
    const end = await open(target)
    expect(await end.live.hear('started')).not.toHaveProperty('files')
    const { said, sendRaw } = await end.files()
    refusedOf(said)
    // Bytes for what is not open reach nothing, and end nothing.
    sendRaw(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]))
    end.type('x')
    await leave(end)
    expect(desk.gateway.vault.inputsOf('session.files')).toHaveLength(before)
    expect(eventsOf(end.session)).toContainEqual(expect.objectContaining({ event: 'files refused' }))
  })

  test('a machine with another host key gets no credential, one that refuses it is asked once; the desktop stays', async () => {
    const moved = await open('moved')
    const { said } = await moved.files()
    refusedOf(said)
    expect(JSON.stringify(said)).toContain('host key')
    await leave(moved)
    const verdict = (session: string) =>
      desk.gateway.vault.inputsOf('session.files-login').filter((one) => one.session === session)
    expect(verdict(moved.session)).toEqual([{ session: moved.session, verdict: 'untried' }])
    const wrong = await open('wrong')
    refusedOf((await wrong.files()).said)
    const again = (await wrong.files()).said
    expect(again).toMatchObject({ message: expect.stringContaining('refused the stored credential') })
    expect(verdict(wrong.session)).toEqual([{ session: wrong.session, verdict: 'rejected' }])
    wrong.type('x')
    await until(() => wrong.taken() >= wrong.sent() || undefined, 20_000)
    await leave(wrong)
  })

  test('frozen in the middle nothing goes on until it is thawed, and the picture does; new files are refused', async () => {
    const big = randomBytes(8_000_000)
    place('big.bin', big)
    const end = await open()
    const { client, home, sendRaw } = await opened(end)
    const pieces: Uint8Array[] = []
    let reached = () => undefined as void
    const half = new Promise<void>((resolve) => (reached = resolve))
    const reading = client.read(
      `${home}/big.bin`,
      (piece) => pieces.push(piece),
      (done) => {
        if (done > 1_000_000) reached()
      },
      noSignal,
    )
    await half
    await desk.gateway.vault.setFrozen(end.session, true, 'sven', 'wait')
    // What had been asked before comes, and no more.
    let before = -1
    await until(() => {
      const now = pieces.length
      const isStill = now === before
      before = now
      return isStill || undefined
    }, 20_000)
    const held = Buffer.concat(pieces).length
    expect(held).toBeLessThan(big.length)
    const from = end.shown.length
    execFileSync('xsetroot', ['-display', `:${vnc.display}`, '-solid', '#336699'])
    await end.see('sync', from)
    expect(Buffer.concat(pieces)).toHaveLength(held)
    await desk.gateway.vault.setFrozen(end.session, false, 'sven', '')
    expect(await reading).toBe(big.length)
    expect(sha256(Buffer.concat(pieces))).toBe(sha256(big))
    // Held, who sends and sends has the files closed; the desktop stays.
    await desk.gateway.vault.setFrozen(end.session, true, 'sven', 'wait')
    const over = () => end.live.messages.some((one) => one.kind === 'files' && !one.open)
    for (let count = 0; count < 200 && !over(); count += 1) {
      sendRaw(Buffer.alloc(16_000))
      await until(() => end.live.socket.bufferedAmount === 0 || undefined, 20_000)
    }
    await until(() => over() || undefined, 20_000)
    expect(JSON.stringify(end.live.messages)).toContain('more was sent than there was room for')
    const { said } = await end.files()
    expect(said).toMatchObject({ open: false, message: expect.stringContaining('is frozen by sven') })
    await leave(end)
  })

  test('terminated in the middle, what had passed is written down as not complete', async () => {
    const end = await open()
    const { client, home } = await opened(end)
    const content = new Blob([randomBytes(30_000_000)])
    let reached = () => undefined as void
    const some = new Promise<void>((resolve) => (reached = resolve))
    const writing = client
      .write(`${home}/cut.bin`, content, false, (done) => void (done > 500_000 && reached()), noSignal)
      .catch((error: unknown) => error)
    await some
    await desk.gateway.vault.cut(end.session, 'terminated', 'enough')
    await end.live.hear('ended')
    client.close('over')
    expect(await writing).toBeInstanceOf(Error)
    await allEnded(desk.gateway.vault)
    const [file] = filesOf(end.session)
    expect(file).toMatchObject({ name: `${home}/cut.bin`, direction: 'upload', complete: false })
    expect(file?.size).toBeGreaterThan(500_000)
    expect(file?.size).toBeLessThan(content.size)
  })

  test('beyond what a session’s files may carry they close, with a sentence, and the desktop stays', async () => {
    const end = await open('bound')
    const { client, home } = await opened(end)
    const writing = client
      .write(`${home}/much.bin`, new Blob([randomBytes(3_000_000)]), false, () => undefined, noSignal)
      .catch((error: unknown) => error)
    const closed = await until(
      () => end.live.messages.find((one) => one.kind === 'files' && !one.open),
      20_000,
    )
    expect(closed).toMatchObject({ message: expect.stringContaining('may carry 1 MB in all') })
    client.close('over')
    expect(await writing).toBeInstanceOf(Error)
    // Opened again in the same session, there is no more.
    const again = await opened(end)
    const more = again.client
      .write(`${home}/more.bin`, new Blob([randomBytes(200_000)]), false, () => undefined, noSignal)
      .catch((error: unknown) => error)
    await until(
      () => end.live.messages.filter((one) => one.kind === 'files' && !one.open).length === 2 || undefined,
      20_000,
    )
    again.client.close('over')
    expect(await more).toBeInstanceOf(Error)
    end.type('x')
    await until(() => end.taken() >= end.sent() || undefined, 20_000)
    await leave(end)
    expect(eventsOf(end.session)).toContainEqual(
      expect.objectContaining({ event: 'refused channel', detail: expect.stringContaining('1 MB in all') }),
    )
    const carried = filesOf(end.session).reduce((sum, { size }) => sum + size, 0)
    expect(carried).toBeGreaterThan(0)
    expect(carried).toBeLessThanOrEqual(1_000_000)
  })

  test('when the time of the files is up they close, with a sentence, and the desktop stays', async () => {
    desk.gateway.vault.filesFor = 1
    try {
      const end = await open()
      await opened(end)
      const closed = await until(
        () => end.live.messages.find((one) => one.kind === 'files' && !one.open),
        20_000,
      )
      expect(closed).toMatchObject({ message: 'the time in which files may go has ended' })
      end.type('x')
      await until(() => end.taken() >= end.sent() || undefined, 20_000)
      await leave(end)
    } finally {
      desk.gateway.vault.filesFor = 3600
    }
  })
})
