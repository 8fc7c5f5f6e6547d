import { afterAll, beforeAll, expect, test } from 'vitest'
import type { WatchMessage } from '../../../recorder/live/protocol.ts'
import { Watch } from '../../../recorder/live/watch.ts'
import type { RecordingWriter } from '../../../recorder/recording/index.ts'
import { TerminalModel } from '../../../recorder/recording/terminal-model.ts'
import { type RecordingRoom, recordingRoom } from '../../support/recordings.ts'
import { until } from '../../support/gateway.ts'

let room: RecordingRoom
beforeAll(async () => {
  room = await recordingRoom()
})
afterAll(() => room[Symbol.asyncDispose]())

/** A watcher's terminals, drawn from what they are told; it draws at once, or when it is let. */
function makeViewer() {
  const screens = new Map<number, TerminalModel>()
  const messages: WatchMessage[] = []
  const untaken: (() => void)[] = []
  let shown = -1
  let bytes = 0
  let isSlow = false
  return {
    messages,
    screens,
    bytes: () => bytes,
    marks: () => messages.flatMap((message) => (message.kind === 'mark' ? [message.text] : [])),
    text: (channel = 0) => Buffer.from(screens.get(channel)?.keyframe() ?? []).toString(),
    stop: () => {
      isSlow = true
    },
    goOn: () => {
      isSlow = false
      for (const taken of untaken.splice(0)) taken()
    },
    viewer: {
      send: (message: WatchMessage) => {
        messages.push(message)
        if (message.kind === 'screen')
          screens.set(message.channel, new TerminalModel(message.columns, message.rows))
        if (message.kind === 'screen' || message.kind === 'channel') shown = message.channel
        if (message.kind === 'resize') screens.get(message.channel)?.resize(message.columns, message.rows)
      },
      write: (piece: Uint8Array, taken: () => void) => {
        bytes += piece.length
        screens.get(shown)?.feed(piece)
        if (isSlow) untaken.push(taken)
        else setImmediate(taken)
      },
    },
  }
}

/** What the session's own terminal shows. */
function makeSession(writer: RecordingWriter) {
  const model = new TerminalModel(80, 24)
  return {
    text: () => Buffer.from(model.keyframe() ?? []).toString(),
    open: () =>
      writer.append({
        kind: 'mark',
        channel: 0,
        mark: { kind: 'open', type: 'shell', columns: 80, rows: 24 },
      }),
    print: async (text: string) => {
      const bytes = Buffer.from(text)
      await writer.append({ kind: 'output', channel: 0, bytes })
      model.feed(bytes)
    },
    type: (text: string) => writer.append({ kind: 'input', channel: 0, bytes: Buffer.from(text) }),
  }
}

test('eight hours of a shell: a watcher begins at the present screen without what was before it, and goes on from there', async () => {
  await using writer = await room.record()
  const session = makeSession(writer)
  await session.open()
  for (let second = 0; second < 8 * 3600; second += 1)
    await session.print(`${second}: pressure \x1b[3${second % 8}m${second % 97}\x1b[m bar\r\n$ `)
  await session.print('\x1b[5;20r\x1b[?25lleft as it is')
  await writer.flush()
  const present = session.text()
  const watching = makeViewer()
  const begun = performance.now()
  using watch = new Watch(writer, watching.viewer)
  await until(() => watching.screens.size > 0 && watching.text() === present)
  // test/bench measures it; here other tests run beside.
  expect(performance.now() - begun).toBeLessThan(10_000)
  // The screen, not the eight hours before it.
  expect(watching.bytes()).toBeLessThan(20_000)
  await session.print('\x1b[r\x1b[?25h\r\nand on\r\n')
  await until(() => watching.text() === session.text())
  expect(watch.skips).toBe(0)
}, 60_000)

