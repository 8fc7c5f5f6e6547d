import { deflateSync as deflate, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MaskedStream } from '../../recorder/broker/desktop/mask/masked-stream.ts'
import { type Instruction, InstructionParser } from '../../recorder/broker/desktop/instruction.ts'
import { drawn, picture, pngFile, pngOf } from '../support/desktop-sample.ts'

/**
 * A desktop of 24x16 on which anything is drawn: pictures of several forms, copies within it and from buffers, filled
 * rectangles. What is recorded is drawn by a reader of its own, and compared with what the user saw.
 */

const [width, height] = [24, 16]
const region = { unit: 'pixels', x: 6, y: 4, width: 7, height: 5 } as const
const isMasked = (x: number, y: number) =>
  x >= region.x && x < region.x + region.width && y >= region.y && y < region.y + region.height
/** A colour of this much red is in the region alone. */
const secret = 250
const grey = [90, 90, 90]

type Cell = { readonly colour: readonly number[]; readonly isSecret: boolean }
type Canvas = Map<string, Map<string, Cell>>

const place = fc.record({ x: fc.nat(width - 1), y: fc.nat(height - 1) })
const box = fc.record({ width: fc.integer({ min: 1, max: 14 }), height: fc.integer({ min: 1, max: 10 }) })
const step = fc.oneof(
  fc.record({
    kind: fc.constantFrom('rgb' as const, 'palette' as const, 'jpeg' as const),
    at: place,
    box,
    layer: fc.constantFrom(0, 0, 0, -1),
    seed: fc.nat(180),
  }),
  fc.record({
    kind: fc.constantFrom('copy' as const, 'transfer' as const),
    from: place,
    box,
    at: place,
    layer: fc.constantFrom(0, 0, 0, -1),
  }),
  fc.record({ kind: fc.constant('fill' as const), at: place, box, seed: fc.nat(180) }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A picture whose pixels are of the secret colour where it lies in the region. */
function pixelOf(one: { readonly at: { x: number; y: number }; readonly seed: number }, layer: number) {
  return (x: number, y: number): readonly [number, number, number] =>
    layer !== 0 || isMasked(one.at.x + x, one.at.y + y)
      ? [secret, (x * 31 + one.seed) % 256, (y * 17) % 256]
      : [one.seed, (x * 7) % 200, (y * 11) % 200]
}

function instructionsOf(one: Step): Buffer {
  switch (one.kind) {
    case 'rgb':
      return picture(pngOf(one.box.width, one.box.height, pixelOf(one, one.layer)), one.at.x, one.at.y, {
        layer: one.layer,
      })
    case 'palette':
      return picture(paletteOf(one), one.at.x, one.at.y, { layer: one.layer })
    case 'jpeg': {
      const frame = Buffer.from([
        0xff,
        0xd8,
        0xff,
        0xc0,
        0,
        11,
        8,
        0,
        one.box.height,
        0,
        one.box.width,
        1,
        1,
        17,
        0,
      ])
      return picture(
        Buffer.concat([frame, Buffer.from([one.layer !== 0 || meets(one) ? secret : 7, 7])]),
        one.at.x,
        one.at.y,
        {
          layer: one.layer,
          type: 'image/jpeg',
        },
      )
    }
    case 'fill':
      return drawn(
        ['rect', 0, one.at.x, one.at.y, one.box.width, one.box.height],
        ['cfill', 14, 0, one.seed, 1, 2, 255],
      )
    default: {
      const to = [one.at.x, one.at.y]
      return drawn([
        one.kind,
        ...[
          one.layer,
          one.from.x,
          one.from.y,
          one.box.width,
          one.box.height,
          one.kind === 'copy' ? 14 : 3,
          0,
        ],
        ...to,
      ])
    }
  }
}

type Box = { readonly at: { x: number; y: number }; readonly box: { width: number; height: number } }

const meets = ({ at, box: { width: wide, height: high } }: Box) =>
  at.x < region.x + region.width &&
  region.x < at.x + wide &&
  at.y < region.y + region.height &&
  region.y < at.y + high

/** A PNG of two bits a pixel: of four colours, of which one is secret. */
function paletteOf(one: Box & { readonly layer: number }) {
  const { width: wide, height: high } = one.box
  const line = Math.ceil((wide * 2) / 8)
  const raw = Buffer.alloc((line + 1) * high)
  for (let y = 0; y < high; y += 1)
    for (let x = 0; x < wide; x += 1) {
      const index = one.layer !== 0 || isMasked(one.at.x + x, one.at.y + y) ? 3 : (x + y) % 2
      const at = y * (line + 1) + 1 + (x >> 2)
      raw[at] = (raw[at] as number) | (index << (6 - (x & 3) * 2))
    }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(wide, 0)
  head.writeUInt32BE(high, 4)
  head.set([2, 3], 8)
  const colours = Buffer.from([
    10,
    10,
    10,
    20,
    20,
    20,
    30,
    30,
    30,
    one.layer !== 0 || meets(one) ? secret : 40,
    1,
    1,
  ])
  return pngFile(['IHDR', head], ['PLTE', colours], ['IDAT', deflate(raw)], ['IEND', Buffer.alloc(0)])
}

/** Draws instructions; `hides` is what the user's own screen knows: what came out of the region. */
function drawOn(canvas: Canvas, list: readonly Instruction[], hides: boolean): void {
  const layerOf = (name: string) => {
    if (!canvas.has(name)) canvas.set(name, new Map())
    return canvas.get(name) as Map<string, Cell>
  }
  const put = (layer: string, x: number, y: number, cell: Cell) => {
    if (layer !== '0' || (x < width && y < height && x >= 0 && y >= 0))
      layerOf(layer).set(
        `${x},${y}`,
        hides && layer === '0' && isMasked(x, y) ? { ...cell, isSecret: true } : cell,
      )
  }
  let text = ''
  let rects: (readonly [number, number, number, number])[] = []
  let open: { layer: string; x: number; y: number } | undefined
  for (const { opcode, args } of list) {
    const number = (at: number) => Number(args[at])
    if (opcode === 'img') {
      open = { layer: args[2] ?? '', x: number(4), y: number(5) }
      text = ''
    } else if (opcode === 'blob') text += args[1]
    else if (opcode === 'end' && open !== undefined) {
      const { layer, x, y } = open
      const seen = unpack(Buffer.from(text, 'base64'))
      // Whatever is in a buffer, and a JPEG, is not recorded where it comes onto the screen.
      const isSecret = hides && (layer !== '0' || seen.isLossy)
      const spoils = isSecret && seen.isLossy && layer === '0'
      const meets = seen.cells.some((cell) => isMasked(x + cell.x, y + cell.y))
      for (const cell of seen.cells)
        put(layer, x + cell.x, y + cell.y, {
          colour: cell.colour,
          isSecret: spoils ? meets : isSecret,
        })
    } else if (opcode === 'rect') rects.push([number(1), number(2), number(3), number(4)])
    else if (opcode === 'cfill') {
      for (const [x, y, w, h] of rects)
        for (let dy = 0; dy < Math.min(h, 40); dy += 1)
          for (let dx = 0; dx < Math.min(w, 40); dx += 1)
            put('0', x + dx, y + dy, { colour: [number(2), number(3), number(4)], isSecret: false })
      rects = []
    } else if (opcode === 'copy' || opcode === 'transfer') {
      const [from, sx, sy, w, h, , to] = args
      const moved: { x: number; y: number; cell: Cell | undefined }[] = []
      for (let dy = 0; dy < Number(h); dy += 1)
        for (let dx = 0; dx < Number(w); dx += 1)
          moved.push({
            x: number(7) + dx,
            y: number(8) + dy,
            cell: layerOf(from ?? '').get(`${Number(sx) + dx},${Number(sy) + dy}`),
          })
      const isLost =
        hides && (from !== '0' || (opcode === 'transfer' && moved.some(({ x, y }) => isMasked(x, y))))
      for (const { x, y, cell } of moved)
        if (cell !== undefined) put(to ?? '', x, y, isLost ? { ...cell, isSecret: true } : cell)
        else if (isLost) put(to ?? '', x, y, { colour: [], isSecret: true })
        else if (to === '0') layerOf('0').delete(`${x},${y}`)
    }
  }
}

type Seen = {
  readonly isLossy: boolean
  readonly cells: readonly { readonly x: number; readonly y: number; readonly colour: readonly number[] }[]
}

function unpack(bytes: Buffer): Seen {
  if (bytes[0] === 0xff) {
    const [high, wide] = [bytes.readUInt16BE(7), bytes.readUInt16BE(9)]
    const cells = Array.from({ length: wide * high }, (_, at) => ({
      x: at % wide,
      y: Math.floor(at / wide),
      colour: [secret, secret, secret],
    }))
    return { isLossy: true, cells }
  }
  const [wide, high] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]
  const [depth = 8, type = 2] = bytes.subarray(24)
  let palette = Buffer.alloc(0)
  let packed = Buffer.alloc(0)
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    const name = bytes.toString('latin1', at + 4, at + 8)
    const data = bytes.subarray(at + 8, at + 8 + length)
    if (name === 'PLTE') palette = Buffer.from(data)
    if (name === 'IDAT') packed = Buffer.concat([packed, data])
    at += 12 + length
  }
  const raw = inflateSync(packed)
  const samples = type === 3 ? 1 : type === 4 ? 2 : 3
  const line = Math.ceil((wide * depth * samples) / 8)
  const cells = Array.from({ length: wide * high }, (_, at) => {
    const [x, y] = [at % wide, Math.floor(at / wide)]
    const from = y * (line + 1) + 1
    if (type !== 3)
      return { x, y, colour: [...raw.subarray(from + x * samples, from + x * samples + samples)] }
    const index =
      ((raw[from + ((x * depth) >> 3)] as number) >> (8 - depth - ((x * depth) & 7))) & ((1 << depth) - 1)
    return { x, y, colour: [...palette.subarray(index * 3, index * 3 + 3)] }
  })
  return { isLossy: false, cells }
}

