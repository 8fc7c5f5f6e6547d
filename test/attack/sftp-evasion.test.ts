import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, describe, expect, test } from 'vitest'
import { Denials, writtenSingly } from '../../recorder/broker/ssh/denials.ts'
import type { AuditedFile } from '../../recorder/broker/ssh/file-tap.ts'
import { FileRoom } from '../../recorder/broker/ssh/file-room.ts'
import { SftpAudit } from '../../recorder/broker/ssh/sftp-audit.ts'
import { SftpViolation } from '../../recorder/broker/ssh/sftp-packets.ts'
import { somePermit } from '../support/recordings.ts'

const server = '/usr/lib/openssh/sftp-server'
const isThere = existsSync(server)
if (!isThere)
  console.warn(`${server} is not installed (deploy/test-packages.txt): tests with it are left out`)

const folder = mkdtempSync(join(tmpdir(), 'sftp-evasion-'))
afterAll(() => rmSync(folder, { recursive: true }))
const secret = Buffer.from('THE SECRET RECIPE\n'.repeat(10))
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** What buffers take that somebody still holds: collected first, as garbage comes and goes as it likes. */
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const heldBytes = () => {
  collect()
  return process.memoryUsage().arrayBuffers
}

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const u64 = (value: number) => Buffer.concat([u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32)])
const text = (value: string | Buffer) => Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value)])
const packet = (type: number, ...parts: Buffer[]) => {
  const body = Buffer.concat([Buffer.from([type]), ...parts])
  return Buffer.concat([u32(body.length), body])
}

/** OpenSSH numbers its handles from 0: anybody can guess the first one. */
const guessed = u32(0)
const init = packet(1, u32(3))
const open = (id: number, name: string, flags = 1) => packet(3, u32(id), text(name), u32(flags), u32(0))
const close = (id: number, handle = guessed) => packet(4, u32(id), text(handle))
const read = (id: number, at = 0, length = 1000) => packet(5, u32(id), text(guessed), u64(at), u32(length))
const write = (id: number, content: string, at = 0) =>
  packet(6, u32(id), text(guessed), u64(at), text(content))
const stat = (id: number, name: string) => packet(17, u32(id), text(name))

type Grant = { readonly mayRead: boolean; readonly mayWrite: boolean }
const both = { mayRead: true, mayWrite: true }

function watched(grant: Grant = both, room = new FileRoom(somePermit())) {
  const files: AuditedFile[] = []
  const refused: string[] = []
  const lines: string[] = []
  const toUser: Buffer[] = []
  const audit = new SftpAudit({
    ...grant,
    room,
    mark: (mark) => void (mark.kind === 'command' && lines.push(mark.line)),
    file: (file) => void files.push(file),
    refused: (detail) => void refused.push(detail),
    record: () => undefined,
  })
  audit.answerUser((bytes) => void toUser.push(Buffer.from(bytes)))
  return { audit, files, refused, lines, toUser }
}

/** Sends bursts to a real server, each after the answers to the one before, and tells what came of it. */
async function against(bursts: readonly (readonly Buffer[])[], grant?: Grant) {
  const { audit, ...seen } = watched(grant)
  const target = spawn(server, [], { stdio: ['pipe', 'pipe', 'ignore'] })
  const over = new Promise((resolve) => target.on('close', resolve))
  let violation: unknown
  let answers = 0
  let onAnswer = () => undefined as unknown
  const guarded = (step: () => void) => {
    try {
      step()
    } catch (error) {
      violation = error
      target.kill()
    }
    onAnswer()
  }
  const count = () => {
    const all = Buffer.concat(seen.toUser)
    answers = 0
    for (let at = 0; at + 4 <= all.length; at += 4 + all.readUInt32BE(at)) answers += 1
    return answers
  }
  target.stdin.on('error', () => undefined)
  target.stdout.on('data', (bytes: Buffer) =>
    guarded(() => {
      for (const piece of audit.fromTarget(bytes).pass) seen.toUser.push(Buffer.from(piece))
    }),
  )
  let asked = 0
  for (const burst of bursts) {
    asked += burst.length
    const answered = new Promise<void>((resolve) => {
      onAnswer = () => (violation !== undefined || count() >= asked) && resolve()
    })
    guarded(() => {
      for (const piece of audit.fromUser(Buffer.concat(burst)).pass) target.stdin.write(Buffer.from(piece))
    })
    await answered
    if (violation !== undefined) break
  }
  target.stdin.end()
  await over
  audit.finish()
  return { ...seen, violation, gotSecret: Buffer.concat(seen.toUser).includes('SECRET RECIPE') }
}

