import { expect, test } from 'vitest'
import { MachineFiles } from '../../web/desktop/machine-files.ts'
import { nameHere, SftpClient } from '../../web/desktop/sftp.ts'
import { until } from '../support/installation.ts'

/** Files of a hostile machine, as the page beside its desktop takes them. */

const u32 = (value: number) => {
  const out = Buffer.alloc(4)
  out.writeUInt32BE(value)
  return out
}
const u64 = (value: number) => Buffer.concat([u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32)])
const text = (value: string | Buffer) => Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)])
const packet = (type: number, ...parts: readonly Buffer[]) => {
  const body = Buffer.concat([Buffer.from([type]), ...parts])
  return Buffer.concat([u32(body.length), body])
}
const status = (id: number, code: number, said = '') => packet(101, u32(id), u32(code), text(said), text(''))
const names = (id: number, ...all: readonly string[]) =>
  packet(104, u32(id), u32(all.length), ...all.flatMap((name) => [text(name), text(name), u32(1), u64(7)]))

type Answer = (type: number, id: number, rest: Buffer) => readonly Buffer[]

/** A machine that answers as it likes: the greeting and the folder are as they should be where `answer` says nothing of them. */
function machine(answer: Answer, hear: () => (bytes: Uint8Array) => void) {
  return (bytes: Uint8Array) => {
    const all = Buffer.from(bytes)
    const type = all[4] ?? 0
    const said =
      type === 1
        ? [packet(2, u32(3))]
        : type === 16
          ? [names(all.readUInt32BE(5), '/home/bob')]
          : answer(type, all.readUInt32BE(5), all.subarray(9))
    for (const one of said) queueMicrotask(() => hear()(one))
  }
}

function client(answer: Answer) {
  const made: SftpClient = new SftpClient(
    machine(answer, () => (bytes) => {
      try {
        made.hear(bytes)
      } catch {
        // What it refuses ends it: whoever waits is told.
      }
    }),
  )
  return made
}

const noSignal = new AbortController().signal
const handle = (id: number) => [packet(102, u32(id), text('h'))]
const read = (made: SftpClient, took: Uint8Array[] = []) =>
  made.read(
    'x',
    (piece) => took.push(piece),
    () => undefined,
    noSignal,
  )

test('an answer that nobody asked for, a length without end and another kind end it, and nothing is taken', async () => {
  const unasked = client((type, id) => (type === 3 ? [packet(103, u32(id + 99), text('a file'))] : []))
  await expect(read(unasked)).rejects.toThrow('answered what nobody asked')
  await expect(unasked.list('/')).rejects.toThrow('answered what nobody asked')
  const endless = client((type) => (type === 3 ? [u32(0xffffffff)] : []))
  await expect(read(endless)).rejects.toThrow('no answer of SFTP')
  const other = client((type, id) => (type === 3 ? [packet(103, u32(id), text('a file'))] : []))
  await expect(read(other)).rejects.toThrow('something else than was asked')
})

test.each([
  ['longer than was asked', 40_000],
  ['empty, again and again', 0],
])('a piece that is %s is no piece', async (_, length) => {
  const took: Uint8Array[] = []
  const made = client((type, id) =>
    type === 3 ? handle(id) : type === 5 ? [packet(103, u32(id), text(Buffer.alloc(length)))] : [],
  )
  await expect(read(made, took)).rejects.toThrow('another piece than was asked')
  expect(took).toEqual([])
})

test('a machine of short pieces is read whole, in order, each byte once', async () => {
  const content = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 251))
  let read16 = 0
  const made = client((type, id, rest) => {
    if (type === 3) return handle(id)
    if (type !== 5) return [status(id, 0)]
    const at = Number(rest.readBigUInt64BE(5))
    // Now and then shorter still, as machines may.
    read16 += 1
    const piece = content.subarray(
      at,
      at + (read16 % 5 === 0 ? 3_000 : Math.min(rest.readUInt32BE(13), 16_384)),
    )
    return [piece.length === 0 ? status(id, 1) : packet(103, u32(id), text(piece))]
  })
  const took: Uint8Array[] = []
  expect(await read(made, took)).toBe(content.length)
  expect(Buffer.concat(took).equals(content)).toBe(true)
})

