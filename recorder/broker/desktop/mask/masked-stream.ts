import type { MaskRegion } from '../../../../vault/contract.ts'
import { Fault } from '../../../../vault/kernel/fault.ts'
import { encodeInstruction, type Instruction } from '../instruction.ts'
import { arrow } from './arrow.ts'
import { pictureSize } from './picture-size.ts'
import { type Place, placesOf, type Size, touches, withoutAll } from './place.ts'
import { blankPng } from './png.ts'

/** What of a desktop was passed through the mask. */
export type MaskedPart = {
  /** For the recording. */
  readonly recorded: Uint8Array
  /** What the user may be shown now: all whose recorded form is in `recorded`. */
  readonly shown: readonly Instruction[]
  /** What could not be kept, for a mark: a sentence each, without anything that was shown. */
  readonly missed: readonly string[]
}

/** Bytes of instructions that wait for the end of a picture that is begun. guacd sends a screen in fewer. */
const mostHeld = 16 * 1024 * 1024
/** Of buffers and other layers nothing is recorded; these two, as high as readers take them, are this stream's own. */
const scratch = '-4096'
const pointer = '-4095'
/** Channels of the result and of both sources: the source over what is there (Guacamole protocol, "channel mask"). */
const over = '14'
const grey = ['90', '90', '90', '255'] as const
/** What is drawn on the screen itself. */
const screenLayer = '0'

/**
 * A desktop's instructions as they are recorded where a region of its screen is masked.
 *
 * INVARIANT: no pixel that a picture has in the region comes into `recorded`, nor what tells which one was copied into it. In what is
 * recorded the region is grey from the beginning, so whatever is copied out of it is grey. What this does not understand, and what is
 * drawn elsewhere than on the screen (other layers, buffers), is not recorded; where such a thing comes onto the screen, its place is
 * grey, and `missed` says so.
 */
export class MaskedStream {
  readonly #regions: readonly MaskRegion[]
  #screen: Size | undefined
  /** The most of either that the screen has had. */
  #largest: Size | undefined
  #masked: readonly Place[]
  #held: Instruction[] = []
  #heldBytes = 0
  readonly #open = new Set<string>()
  /** Of the path that is begun on the screen, whether any of it is kept; undefined: none is begun. */
  #path: 'kept' | 'empty' | undefined
  /** Something was drawn that touches the region since it was made grey. */
  #isTouched = false
  #out: Uint8Array[] = []
  #missed = new Set<string>()

  /** `largest`: what the screen has had before this begins. */
  constructor(regions: readonly MaskRegion[], largest?: Size) {
    this.#regions = regions
    this.#largest = largest
    this.#masked = this.places(undefined)
  }

