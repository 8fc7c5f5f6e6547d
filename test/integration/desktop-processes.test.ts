import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Guacd, guacdVariables, runGuacd } from '../../deploy/supervisor/guacd.ts'
import { toGuac } from '../../recorder/replay/index.ts'
import { liveSocketPath } from '../../recorder/live/live-path.ts'
import { openStore } from '../../recorder/store/index.ts'
import { InstructionParser } from '../../recorder/broker/desktop/instruction.ts'
import { openDesktopEnd, vncAccount } from '../support/desktop.ts'
import { allEnded } from '../support/gateway.ts'
import { until } from '../support/installation.ts'
import { type RecorderProcess, startRecorderProcess } from '../support/recorder-process.ts'
import { replayOf, valueOf } from '../support/recordings.ts'
import { startVnc, type VncServer, whyNoDesktop } from '../support/vnc.ts'

const why = whyNoDesktop()
if (why !== undefined) console.warn(`desktops of the recorder's processes are left out: ${why}`)

describe.skipIf(why !== undefined)(
  'desktops of the recorder as processes (fake vault, real guacd and VNC)',
  () => {
    let folder: string
    let vnc: VncServer
    let guacd: Guacd
    let recorder: RecorderProcess

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tagout-desk-'))
      await chmod(folder, 0o711)
      vnc = await startVnc('Kanarie7')
      guacd = await runGuacd({
        dataDir: folder,
        given: undefined,
        mayInstall: false,
        say: () => undefined,
        onChange: () => undefined,
      })
      recorder = await startRecorderProcess({}, guacdVariables(guacd))
      recorder.vault.accounts.push(vncAccount(vnc))
    })
    afterAll(async () => {
      await recorder?.[Symbol.asyncDispose]()
      await guacd?.[Symbol.asyncDispose]()
      await vnc?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })
    const open = async (worker: number) => {
      const liveSocket = liveSocketPath(recorder.dataDir, `worker-${worker}`)
      const end = await openDesktopEnd({ vault: recorder.vault, liveSocket }, 'hmi-3', 'operator')
      await end.see('sync')
      return { ...end, session: (await end.live.hear('started')).session }
    }

    test('a worker that is killed takes its own desktops only; what was recorded is reported and replays', async () => {
      const one = await open(1)
      const other = await open(2)
      one.send('mouse', 300, 200, 0)
      other.send('mouse', 310, 210, 0)
      // What was shown is on the disk at most 250 ms later.
      await wait(600)
      process.kill(recorder.workers()[0] ?? 0, 'SIGKILL')
      expect(await one.live.closed).toBe(1006)
      const end = await until(
        () => recorder.vault.inputsOf('session.end').find(({ session }) => session === one.session),
        15_000,
      )
      expect(end).toMatchObject({ reason: 'recorder crashed', recording: { state: 'incomplete' } })
      const store = await openStore({
        folder: join(recorder.dataDir, 'recorder'),
        floorBytes: 0,
        reserveBytes: 0,
      })
      const recording = recorder.vault.permits.get(one.session)?.permit.recording ?? ('' as never)
      await using source = valueOf(await store.read(recording))
      const replay = await replayOf(source, recorder.room.keys)
      let text = ''
      for await (const piece of toGuac(replay)) text += Buffer.from(piece).toString('latin1')
      const opcodes = new InstructionParser().push(Buffer.from(text, 'latin1')).map(({ opcode }) => opcode)
      expect(opcodes[0]).toBe('size')
      expect(opcodes).toEqual(expect.arrayContaining(['img', 'blob', 'end', 'sync', 'mouse']))

      // The other goes on, and a new one opens in the worker that came in its place.
      const before = other.shown.length
      other.type('echo still-here\n')
      await until(() => other.shown.length > before || undefined, 20_000)
      // Its socket is there when it has said hello, or soon after.
      await until(
        () => answers(liveSocketPath(recorder.dataDir, 'worker-1')),
        30_000,
        () => false,
        () => recorder.log(),
      )
      const again = await open(1)
      for (const each of [other, again]) {
        each.live.say({ kind: 'leave' })
        await each.live.hear('ended')
      }
      await allEnded(recorder.vault)
    })
  },
)

/** Whether something listens at a path now. */
async function answers(path: string): Promise<true | undefined> {
  const socket = createConnection(path)
  const is = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  })
  socket.destroy()
  return is || undefined
}