const place = (name: string, content: Buffer = secret) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe.skipIf(!isThere)('a user against a real sftp-server', () => {
  test('what an honest client reads is told with its digest', async () => {
    const seen = await against([[init], [open(1, place('honest'))], [read(2)], [read(3, 180)], [close(4)]])
    expect(seen).toMatchObject({ gotSecret: true, violation: undefined, refused: [] })
    expect(seen.files).toMatchObject([{ size: 180, sha256: sha256(secret), complete: true }])
  })

  test('a handle that is guessed before the target gave it reads nothing', async () => {
    const seen = await against([[init], [open(1, place('guessed')), read(2), close(3)]])
    expect(seen.gotSecret).toBe(false)
    expect(seen.refused).toHaveLength(2)
  })

  test.each([
    [
      'an open behind a stat',
      (name: string) => [
        [open(1, name), stat(1, name)],
        [read(2), close(3)],
      ],
    ],
    ['a long read behind a short one', (name: string) => [[open(1, name)], [read(7, 0, 1), read(7)]]],
    [
      'a rename behind a stat',
      (name: string) => [[packet(18, u32(5), text(name), text(`${name}.moved`)), stat(5, name)]],
    ],
  ])('%s with the same number ends the channel', async (what, bursts) => {
    const name = place(what.replaceAll(' ', '-'))
    const seen = await against([[init], ...bursts(name)])
    expect(seen.violation).toBeInstanceOf(SftpViolation)
    expect(seen.gotSecret).toBe(false)
    expect(existsSync(name)).toBe(true)
  })

  test.each([0, 4, 8, 16])('who may only write does not read by opening with flags %i', async (flags) => {
    const name = place(`flags-${flags}`)
    const seen = await against([[init], [open(1, name, flags)], [read(2)]], {
      mayRead: false,
      mayWrite: true,
    })
    expect(seen.gotSecret).toBe(false)
    expect(seen.refused[0]).toContain('for reading')
  })

  test('attributes that are set through a handle are told, and a file cut behind its digest is not complete', async () => {
    const name = place('cut')
    const cut = packet(10, u32(3), text(guessed), u32(1), u64(3))
    const seen = await against([[init], [open(1, name, 2 | 8 | 16)], [write(2, 'abcdef')], [cut], [close(4)]])
    expect(readFileSync(name, 'utf8')).toBe('abc')
    expect(seen.lines).toEqual([`sftp fsetstat ${name} to 3 bytes`])
    expect(seen.files).toMatchObject([{ direction: 'upload', size: 6, complete: false }])
  })

  test('content behind what a packet says it holds ends the channel', async () => {
    const padded = packet(6, u32(2), text(guessed), u64(0), text('evil'), Buffer.from('harmless'))
    const seen = await against([[init], [open(1, place('padded'), 2 | 8 | 16)], [padded]])
    expect(seen.violation).toBeInstanceOf(SftpViolation)
  })

  test('a folder is listed and closed, its handle is none of a file', async () => {
    const opendir = packet(11, u32(1), text(folder))
    const readdir = packet(12, u32(2), text(guessed))
    const seen = await against([
      [init],
      [opendir],
      [readdir],
      [packet(8, u32(5), text(guessed))],
      [read(3)],
      [close(4)],
    ])
    expect(Buffer.concat(seen.toUser).toString('latin1')).toContain('drwx')
    expect(seen.refused).toEqual(['sftp: read on a handle that is not open'])
  })
})