  /** Takes what comes next. Throws `Fault('protocol')` where a picture is begun and never ends. */
  take(instructions: readonly Instruction[]): MaskedPart {
    for (const one of instructions) {
      this.#held.push(one)
      this.#heldBytes += one.bytes.length
      const [stream = ''] = one.args
      if (one.opcode === 'img') this.#open.add(stream)
      else if (one.opcode === 'end') this.#open.delete(stream)
    }
    if (this.#open.size > 0) {
      if (this.#heldBytes > mostHeld) throw new Fault('protocol', 'a picture has no end')
      return { recorded: new Uint8Array(), shown: [], missed: [] }
    }
    const shown = this.#held
    this.#held = []
    this.#heldBytes = 0
    const pieces = piecesOf(shown)
    for (const one of shown) this.#draw(one, pieces)
    this.#cover()
    const part = { recorded: Buffer.concat(this.#out), shown, missed: [...this.#missed] }
    this.#out = []
    this.#missed = new Set()
    return part
  }

  get largest(): Size | undefined {
    return this.#largest
  }

  /** What of a screen of that size would not be recorded. */
  places(screen: Size | undefined): readonly Place[] {
    return placesOf(this.#regions, screen, this.#largest)
  }

  hides(x: number, y: number): boolean {
    return this.#masked.some((place) => touches(place, { x, y, width: 1, height: 1 }))
  }

  #draw(one: Instruction, pieces: ReadonlyMap<Instruction, readonly Instruction[]>): void {
    const { opcode, args } = one
    switch (opcode) {
      case 'sync':
        this.#cover()
        return this.#keep(one)
      case 'mouse':
        return this.#keep(one)
      case 'size':
        return this.#resize(one)
      case 'img':
        return this.#picture(one, pieces.get(one) ?? [])
      case 'copy':
      case 'transfer':
        return this.#copy(one)
      case 'rect':
        return this.#rect(one)
      case 'cfill':
        if (args[1] === screenLayer && this.#path === 'kept') this.#keep(one)
        if (args[1] === screenLayer) this.#path = undefined
        return
      case 'blob':
      case 'end':
      // Where it stays the pointer of the system, as what it is drawn from is not recorded.
      case 'cursor':
      case 'nop':
      case 'dispose':
        return
      default:
        this.#miss(
          `what a desktop drew by "${opcode.replaceAll(/[^a-z]/g, '').slice(0, 20)}" is not recorded`,
        )
    }
  }

  #resize(one: Instruction): void {
    const [layer, width, height] = one.args
    if (layer !== screenLayer) return
    const isFirst = this.#screen === undefined
    this.#screen = { width: lengthOf(width) ?? 0, height: lengthOf(height) ?? 0 }
    this.#largest = {
      width: Math.max(this.#screen.width, this.#largest?.width ?? 0),
      height: Math.max(this.#screen.height, this.#largest?.height ?? 0),
    }
    this.#masked = this.places(this.#screen)
    this.#keep(one)
    this.#isTouched = true
    if (isFirst) this.#out.push(...arrow(pointer))
  }

  #picture(one: Instruction, pieces: readonly Instruction[]): void {
    const [stream = '', mask = '', layer = '', type = ''] = one.args
    if (layer !== screenLayer) return this.#elsewhere(layer)
    const [x, y] = [wholeOf(one.args[4]), wholeOf(one.args[5])]
    const text = pieces.map(({ opcode, args }) => (opcode === 'blob' ? (args[1] ?? '') : '')).join('')
    // As browsers do: each piece by itself has whole groups of base64, or none of it is understood here.
    const bytes = isBase64(pieces) ? Buffer.from(text, 'base64') : Buffer.alloc(0)
    const size = pictureSize(bytes)
    if (x === undefined || y === undefined || size === undefined) {
      this.#miss('a picture of a form that is not known is not recorded')
      return this.#grey({ x: x ?? 0, y: y ?? 0, ...(this.#screen ?? { width: 1 << 20, height: 1 << 20 }) })
    }
    const place = { x, y, ...size }
    const touched = this.#masked.filter((region) => touches(region, place))
    if (touched.length === 0) return this.#keep(one, ...pieces)
    this.#isTouched = true
    if (withoutAll(place, touched).length === 0) return
    const own = touched.map((region) => ({ ...region, x: region.x - x, y: region.y - y }))
    const blanked = type === 'image/png' ? blankPng(bytes, own) : undefined
    if (blanked === undefined) {
      this.#miss('a picture that reaches into the region, and is not a plain PNG, is not recorded at all')
      return this.#grey(place)
    }
    this.#out.push(
      encodeInstruction('img', stream, mask, screenLayer, type, String(x), String(y)),
      ...blobsOf(stream, blanked),
      encodeInstruction('end', stream),
    )
  }

  #copy(one: Instruction): void {
    const [fromLayer = '', sx, sy, w, h, mask = '', layer = '', dx, dy] = one.args
    if (layer !== screenLayer) return this.#elsewhere(layer)
    const [fromX, fromY, x, y] = [sx, sy, dx, dy].map(wholeOf)
    const [width, height] = [w, h].map(lengthOf)
    if (fromX === undefined || fromY === undefined || x === undefined || y === undefined)
      return this.#miss('a copy that is none is not recorded')
    if (width === undefined || height === undefined) return this.#miss('a copy that is none is not recorded')
    const place = { x, y, width, height }
    const isTouching = this.#masked.some((region) => touches(region, place))
    if (fromLayer !== screenLayer) {
      this.#miss('a part of the screen that came from elsewhere than the screen is not recorded')
      return this.#grey(place)
    }
    if (!isTouching) return this.#keep(one)
    this.#isTouched = true
    const kept = withoutAll(place, this.#masked)
    if (kept.length === 0) return
    if (one.opcode === 'transfer') {
      this.#miss('a part of the screen that was drawn by a transfer into the region is not recorded')
      return this.#grey(place)
    }
    // By way of a layer of its own, as a screen that scrolls copies onto what it copies from.
    const copy = (from: Place, source: string, to: string, at: { readonly x: number; readonly y: number }) =>
      encodeInstruction(
        ...([
          'copy',
          source,
          String(from.x),
          String(from.y),
          String(from.width),
          String(from.height),
        ] as const),
        ...[to === scratch ? over : mask, to, String(at.x), String(at.y)],
      )
    const source = (part: Place) => ({
      ...part,
      x: fromX + part.x - x,
      y: fromY + part.y - y,
    })
    this.#out.push(
      // Never of no size: browsers' players stop at one. What is read of it is what was just copied there.
      encodeInstruction('size', scratch, String(width), String(height)),
      ...kept.map((part) => copy(source(part), screenLayer, scratch, { x: part.x - x, y: part.y - y })),
      ...kept.map((part) => copy({ ...part, x: part.x - x, y: part.y - y }, scratch, screenLayer, part)),
    )
  }

