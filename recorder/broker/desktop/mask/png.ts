import { crc32, deflateSync, inflateSync } from 'node:zlib'
import type { Place } from './place.ts'

const signature = Buffer.from('89504e470d0a1a0a', 'hex')
/** Bytes of a picture when it is unpacked: a screen of 8192x4096 has so many. */
const mostRaw = 136 * 1024 * 1024
/** Samples of a pixel, by colour type: grey, RGB, palette, grey with alpha, RGB with alpha. */
const samples: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }

type Chunk = { readonly name: string; readonly data: Buffer }
type Shape = {
  readonly width: number
  readonly height: number
  readonly depth: number
  readonly colour: number
  /** Bits of a pixel, and bytes of a line without its filter. */
  readonly bits: number
  readonly line: number
}

/**
 * A PNG without what it shows at `places` (of its own pixels): the same picture, where they are blank. Undefined where it is none
 * that is understood here, as guacd writes none other: not interlaced, and whole.
 *
 * SECURITY: written anew from its pixels. Colours of a palette that are used nowhere any more, and chunks that draw nothing, are left out.
 */
export function blankPng(bytes: Buffer, places: readonly Place[]): Buffer | undefined {
  const chunks = readChunks(bytes)
  const [first] = chunks ?? []
  const shape = first === undefined ? undefined : shapeOf(first)
  if (chunks === undefined || shape === undefined) return undefined
  const pixels = unpack(chunks, shape)
  if (pixels === undefined) return undefined
  for (const place of places) blank(pixels, shape, place)
  const colours = chunks.filter(({ name }) => name === 'PLTE' || name === 'tRNS')
  if (shape.colour === 3) {
    const used = usedColours(pixels, shape)
    for (const { name, data } of colours) {
      const size = name === 'PLTE' ? 3 : 1
      for (let index = 0; index * size < data.length; index += 1)
        if (!used.has(index)) data.fill(0, index * size, (index + 1) * size)
    }
  }
  return writePng(chunkOf(chunks, 'IHDR'), colours, pixels, shape)
}

/** The size that a PNG says it has. */
export function pngSize(bytes: Buffer): { readonly width: number; readonly height: number } | undefined {
  if (bytes.length < 33 || !bytes.subarray(0, 8).equals(signature)) return undefined
  if (bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}

function readChunks(bytes: Buffer): readonly Chunk[] | undefined {
  if (!bytes.subarray(0, 8).equals(signature)) return undefined
  const chunks: Chunk[] = []
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    if (at + 12 + length > bytes.length) return undefined
    const name = bytes.toString('latin1', at + 4, at + 8)
    chunks.push({ name, data: Buffer.from(bytes.subarray(at + 8, at + 8 + length)) })
    if (name === 'IEND') return chunks
    at += 12 + length
  }
  return undefined
}

function shapeOf({ name, data }: Chunk): Shape | undefined {
  if (name !== 'IHDR' || data.length !== 13) return undefined
  const [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)]
  const [depth = 0, colour = 0, packing, filter, interlace] = data.subarray(8)
  const count = samples[colour]
  if (count === undefined || packing !== 0 || filter !== 0 || interlace !== 0) return undefined
  if (depth !== 8 && !(colour === 3 || colour === 0)) return undefined
  if (![1, 2, 4, 8].includes(depth)) return undefined
  const bits = depth * count
  const line = Math.ceil((width * bits) / 8)
  if (width === 0 || height === 0 || (line + 1) * height > mostRaw) return undefined
  return { width, height, depth, colour, bits, line }
}

function chunkOf(chunks: readonly Chunk[], name: string): Buffer {
  return chunks.find((one) => one.name === name)?.data ?? Buffer.alloc(0)
}