test('a watcher who joins in the middle of a flood misses nothing of the screen, and draws nothing twice', async () => {
  await using writer = await room.record()
  const session = makeSession(writer)
  await session.open()
  const watchers: { readonly viewing: ReturnType<typeof makeViewer>; readonly watch: Watch }[] = []
  for (let line = 0; line < 5_000; line += 1) {
    await session.print(`line ${line}\r\n`)
    if (line % 1_000 === 500) {
      const viewing = makeViewer()
      watchers.push({ viewing, watch: new Watch(writer, viewing.viewer) })
    }
  }
  for (const { viewing, watch } of watchers) {
    await until(() => viewing.text() === session.text())
    watch[Symbol.dispose]()
  }
})

test('a watcher who does not draw slows nobody, and sees the screen as it is when they go on', async () => {
  await using writer = await room.record()
  const session = makeSession(writer)
  await session.open()
  const slow = makeViewer()
  const quick = makeViewer()
  using watch = new Watch(writer, slow.viewer)
  using other = new Watch(writer, quick.viewer)
  await until(() => slow.screens.size > 0 && quick.screens.size > 0)
  slow.stop()
  const piece = 'x'.repeat(30_000)
  for (let at = 0; at < 400; at += 1) await session.print(`${at} ${piece}\r\n`)
  await session.print('\x1b[2J\x1b[Hthe end')
  // Of twelve megabytes no more than its bound was ever sent to who does not draw.
  expect(slow.bytes()).toBeLessThan(1_200_000)
  await until(() => quick.text() === session.text(), 20_000)
  slow.goOn()
  await until(() => slow.text() === session.text(), 20_000)
  expect(watch.skips).toBeGreaterThan(0)
  await session.print('\r\nafter it')
  await until(() => slow.text() === session.text())
  void other
}, 60_000)

test('what is typed without echo is shown to no watcher, and neither is any input', async () => {
  await using writer = await room.record({ inputPolicy: 'full' })
  const session = makeSession(writer)
  await session.open()
  const watching = makeViewer()
  const written: Buffer[] = []
  const { viewer } = watching
  using watch = new Watch(writer, {
    ...viewer,
    write: (bytes, taken) => {
      written.push(Buffer.from(bytes))
      viewer.write(bytes, taken)
    },
  })
  await session.print('password: ')
  await session.type('correct horse\r')
  await session.print('\r\n$ ')
  await until(() => watching.text() === session.text())
  const seen = Buffer.concat(written).toString() + JSON.stringify(watching.messages)
  expect(seen).not.toContain('correct')
  expect(seen).not.toContain('horse')
  void watch
})

test('a watcher is told commands, marks, sizes and ends; hostile text in them drives no terminal', async () => {
  await using writer = await room.record()
  const session = makeSession(writer)
  await session.open()
  await session.print('$ ')
  const watching = makeViewer()
  using watch = new Watch(writer, watching.viewer)
  await until(() => watching.screens.size > 0)
  await session.type('ls')
  await session.print('ls')
  await session.type('\r')
  await session.print('\r\nrecipe.csv\r\n$ ')
  await until(() => watching.marks().includes('command: ls'))
  await writer.append({
    kind: 'mark',
    channel: -1,
    mark: { kind: 'message', by: 'sue', text: 'stop\x1b[2J\u202e' },
  })
  await writer.append({ kind: 'resize', channel: 0, columns: 100, rows: 30 })
  await writer.append({ kind: 'mark', channel: 1, mark: { kind: 'open', type: 'exec', command: 'tar c /' } })
  await writer.append({ kind: 'output', channel: 1, bytes: Buffer.from('not a terminal') })
  await writer.append({ kind: 'mark', channel: 0, mark: { kind: 'close', exitCode: 0 } })
  await until(() => watching.messages.some(({ kind }) => kind === 'closed'))
  expect(watching.messages).toContainEqual({ kind: 'resize', channel: 0, columns: 100, rows: 30 })
  expect(watching.marks()).toEqual(
    expect.arrayContaining([
      'message from sue: stop\ufffd[2J\ufffd',
      'exec opened: tar c /',
      'closed, exit code 0',
    ]),
  )
  expect(watching.text()).not.toContain('not a terminal')
  watch[Symbol.dispose]()
  const before = watching.messages.length
  await writer.append({ kind: 'mark', channel: -1, mark: { kind: 'warning', text: 'after' } })
  expect(watching.messages).toHaveLength(before)
})