test('a name that climbs is none of a folder, and a folder without end is given up', async () => {
  let listed = 0
  const made = client((type, id) => {
    if (type === 11) return handle(id)
    if (type !== 12) return [status(id, 0)]
    listed += 1
    return listed === 1
      ? [names(id, '.', '..', '../../etc/passwd', '/etc/shadow', 'a\0b', '', 'plain')]
      : [status(id, 1)]
  })
  expect((await made.list('/')).map(({ name }) => name)).toEqual(['plain'])
  const many = Array.from({ length: 500 }, (_, at) => `n${at}`)
  const endless = client((type, id) =>
    type === 11 ? handle(id) : type === 12 ? [names(id, ...many)] : [status(id, 0)],
  )
  await expect(endless.list('/')).rejects.toThrow('too many to show')
})

test('a name is stored here without what cannot be seen, what leads elsewhere and what a system would make another of', () => {
  expect(nameHere('plan\u202Egpj.exe')).toBe('plangpj.exe')
  expect(nameHere('..')).toBe('file')
  expect(nameHere('../../.ssh/authorized_keys')).toBe('_.._.ssh_authorized_keys')
  expect(nameHere('.bashrc')).toBe('bashrc')
  expect(nameHere('a\r\nb\u0000\u200B.txt')).toBe('ab.txt')
  expect(nameHere('C:\\autorun.inf . ')).toBe('C__autorun.inf')
  expect(nameHere('x'.repeat(5_000))).toHaveLength(150)
  expect(nameHere('\u2028')).toBe('file')
})

test('a file of another size than was listed is said to be; one that a machine refuses says what to do', async () => {
  const given: [string, Blob][] = []
  let sent = 0
  const files: MachineFiles = new MachineFiles({
    ask: (open) => {
      if (open) files.heard({ kind: 'files', open: true, reads: true, writes: true })
    },
    send: machine(
      (type, id, rest) => {
        if (type === 11) return handle(id)
        if (type === 12) {
          sent += 1
          return sent === 1 ? [names(id, 'seven', 'shut')] : [status(id, 1)]
        }
        if (type === 3) return rest.includes('shut') ? [status(id, 3, 'no')] : handle(id)
        if (type === 5)
          return [rest.readBigUInt64BE(5) === 0n ? packet(103, u32(id), text('ninebytes')) : status(id, 1)]
        return [status(id, 0)]
      },
      () => (bytes) => files.bytes(bytes),
    ),
    give: (name, content) => given.push([name, content]),
  })
  files.open()
  const entries = await until(() => {
    const { entries: all, isListing } = files.view()
    return all.length === 2 && !isListing ? all : undefined
  }, 5_000)
  for (const entry of entries) files.take(entry)
  const done = await until(() => {
    const { transfers } = files.view()
    return transfers.length === 2 && transfers.every(({ state }) => state === 'there' || state === 'failed')
      ? transfers
      : undefined
  }, 5_000)
  expect(done.map(({ name, state, why }) => ({ name, state, why }))).toEqual([
    { name: 'seven', state: 'there', why: 'it is 9 B; the list said 7 B: it may have changed meanwhile' },
    {
      name: 'shut',
      state: 'failed',
      why: 'the machine does not let this login do that: name another place',
    },
  ])
  expect(given.map(([name, content]) => [name, content.size])).toEqual([['seven', 9]])
  // What is closed under them says why, and can be opened anew.
  files.heard({ kind: 'files', open: false, message: 'the machine closed the files' })
  expect(files.view()).toMatchObject({ state: 'closed', why: 'the machine closed the files' })
})
