import { deflateSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type Instruction, InstructionParser } from '../../recorder/broker/desktop/instruction.ts'
import { DesktopMask } from '../../recorder/broker/desktop/mask/desktop-mask.ts'
import { MaskedStream } from '../../recorder/broker/desktop/mask/masked-stream.ts'
import { drawn, picture, pngFile, pngOf } from '../support/desktop-sample.ts'

/** What a machine, or a guacd that it has taken over, may try to have a masked region of 40x20 at 20,10 recorded. */

const region = { unit: 'pixels', x: 20, y: 10, width: 40, height: 20 } as const
const size = drawn(['size', 0, 100, 60])
const red = (width: number, height: number) => pngOf(width, height, () => [250, 1, 2])

function masked(...bytes: readonly Uint8Array[]) {
  const stream = new MaskedStream([region])
  const { recorded, missed } = stream.take(new InstructionParser().push(Buffer.concat([size, ...bytes])))
  const list = new InstructionParser().push(recorded)
  return { list, missed, text: lines(list).slice(lines(list).indexOf('sync 0') + 1) }
}

const lines = (list: readonly Instruction[]) =>
  list.map(({ opcode, args }) => [opcode, ...args].join(' ').slice(0, 60))
const start = drawn(['sync', 0])
const cover = ['rect 0 20 10 40 20', 'cfill 14 0 90 90 90 255']

test('the region is grey before anything is drawn, and the pointer is an arrow of the recorder', () => {
  const { list } = masked(start)
  expect(lines(list)).toEqual([
    'size 0 100 60',
    'img 0 12 -4095 image/png 0 0',
    expect.stringMatching(/^blob 0 /),
    'end 0',
    'cursor 0 0 -4095 0 0 12 19',
    ...cover,
    'sync 0',
  ])
})

test('a picture that lies in it is not recorded, however it is cut into pieces', () => {
  expect(masked(start, picture(red(10, 10), 30, 15)).text).toEqual(cover)
  const text = red(10, 10).toString('base64')
  const pieces = [...text.matchAll(/.{1,4}/g)].map(([piece]) => ['blob', 1, piece] as const)
  expect(masked(start, drawn(['img', 1, 14, 0, 'image/png', 30, 15], ...pieces, ['end', 1])).text).toEqual(
    cover,
  )
})

test('what is copied within the region, or into it from outside, is recorded nowhere', () => {
  // Digits that are drawn elsewhere on the screen, and set together in the region.
  expect(masked(start, drawn(['copy', 0, 70, 40, 8, 12, 14, 0, 24, 12])).text).toEqual(cover)
  // A screen that scrolls: what comes out of the region is grey already, what goes into it is left out.
  const { text } = masked(start, drawn(['copy', 0, 0, 10, 100, 50, 14, 0, 0, 0]))
  const onto = text.filter((line) => line.startsWith('copy -4096'))
  for (const line of onto) {
    const [, , , , width = 0, height = 0, , , x = 0, y = 0] = line.split(' ').map(Number)
    const isOutside = x + width <= 20 || x >= 60 || y + height <= 10 || y >= 30
    expect(line).toSatisfy(() => isOutside)
  }
  expect(onto).toHaveLength(4)
})

test.each([
  ['a copy that is drawn backwards', drawn(['copy', 0, 70, 40, -8, 12, 14, 0, 60, 12])],
  ['a copy of no place', drawn(['copy', 0, 'x', 40, 8, 12, 14, 0, 24, 12])],
  ['a layer over the screen', picture(red(10, 10), 0, 0, { layer: 3 })],
  ['a line', drawn(['line', 0, 25, 12], ['cstroke', 14, 2, 1, 3, 0, 250, 1, 2, 255])],
  ['a layer that is moved', drawn(['move', 3, 0, 25, 12, 1])],
  ['a transformed copy', drawn(['transform', 0, 1, 0, 0, 1, 9, 9])],
])('%s is not recorded, and a mark says so', (_what, bytes) => {
  const { text, missed } = masked(start, bytes)
  expect(text.filter((line) => !cover.includes(line))).toEqual([])
  expect(missed).toHaveLength(new Set(missed).size)
  expect(missed.length).toBeGreaterThan(0)
})