/** All colours that pictures of these instructions have, in pixels and in palettes; JPEG has the secret one. */
function coloursIn(list: readonly Instruction[]): readonly number[] {
  const found: number[] = []
  let text = ''
  for (const { opcode, args } of list) {
    if (opcode === 'img') text = ''
    else if (opcode === 'blob') text += args[1]
    else if (opcode === 'end') {
      const bytes = Buffer.from(text, 'base64')
      if (bytes[0] === 0xff) {
        found.push(...bytes.subarray(-2))
        continue
      }
      const at = bytes.indexOf('PLTE')
      if (at > 0)
        for (let index = 0; index < bytes.readUInt32BE(at - 4); index += 3)
          found.push(bytes[at + 4 + index] ?? 0)
      for (const { colour } of unpack(bytes).cells) found.push(colour[0] ?? 0)
    }
  }
  return found
}

test('in what is recorded the region is grey whatever is drawn, and what is outside it is what was seen', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), fc.integer({ min: 80, max: 4_000 }), (steps, cut) => {
      const bytes = Buffer.concat([
        drawn(['size', 0, width, height]),
        picture(
          pngOf(width, height, (x, y) => (isMasked(x, y) ? [secret, 0, 0] : [x, y, 0])),
          0,
          0,
        ),
        drawn(['sync', 1]),
        ...steps.flatMap((one, at) => [instructionsOf(one), drawn(['sync', at + 2])]),
      ])
      const stream = new MaskedStream([region])
      const parser = new InstructionParser()
      const [live, recorded]: [Canvas, Canvas] = [new Map(), new Map()]
      const reader = new InstructionParser()
      const shown: Buffer[] = []
      for (let from = 0; from < bytes.length; from += cut) {
        const part = stream.take(parser.push(bytes.subarray(from, from + cut)))
        shown.push(...part.shown.map((one) => Buffer.from(one.bytes)))
        const kept = reader.push(part.recorded)
        expect(coloursIn(kept)).not.toContain(secret)
        drawOn(live, part.shown, true)
        drawOn(recorded, kept, false)
        const readable = [...(recorded.get('0') ?? [])].filter(([at, { colour }]) => {
          const [x = 0, y = 0] = at.split(',').map(Number)
          return isMasked(x, y) && colour.join() !== grey.join()
        })
        expect(readable).toEqual([])
      }
      expect(Buffer.concat(shown).equals(bytes)).toBe(true)
      const different = [...(live.get('0') ?? [])].filter(
        ([at, { colour, isSecret }]) =>
          !isSecret && recorded.get('0')?.get(at)?.colour.join() !== colour.join(),
      )
      expect(different).toEqual([])
    }),
    { numRuns: 200 },
  )
})