describe('a hostile target', () => {
  const handle = (id: number) => packet(102, u32(id), text(guessed))
  const data = (id: number, content: string) => packet(103, u32(id), text(content))
  const begun = (room?: FileRoom) => {
    const seen = watched(both, room)
    seen.audit.fromUser(init)
    seen.audit.fromTarget(packet(2, u32(3)))
    return seen
  }

  test.each([
    ['content that nobody asked for', data(9, 'smuggled')],
    ['content in answer to a stat', data(1, 'smuggled')],
    ['a handle in answer to a stat', handle(1)],
    ['a second greeting', packet(2, u32(3), text('smuggled'), text('smuggled'))],
  ])('%s ends the channel', (_what, answer) => {
    const { audit } = begun()
    audit.fromUser(stat(1, '/a'))
    expect(() => audit.fromTarget(answer)).toThrow(SftpViolation)
  })

  test('a greeting in another version ends the channel', () => {
    const { audit } = watched()
    audit.fromUser(packet(1, u32(6)))
    expect(() => audit.fromTarget(packet(2, u32(6)))).toThrow(SftpViolation)
  })

  test('one handle for two files ends the channel', () => {
    const { audit } = begun()
    audit.fromUser(Buffer.concat([open(1, '/a'), open(2, '/b')]))
    audit.fromTarget(handle(1))
    expect(() => audit.fromTarget(handle(2))).toThrow(SftpViolation)
  })

  test('nothing passes beyond what the session’s files may carry, both ways and by all channels together', () => {
    const room = new FileRoom({ target: { ...somePermit().target, fileMegabytes: 1 } })
    const [first, second] = [begun(room), begun(room)]
    for (const { audit } of [first, second]) {
      audit.fromUser(open(1, '/a', 3))
      audit.fromTarget(handle(1))
    }
    const piece = 'x'.repeat(100_000)
    for (let id = 2; id < 7; id += 1) expect(first.audit.fromUser(write(id, piece)).pass).not.toEqual([])
    for (let id = 2; id < 7; id += 1) {
      second.audit.fromUser(read(id))
      expect(second.audit.fromTarget(data(id, piece)).pass).not.toEqual([])
    }
    // A byte more, of whichever way and channel, and however it is answered.
    second.audit.fromUser(read(7))
    expect(() => second.audit.fromTarget(data(7, 'x'))).toThrow('may carry 1 MB in all')
    expect(() => first.audit.fromUser(write(7, 'x'))).toThrow(SftpViolation)
  })

  test('content that comes after the file was closed is in its digest', () => {
    const { audit, files } = begun()
    audit.fromUser(open(1, '/a'))
    audit.fromTarget(handle(1))
    audit.fromUser(Buffer.concat([read(2), close(3)]))
    audit.fromTarget(packet(101, u32(3), u32(0), text(''), text('')))
    expect(files).toEqual([])
    // Byte by byte: a packet's end is found wherever it falls.
    for (const byte of data(2, 'late')) audit.fromTarget(Buffer.from([byte]))
    expect(files).toMatchObject([{ name: '/a', direction: 'download', sha256: sha256(Buffer.from('late')) }])
  })
})

describe('a user who wants memory', () => {
  test('a name longer than any path is refused', () => {
    const { audit, refused } = watched()
    audit.fromUser(init)
    const { pass } = audit.fromUser(stat(1, 'a'.repeat(250_000)))
    expect(pass).toEqual([])
    expect(refused).toEqual(['sftp: a name of more than 4096 bytes'])
  })

  test('names of requests without an answer take no more than 4 MiB', () => {
    const { audit } = watched()
    audit.fromUser(init)
    let sent = 0
    expect(() => {
      for (; sent < 16_384; sent += 1) audit.fromUser(stat(sent, String(sent).padEnd(4_096, 'a')))
    }).toThrow(SftpViolation)
    expect(sent * 4_096).toBeLessThan(4 * 2 ** 20)
  })

  test('content ahead of gaps takes no more than 16 MiB in all files together', async () => {
    const { audit, files } = watched()
    audit.fromUser(init)
    audit.fromTarget(packet(2, u32(3)))
    const before = heldBytes()
    for (let at = 0; at < 40; at += 1) {
      audit.fromUser(open(1, `/${at}`, 2 | 8))
      audit.fromTarget(packet(102, u32(1), text(u32(at))))
      for (let piece = 0; piece < 8; piece += 1) {
        const content = Buffer.alloc(250_000)
        audit.fromUser(packet(6, u32(2), text(u32(at)), u64(1 + piece * content.length), text(content)))
        audit.fromTarget(packet(101, u32(2), u32(0), text(''), text('')))
      }
    }
    // 80 MB were sent, all of it ahead of a gap.
    // A collection frees buffers on another thread, a little later.
    await expect.poll(() => heldBytes() - before, { timeout: 10_000 }).toBeLessThan(20_000_000)
    audit.finish()
    expect(files).toHaveLength(40)
  })
})

test('a hundred thousand refused requests make little more than a hundred entries', () => {
  const told: string[] = []
  const denials = new Denials('refused file requests', (detail) => void told.push(detail))
  const audit = new SftpAudit({
    mayRead: true,
    mayWrite: false,
    room: new FileRoom(somePermit()),
    mark: () => undefined,
    file: () => undefined,
    refused: (detail) => denials.add(detail),
    record: () => undefined,
  })
  audit.answerUser(() => undefined)
  audit.fromUser(init)
  for (let id = 0; id < 100_000; id += 1) audit.fromUser(open(id, `f${id}`, 2))
  denials.finish()
  expect(told[writtenSingly - 1]).toContain('open f99 for writing')
  expect(told.length).toBeLessThan(writtenSingly + 15)
  expect(told.at(-1)).toBe('refused file requests: 100000 in all')
})