test('what was drawn in a buffer is grey where it comes onto the screen', () => {
  const { text, missed, list } = masked(
    start,
    picture(red(10, 10), 0, 0, { layer: -1 }),
    drawn(['copy', -1, 0, 0, 10, 10, 14, 0, 70, 40]),
  )
  expect(text).toEqual(['rect 0 70 40 10 10', cover[1]])
  expect(missed).toEqual(['a part of the screen that came from elsewhere than the screen is not recorded'])
  expect(list.filter(({ opcode }) => opcode === 'img')).toHaveLength(1)
})

test.each([
  ['a JPEG', Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 30, 0, 30, 1, 1, 17, 0, 1]), [15, 5]],
  ['an interlaced PNG', interlaced(), [15, 5]],
  ['a PNG that is cut off', red(30, 30).subarray(0, 60), [15, 5]],
])('%s that reaches into the region is grey as a whole', (_what, bytes, [x = 0, y = 0]) => {
  const { text, missed } = masked(start, picture(bytes, x, y))
  expect(text.slice(0, 2)).toEqual(['rect 0 15 5 30 30', cover[1]])
  expect(text.slice(2)).toEqual(cover)
  expect(missed).toHaveLength(1)
})

test.each([
  ['no picture', Buffer.from('GIF89a')],
  ['a picture without a size', pngFile(['IHDR', Buffer.alloc(13)])],
])('%s is grey from where it begins to the edges of the screen', (_what, bytes) => {
  const { text, missed } = masked(start, picture(bytes, 5, 5))
  expect(text[0]).toBe('rect 0 5 5 100 60')
  expect(missed).toEqual(['a picture of a form that is not known is not recorded'])
})

test('base64 that readers take in different ways is no picture', () => {
  const text = red(4, 4).toString('base64')
  const { missed } = masked(
    start,
    drawn(
      ['img', 1, 14, 0, 'image/png', 5, 5],
      ...[`${text.slice(0, 6)}==`, text.slice(6)].map((piece) => ['blob', 1, piece] as const),
      ['end', 1],
    ),
  )
  expect(missed).toEqual(['a picture of a form that is not known is not recorded'])
})

test('words that a PNG carries beside its pixels are not in what is recorded of it', () => {
  const plain = red(30, 30)
  const end = plain.length - 12
  const word = pngFile(['tEXt', Buffer.from('Comment\0Kanarie7')]).subarray(8)
  const { list } = masked(
    start,
    picture(Buffer.concat([plain.subarray(0, end), word, plain.subarray(end)]), 15, 5),
  )
  const blobs = list.filter(({ opcode, args }) => opcode === 'blob' && args[0] === '1')
  const bytes = Buffer.from(blobs.map(({ args }) => args[1]).join(''), 'base64')
  expect(bytes.length).toBeGreaterThan(0)
  expect(bytes.includes('Kanarie7')).toBe(false)
})

test('a picture that is begun and never ends is held within a bound, and then it is over', () => {
  const stream = new MaskedStream([region])
  const begun = new InstructionParser().push(drawn(['img', 1, 14, 0, 'image/png', 0, 0]))
  expect(stream.take(begun)).toMatchObject({ shown: [], missed: [] })
  const piece = new InstructionParser().push(drawn(['blob', 1, 'A'.repeat(6_000)]))
  expect(() => {
    for (let count = 0; count < 4_000; count += 1) stream.take(piece)
  }).toThrow('a picture has no end')
})

