import sodium from 'libsodium-wrappers'
import { beforeAll, expect, test } from 'vitest'
import { DayKeys } from '../../../recorder/recording/day-keys.ts'
import { dayKeyId, openDayKey, trapdoorsOf } from '../../../recorder/replay/search-index.ts'
import { searchForm, SearchText, trigramsOf } from '../../../recorder/replay/search-text.ts'
import { toBase64 } from '../../../vault/kernel/encoding.ts'

beforeAll(() => sodium.ready)

const bytes = (text: string) => new TextEncoder().encode(text)
function textsOf(...outputs: readonly string[]): readonly string[] {
  const text = new SearchText()
  text.add({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'shell', columns: 80, rows: 24 }, at: 0 })
  outputs.forEach((output, at) => {
    text.add({ kind: 'output', channel: 0, bytes: bytes(output), at: (at + 1) * 1e9 })
  })
  return text.take({ at: 9e9 }).map((one) => `${one.at / 1e9} ${one.text}`)
}

test.each<readonly [string, readonly string[], readonly string[]]>([
  ['a line that came in pieces is one', ['$ rese', 't --limit\r\n'], ['2 $ reset --limit']],
  ['what a backspace took back is gone', ['$ resst\b\bet all\r\n'], ['1 $ reset all']],
  ['colours are no letters', ['\x1b[31mover\x1b[0mload\r\n'], ['1 overload']],
  ['what stands apart on a screen stands apart', ['speed\x1b[5;10H1450\x1b[6;1H\r\n'], ['1 speed 1450']],
  ['a progress that is written over is several lines', ['10 %\r20 %\r\n'], ['1 10 %', '1 20 %']],
  ['a line that is shown again is not taken again', ['alarm 7\r\n', 'alarm 7\r\n'], ['1 alarm 7']],
  ['a title is none of the screen', ['\x1b]0;a title\x07shown\r\n'], ['1 shown']],
  ['a last line without an end is taken', ['no end'], ['9 no end']],
])('%s', (_what, outputs, found) => expect(textsOf(...outputs)).toEqual(found))

test('marks are texts too; what desktops and file transfers carry is not', () => {
  const text = new SearchText()
  const mark = (channel: number, of: object) =>
    text.add({ kind: 'mark', channel, mark: of as never, at: channel * 1e9 })
  mark(0, { kind: 'open', type: 'desktop' })
  mark(1, { kind: 'open', type: 'subsystem', command: 'sftp' })
  for (const channel of [0, 1]) text.add({ kind: 'output', channel, bytes: bytes('4.size,1.0;\n'), at: 1 })
  mark(0, { kind: 'clipboard', way: 'in', mimetype: 'text/plain', size: 9, text: 'copied' })
  mark(0, { kind: 'clipboard', way: 'in', mimetype: 'text/plain', size: 9 })
  mark(1, {
    kind: 'file',
    name: 'recipe.db',
    direction: 'upload',
    via: 'sftp',
    size: 1,
    sha256: '',
    complete: true,
  })
  mark(2, { kind: 'title', title: 'TIA Portal' })
  text.add({ kind: 'hidden', channel: 2, length: 9, duration: 1, at: 3 })
  text.add({ kind: 'input', channel: 2, bytes: bytes('secret typed\r'), at: 3 })
  expect(text.take({ at: 4 }).map((one) => `${one.source}: ${one.text}`)).toEqual([
    'opened: sftp',
    'clipboard: copied',
    'file: recipe.db',
    'title: TIA Portal',
  ])
})

test('a flood ends the index where it began, and takes nothing away that was there', () => {
  const text = new SearchText()
  text.add({ kind: 'output', channel: 0, bytes: bytes('the first line\r\n'), at: 1 })
  for (let at = 0; at < 400; at += 1)
    text.add({ kind: 'output', channel: 0, bytes: bytes(`${at}${'x'.repeat(4000)}\r\n`), at: at + 2 })
  const entries = text.take({ at: 1000 })
  expect(entries[0]?.text).toBe('the first line')
  expect(entries.reduce((sum, one) => sum + one.text.length, 0)).toBeLessThanOrEqual(1024 * 1024)
  expect(text.fullAt).toBeGreaterThan(2)
})

test('words are compared in small letters, and white space is a blank', () => {
  expect(searchForm('  Reset\t THE\u00a0 Limit ')).toBe('reset the limit')
  expect([...trigramsOf('Äbc d')]).toEqual(['äbc', 'bc ', 'c d'])
  expect([...trigramsOf('ab')]).toEqual([])
})

test('a day has a key of its own, sealed to the auditors, which says nothing of another day and is wiped with it', async () => {
  let now = new Date('2026-03-01T23:59:00Z')
  const days = new DayKeys(() => now)
  const pair = sodium.crypto_box_keypair()
  const name = toBase64(pair.publicKey)
  const groupKeys = new Map([[name, pair]])
  const first = days.today([name])
  const before = first.trapdoor('abc').toString('hex')
  expect(days.today([name])).toBe(first)
  const opened = openDayKey(sodium, { ...first.name, bits: 4096 }, groupKeys)
  if (opened === undefined) throw new Error('the auditor opens the key')
  expect(await dayKeyId(opened)).toBe(first.name.id)
  const [trapdoor] = await trapdoorsOf(opened, ['abc'])
  expect(Buffer.from(trapdoor ?? []).toString('hex')).toBe(before)
  // Of another list of auditors, the same day.
  const others = days.today([toBase64(sodium.crypto_box_keypair().publicKey)])
  expect(others.trapdoor('abc').toString('hex')).not.toBe(before)
  expect(openDayKey(sodium, { ...others.name, bits: 4096 }, groupKeys)).toBeUndefined()
  now = new Date('2026-03-02T00:00:01Z')
  days.forgetPast()
  expect(days.count).toBe(0)
  // What is left of the key that was wiped gives other trapdoors.
  expect(first.trapdoor('abc').toString('hex')).not.toBe(before)
  const second = days.today([name])
  expect([second.name.day, second.name.id === first.name.id]).toEqual(['2026-03-02', false])
  expect(second.trapdoor('abc').toString('hex')).not.toBe(before)
})
