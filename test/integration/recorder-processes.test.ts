import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectReplay } from '../../recorder/index.ts'
import { openStore } from '../../recorder/store/index.ts'
import { addTarget, allEnded, run, until } from '../support/gateway.ts'
import { type RecorderProcess, startRecorderProcess } from '../support/recorder-process.ts'
import { framesOf, joined, replayOf, valueOf } from '../support/recordings.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`the recorder's processes are left out: ${why}`)

describe.skipIf(why !== undefined)('the recorder as processes (fake vault, real sshd)', () => {
  let sshd: TestSshd
  let recorder: RecorderProcess

  beforeAll(async () => {
    sshd = await startSshd()
    recorder = await startRecorderProcess()
    addTarget(recorder, 'press-3', sshd)
  })
  afterAll(async () => {
    await recorder[Symbol.asyncDispose]()
    await sshd.stop()
  })

  const args = (command: string) => [
    ...recorder.ssh(['-p', String(recorder.ready().address.port)]),
    `bob@${sshd.user}@press-3@127.0.0.1`,
    command,
  ]
  const ssh = (command: string, input?: string) => run('ssh', args(command), input)
  /** Starts a command that says `up` and goes on, and waits until it did. */
  const longRunning = async () => {
    const child = spawn('ssh', args('echo up; sleep 60'), { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', (piece: Buffer) => (text += piece.toString()))
    child.stderr.on('data', (piece: Buffer) => (text += piece.toString()))
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    await until(() => text.includes('up'), 15_000)
    return { exited, text: () => text, stop: () => child.kill() }
  }

  test('two workers share the connections, each known to the vault', async () => {
    const ran = await Promise.all(Array.from({ length: 6 }, (_, at) => ssh(`echo ${at}; exit ${at}`)))
    expect(
      ran.map(({ code }) => code),
      ran.map(({ err }) => err).join(''),
    ).toEqual([0, 1, 2, 3, 4, 5])
    const hellos = recorder.vault.inputsOf('recorder.hello').map(({ worker }) => worker)
    expect([...new Set(hellos)].sort()).toEqual(['worker-1', 'worker-2'])
    const openedBy = recorder.vault.inputsOf('session.open').map(({ worker }) => worker)
    expect(new Set(openedBy).size).toBe(2)
    await allEnded(recorder.vault)
  })

  test('a worker that is killed takes its own sessions only, and what it recorded is reported and opens', async () => {
    const before = recorder.vault.inputsOf('session.end').length
    const one = await longRunning()
    const other = await longRunning()
    // The recording is on the disk at most 250 ms later.
    await wait(600)
    const [first] = recorder.vault.inputsOf('session.open').slice(-2)
    const pids = recorder.workers()
    const victim = first?.worker === 'worker-1' ? pids[0] : pids[1]
    process.kill(victim ?? 0, 'SIGKILL')
    await one.exited
    await until(() => recorder.vault.inputsOf('session.end').length > before, 15_000)
    const end = recorder.vault.inputsOf('session.end').at(-1)
    expect(end).toMatchObject({ reason: 'recorder crashed', recording: { state: 'incomplete' } })
    const recording = recorder.vault.permits.get(end?.session ?? '')?.permit.recording
    const store = await openStore({
      folder: join(recorder.dataDir, 'recorder'),
      floorBytes: 0,
      reserveBytes: 0,
    })
    await using source = valueOf(await store.read(recording ?? ('' as never)))
    const frames = await framesOf(await replayOf(source, recorder.room.keys))
    expect(joined(frames, 'output').toString()).toBe('up\n')
    // The other session goes on, and a new one starts on a new worker.
    await until(() => recorder.workers().length === 2, 10_000)
    expect((await ssh('echo again')).out.toString()).toBe('again\n')
    expect(await Promise.race([other.exited, wait(100, 'living')])).toBe('living')
    other.stop()
    await other.exited
    await allEnded(recorder.vault)
  })

  test('after the whole recorder was killed, the next start reports what was left', async () => {
    const one = await longRunning()
    await wait(600)
    const before = recorder.vault.inputsOf('session.end').length
    const pids = recorder.workers()
    recorder.child().kill('SIGKILL')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await one.exited
    await recorder.again()
    await until(() => recorder.vault.inputsOf('session.end').length > before, 15_000)
    expect(recorder.vault.inputsOf('session.end').at(-1)).toMatchObject({
      reason: 'recorder crashed',
      recording: { state: 'incomplete' },
    })
    await until(() => readdirSync(join(recorder.dataDir, 'recorder', 'unsettled')).length === 0)
  })

  test('workers whose parent is gone end their sessions and themselves', async () => {
    const one = await longRunning()
    const pids = recorder.workers()
    recorder.child().kill('SIGKILL')
    expect(await one.exited).toBe(255)
    await until(() => pids.every((pid) => !isAlive(pid)), 15_000)
    await recorder.again()
    await allEnded(recorder.vault)
  }, 40_000)

  test('while the vault is away no session starts, running ones go on, and their end is told when it is back', async () => {
    const one = await longRunning()
    await recorder.vault.goAway()
    const refused = await ssh('true')
    expect(refused.code).toBe(255)
    expect(await Promise.race([one.exited, wait(300, 'living')])).toBe('living')
    one.stop()
    await one.exited
    await recorder.vault.listen()
    await allEnded(recorder.vault)
    await until(async () => (await ssh('exit 3')).code === 3, 15_000)
    const live = recorder.vault.inputsOf('recorder.hello').at(-1)?.live
    expect(Array.isArray(live)).toBe(true)
    await allEnded(recorder.vault)
  }, 40_000)

  test('a session ends when the vault has been away for longer than is allowed', async () => {
    await using impatient = await startRecorderProcess({ vaultAwaySeconds: 1 })
    addTarget(impatient, 'press-3', sshd)
    const place = `bob@${sshd.user}@press-3@127.0.0.1`
    const options = impatient.ssh(['-p', String(impatient.ready().address.port)])
    const child = spawn('ssh', [...options, place, 'echo up; sleep 60'])
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => (text += piece.toString()))
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    await until(() => text.includes('up'), 15_000)
    await impatient.vault.goAway()
    expect(await exited).toBe(255)
    expect(text).toContain('the vault has been away too long')
    await impatient.vault.listen()
    await allEnded(impatient.vault)
    expect(impatient.vault.inputsOf('session.end').at(-1)).toMatchObject({
      reason: 'vault away too long',
      recording: { state: 'complete' },
    })
  }, 40_000)

  test('the replay socket gives the ciphertext to whom the vault lets, and to nobody else', async () => {
    await ssh('echo to be read')
    await allEnded(recorder.vault)
    const { permit } = [...recorder.vault.permits.values()].at(-1) ?? {}
    const recording = permit?.recording ?? ''
    await using client = await connectReplay(recorder.dataDir)
    expect(await client.open('somebody', recording, 'replay')).toMatchObject({
      ok: false,
      refusal: { code: 'forbidden' },
    })
    expect(await client.open('an auditor', '../../etc/passwd', 'replay')).toMatchObject({ ok: false })
    await using opened = valueOf(await client.open('an auditor', recording, 'replay'))
    expect(opened.size).toBeGreaterThan(1000)
    expect((await opened.read(0, opened.size)).length).toBe(opened.size)
    expect((await opened.read(opened.size - 10, 100)).length).toBe(10)
    const frames = await framesOf(await replayOf(opened, recorder.room.keys))
    expect(joined(frames, 'output').toString()).toBe('to be read\n')
  })

  test('more than thirty connections of one source that prove nobody are closed at once', async () => {
    const { connect } = await import('node:net')
    const { port } = recorder.ready().address
    const sockets = Array.from({ length: 35 }, () => connect(port, '127.0.0.1'))
    const closed = sockets.map((socket) => {
      socket.on('error', () => undefined)
      return new Promise<boolean>((resolve) => {
        socket.on('data', () => resolve(false))
        socket.on('close', () => resolve(true))
      })
    })
    const outcome = await Promise.all(closed)
    expect(outcome.filter(Boolean).length).toBe(5)
    for (const socket of sockets) socket.destroy()
    await until(async () => (await ssh('exit 4')).code === 4, 10_000)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