test('a region in per cent hides all of a screen whose size nobody has said, and follows one that grows', () => {
  const stream = new MaskedStream([{ unit: 'percent', x: 50, y: 0, width: 50, height: 100 }])
  const before = stream.take(new InstructionParser().push(picture(red(10, 10), 0, 0)))
  expect(
    lines(new InstructionParser().push(before.recorded)).filter((line) => line.startsWith('img')),
  ).toEqual([])
  const after = (width: number) =>
    lines(
      new InstructionParser().push(
        stream.take(new InstructionParser().push(drawn(['size', 0, width, 20]))).recorded,
      ),
    )
  expect(after(101).slice(-2)[0]).toBe('rect 0 50 0 51 20')
  expect(after(200).slice(-2)[0]).toBe('rect 0 100 0 100 20')
})

test.each([
  ['in pixels', { unit: 'pixels', x: 50, y: 0, width: 40, height: 60 }, [25, 50, 89], [24, 90]],
  ['in per cent', { unit: 'percent', x: 50, y: 0, width: 50, height: 100 }, [30, 45, 59], [29]],
] as const)(
  'a machine that makes its screen smaller under a region %s uncovers nothing: neither scaled nor cut off',
  (_, at, hidden, seen) => {
    const stream = new MaskedStream([at])
    const take = (...bytes: readonly Uint8Array[]) =>
      lines(
        new InstructionParser().push(
          stream.take(new InstructionParser().push(Buffer.concat(bytes))).recorded,
        ),
      )
    take(size, start)
    // Of pixels half as wide and cut off at the right; of per cent a part of what was there.
    take(drawn(['size', 0, at.unit === 'pixels' ? 50 : 60, 60]))
    for (const x of hidden) expect([x, stream.hides(x, 5)]).toEqual([x, true])
    for (const x of seen) expect([x, stream.hides(x, 5)]).toEqual([x, false])
    expect(take(picture(red(5, 5), hidden[0], 0)).filter((line) => line.startsWith('img'))).toEqual([])
    // A keyframe of then hides as much, though it begins with the small screen.
    const { largest } = stream
    expect(largest).toEqual({ width: 100, height: 60 })
    // As large as it was, it is as it was.
    take(drawn(['size', 0, 100, 60]))
    expect([stream.hides(30, 5), stream.hides(75, 5)]).toEqual([false, true])
  },
)

test('what cannot be kept is said at most once a minute, and where the mouse is in the region is not recorded', () => {
  const said: string[] = []
  const mask = new DesktopMask({ regions: [region], reason: 'recipe' }, (detail) => said.push(detail))
  mask.begin()
  for (let count = 0; count < 20; count += 1)
    mask.take(new InstructionParser().push(Buffer.concat([size, drawn(['line', 0, 1, 1])])))
  expect(said).toEqual([
    '20,10,40,20 px of the screen is not recorded: recipe',
    'what a desktop drew by "line" is not recorded',
  ])
  expect([mask.hides(20, 10), mask.hides(59, 29), mask.hides(60, 29), mask.hides(19, 10)]).toEqual([
    true,
    true,
    false,
    false,
  ])
})

function interlaced(): Buffer {
  const head = Buffer.alloc(13)
  head.writeUInt32BE(30, 0)
  head.writeUInt32BE(30, 4)
  head.set([8, 2, 0, 0, 1], 8)
  return pngFile(['IHDR', head], ['IDAT', deflateSync(Buffer.alloc(3_000))], ['IEND', Buffer.alloc(0)])
}

test('nobody makes the screen so small that a region in pixels is most of it', () => {
  const small = { unit: 'pixels', x: 0, y: 0, width: 640, height: 480 } as const
  const mask = new DesktopMask(
    { regions: [small, { ...small, x: 100 }], reason: 'a keypad' },
    () => undefined,
  )
  expect([mask.leavesEnough(1920, 1080), mask.leavesEnough(1024, 768)]).toEqual([true, true])
  expect([mask.leavesEnough(640, 480), mask.leavesEnough(800, 600)]).toEqual([false, false])
  const half = { unit: 'percent', x: 0, y: 50, width: 100, height: 50 } as const
  expect(
    new DesktopMask({ regions: [half], reason: 'a keypad' }, () => undefined).leavesEnough(300, 201),
  ).toBe(true)
})