/** The lines of pixels, one after the other; undefined where they are not all there, or more than that. */
function unpack(chunks: readonly Chunk[], { bits, line, height }: Shape): Buffer | undefined {
  const packed = Buffer.concat(chunks.flatMap(({ name, data }) => (name === 'IDAT' ? [data] : [])))
  const expected = (line + 1) * height
  let raw: Buffer
  try {
    raw = inflateSync(packed, { maxOutputLength: expected })
  } catch {
    return undefined
  }
  if (raw.length !== expected) return undefined
  const step = Math.max(1, bits >> 3)
  const pixels = Buffer.alloc(line * height)
  for (let y = 0; y < height; y += 1) {
    const from = y * (line + 1)
    if (!unfilter(raw, from, pixels, y * line, line, step, y > 0)) return undefined
  }
  return pixels
}

/** Takes the filter off one line (PNG 9.2). */
function unfilter(
  raw: Buffer,
  from: number,
  out: Buffer,
  to: number,
  line: number,
  step: number,
  hasAbove: boolean,
): boolean {
  const filter = raw[from]
  if (filter === 0) {
    raw.copy(out, to, from + 1, from + 1 + line)
    return true
  }
  for (let at = 0; at < line; at += 1) {
    const left = at >= step ? (out[to + at - step] as number) : 0
    const above = hasAbove ? (out[to + at - line] as number) : 0
    const corner = hasAbove && at >= step ? (out[to + at - line - step] as number) : 0
    const value = raw[from + 1 + at] as number
    switch (filter) {
      case 1:
        out[to + at] = value + left
        break
      case 2:
        out[to + at] = value + above
        break
      case 3:
        out[to + at] = value + ((left + above) >> 1)
        break
      case 4:
        out[to + at] = value + paeth(left, above, corner)
        break
      default:
        return false
    }
  }
  return true
}

function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)]
  if (a <= b && a <= c) return left
  return b <= c ? above : corner
}

function blank(pixels: Buffer, { width, height, bits, line }: Shape, place: Place): void {
  const [left, right] = [Math.max(0, place.x), Math.min(width, place.x + place.width)]
  const bottom = Math.min(height, place.y + place.height)
  for (let y = Math.max(0, place.y); y < bottom; y += 1) {
    if (left >= right) return
    if (bits >= 8) {
      pixels.fill(0, y * line + (left * bits) / 8, y * line + (right * bits) / 8)
      continue
    }
    for (let x = left; x < right; x += 1) {
      const at = y * line + ((x * bits) >> 3)
      const shift = 8 - bits - ((x * bits) & 7)
      pixels[at] = (pixels[at] as number) & ~(((1 << bits) - 1) << shift)
    }
  }
}

/** The colours of a palette that pixels have. Bits at the ends of lines that are of none are made blank. */
function usedColours(pixels: Buffer, { width, height, bits, line }: Shape): ReadonlySet<number> {
  const used = new Set<number>()
  const rest = line * 8 - width * bits
  for (let y = 0; y < height; y += 1) {
    const end = y * line + line - 1
    if (rest > 0) pixels[end] = (pixels[end] as number) & (0xff << rest)
    if (bits === 8) {
      for (let at = y * line; at <= end; at += 1) used.add(pixels[at] as number)
      continue
    }
    for (let x = 0; x < width; x += 1) {
      const byte = pixels[y * line + ((x * bits) >> 3)] as number
      used.add((byte >> (8 - bits - ((x * bits) & 7))) & ((1 << bits) - 1))
    }
  }
  return used
}

function writePng(head: Buffer, colours: readonly Chunk[], pixels: Buffer, { line, height }: Shape): Buffer {
  const raw = Buffer.alloc((line + 1) * height)
  for (let y = 0; y < height; y += 1) pixels.copy(raw, y * (line + 1) + 1, y * line, (y + 1) * line)
  const chunks: readonly Chunk[] = [
    { name: 'IHDR', data: head },
    ...colours,
    { name: 'IDAT', data: deflateSync(raw, { level: 2 }) },
    { name: 'IEND', data: Buffer.alloc(0) },
  ]
  return Buffer.concat([signature, ...chunks.map(writeChunk)])
}

function writeChunk({ name, data }: Chunk): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const around = Buffer.alloc(8)
  around.writeUInt32BE(data.length, 0)
  around.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)])
}