  #rect(one: Instruction): void {
    const [layer = '', ...rest] = one.args
    if (layer !== screenLayer) return
    const [x, y] = rest.map(wholeOf)
    const [width, height] = rest.slice(2).map(lengthOf)
    this.#path ??= 'empty'
    if (x === undefined || y === undefined || width === undefined || height === undefined) return
    const place = { x, y, width, height }
    const kept = withoutAll(place, this.#masked)
    if (kept.length > 0) this.#path = 'kept'
    if (kept.length === 1 && kept[0] === place) return this.#keep(one)
    for (const part of kept) this.#out.push(rectangle(part))
  }

  /** What is drawn elsewhere is recorded nowhere. Into a buffer it is seen by nobody yet. */
  #elsewhere(layer: string): void {
    if (!layer.startsWith('-')) this.#miss('what lies on the screen as a layer of its own is not recorded')
  }

  #keep(...instructions: readonly Instruction[]): void {
    for (const { bytes } of instructions) this.#out.push(bytes)
  }

  #miss(sentence: string): void {
    this.#missed.add(sentence)
  }

  #grey(place: Place): void {
    this.#out.push(rectangle(place), encodeInstruction('cfill', over, screenLayer, ...grey))
    this.#path = undefined
  }

  /** Makes the region grey, where anything was drawn that reaches into it. */
  #cover(): void {
    if (!this.#isTouched) return
    this.#isTouched = false
    for (const place of this.#masked) this.#grey(place)
  }
}

/** What belongs to each picture among whole ones: its pieces and its end. */
function piecesOf(list: readonly Instruction[]): ReadonlyMap<Instruction, readonly Instruction[]> {
  const found = new Map<Instruction, Instruction[]>()
  const open = new Map<string, Instruction[]>()
  for (const one of list) {
    const [stream = ''] = one.args
    if (one.opcode === 'img') {
      const pieces: Instruction[] = []
      found.set(one, pieces)
      open.set(stream, pieces)
    } else if (one.opcode === 'blob' || one.opcode === 'end') {
      open.get(stream)?.push(one)
      if (one.opcode === 'end') open.delete(stream)
    }
  }
  return found
}

/** Whether the pieces of a picture are base64 of the one form that all readers take alike: padding at the end alone. */
function isBase64(pieces: readonly Instruction[]): boolean {
  const blobs = pieces.filter(({ opcode }) => opcode === 'blob')
  return blobs.every(({ args: [, text = ''] }, at) =>
    text.length % 4 === 0 && at < blobs.length - 1
      ? /^[A-Za-z0-9+/]*$/.test(text)
      : /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0,
  )
}

/** guacd sends pieces of 6048 bytes (libguac, `GUAC_PROTOCOL_BLOB_MAX_LENGTH`). */
const pieceBytes = 6048

function blobsOf(stream: string, bytes: Buffer): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, at) =>
    encodeInstruction(
      'blob',
      stream,
      bytes.toString('base64', at * pieceBytes, Math.min(bytes.length, (at + 1) * pieceBytes)),
    ),
  )
}

function rectangle({ x, y, width, height }: Place): Buffer {
  return encodeInstruction('rect', screenLayer, String(x), String(y), String(width), String(height))
}

function wholeOf(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,6}$/.test(text) ? Number(text) : undefined
}

/** A width or a height: what is drawn backwards is none. */
function lengthOf(text: string | undefined): number | undefined {
  const length = wholeOf(text)
  return length !== undefined && length >= 0 ? length : undefined
}
