import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { AuditedFile } from '../../recorder/broker/ssh/file-tap.ts'
import { FileRoom } from '../../recorder/broker/ssh/file-room.ts'
import { ScpAudit } from '../../recorder/broker/ssh/scp-audit.ts'
import { parseScp } from '../../recorder/broker/ssh/scp-command.ts'
import { somePermit } from '../support/recordings.ts'

const header = 'C0644 999999999999 x\n'
const start = 64 * 1024

/** More than anybody announces here. */
const vast = { target: { ...somePermit().target, fileMegabytes: 10_000_000 } }

function watched(command: string, room = new FileRoom(vast)) {
  const files: AuditedFile[] = []
  const events: string[] = []
  const recorded = { input: '', output: '' }
  const scp = parseScp(command)
  if (scp === undefined) throw new Error(`${command} is not scp`)
  const audit = new ScpAudit(scp, {
    mayRead: true,
    mayWrite: true,
    room,
    mark: (mark) => void (mark.kind === 'policy' && events.push(mark.detail)),
    file: (file) => void files.push(file),
    refused: () => undefined,
    record: (kind, bytes) => {
      recorded[kind] += Buffer.from(bytes).toString('latin1')
      return undefined
    },
  })
  const user = (bytes: string) => void audit.fromUser(Buffer.from(bytes, 'latin1'))
  const target = (bytes: string) => void audit.fromTarget(Buffer.from(bytes, 'latin1'))
  return { audit, files, events, recorded, user, target }
}

/** Past what is recorded of each file anyway. */
function filled(command = 'scp -f x') {
  const seen = watched(command)
  const [sender, receiver] = command.includes('-f') ? [seen.target, seen.user] : [seen.user, seen.target]
  receiver('\0')
  sender(header)
  receiver('\0')
  sender('.'.repeat(start))
  return seen
}

test('a shell that a target passes off as a file is on record from its first byte', () => {
  const { target, recorded, audit, files } = watched('scp -f x')
  target(`${header}root@plc:~# cat /etc/shadow\n`)
  audit.finish()
  expect(recorded.output).toBe(`${header}root@plc:~# cat /etc/shadow\n`)
  expect(files).toMatchObject([{ complete: false }])
})

test('content that comes before it was asked for is recorded, however long', () => {
  const { target, recorded, events } = watched('scp -f x')
  target(header + '.'.repeat(start))
  target('and more')
  expect(recorded.output).toMatch(/and more$/)
  expect(events).toEqual(['scp: a line came before it was asked for'])
})

test.each([
  ['a keystroke', 'l'],
  ['a message, as scp sends them', '\x01ls\n'],
  ['a NUL where nothing waits for one', '\0'],
])('after %s of the user, all that the target sends is recorded', (_what, said) => {
  const { user, target, recorded, events } = filled()
  target('only hashed')
  expect(recorded.output).not.toContain('only hashed')
  user(said)
  target('uid=0(root)')
  expect(recorded.output).toMatch(/uid=0\(root\)$/)
  expect(events).toHaveLength(1)
})

test('after a word of the target, all that the user sends as a file is recorded', () => {
  const { user, target, recorded } = filled('scp -t x')
  user('only hashed')
  target('# ')
  user('cat /etc/shadow\n')
  expect(recorded.input).not.toContain('only hashed')
  expect(recorded.input).toMatch(/cat \/etc\/shadow\n$/)
  expect(recorded.output).toBe('\0\0# ')
})

test('what an honest copy carries is told with its digest, its beginning and its frame are recorded', () => {
  const { user, target, recorded, files, events } = watched('scp -f x')
  const content = 'a'.repeat(start) + 'b'.repeat(start)
  user('\0')
  target(`C0644 ${content.length} x\n`)
  user('\0')
  target(content)
  target('\0')
  user('\0')
  expect(recorded.output).toBe(`C0644 ${content.length} x\n${'a'.repeat(start)}\0`)
  expect(events).toEqual([])
  const sha256 = createHash('sha256').update(content).digest('hex')
  expect(files).toMatchObject([{ name: 'x', size: content.length, sha256, complete: true }])
})

test('a file and a folder that the receiver does not want do not hide the next file', () => {
  const { user, target, files } = watched('scp -rf tree')
  user('\0')
  target('D0755 0 tree\n')
  user('\0')
  target('D0755 0 unwanted\n')
  user('\x01scp: no\n')
  target('C0644 5 unwanted\n')
  user('\x01scp: no\n')
  target('C0644 4 leaf\n')
  user('\0')
  target('leaf\0')
  user('\0')
  const sha256 = createHash('sha256').update('leaf').digest('hex')
  expect(files).toMatchObject([{ name: 'tree/leaf', size: 4, sha256, complete: true }])
  expect(files).toHaveLength(1)
})

test('a file beyond what the session’s files may carry is refused before it begins, and content that nobody announced is counted', () => {
  const room = () => new FileRoom({ target: { ...somePermit().target, fileMegabytes: 1 } })
  const announced = watched('scp -t x', room())
  announced.target('\0')
  expect(() => announced.user('C0644 1000001 x\n')).toThrow('the files of this session may carry 1 MB in all')
  const several = watched('scp -t x', room())
  const put = (size: number) => {
    several.target('\0')
    several.user(`C0644 ${size} x\n`)
    several.target('\0')
    several.user(`${'.'.repeat(size)}\0`)
  }
  put(999_999)
  put(1)
  expect(() => put(1)).toThrow('may carry 1 MB in all')
  expect(several.files.map(({ size, complete }) => [size, complete])).toEqual([
    [999_999, true],
    [1, true],
  ])
})
