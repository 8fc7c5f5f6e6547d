import { encodeInstruction, type Instruction } from './instruction.ts'

/** What draws: it changes what is on the screen and nothing else (the Guacamole protocol's reference). */
const drawing: ReadonlySet<string> = new Set([
  ...[
    'arc',
    'cfill',
    'clip',
    'close',
    'copy',
    'cstroke',
    'cursor',
    'curve',
    'dispose',
    'distort',
    'identity',
  ],
  ...['lfill', 'line', 'lstroke', 'move', 'pop', 'push', 'rect', 'reset', 'set', 'shade', 'size', 'start'],
  ...['transfer', 'transform', 'sync', 'mouse'],
])

/** Pictures that are begun and not ended at a time: guacd has 64 streams for all who look, and 64 for each. */
const mostPictures = 128

/**
 * What of guacd's reaches the browser.
 *
 * SECURITY: a list of what goes through. Files, sound, pipes and whatever a later guacd adds do not, nor the
 * pieces of their streams: of those only the ones that a drawn picture opened.
 */
export class ShownFilter {
  readonly #pictures = new Set<string>()

  /** Whether no picture is begun and not ended. */
  get isWhole(): boolean {
    return this.#pictures.size === 0
  }

  /** Whether this is the stream of a picture that is begun and not ended. */
  has(stream: string): boolean {
    return this.#pictures.has(stream)
  }

  passes({ opcode, args }: Instruction): boolean {
    const [stream = ''] = args
    switch (opcode) {
      case 'img':
        // SECURITY: what is kept here is bounded, whatever guacd says.
        if (this.#pictures.size >= mostPictures && !this.#pictures.has(stream)) return false
        this.#pictures.add(stream)
        return true
      case 'blob':
        return this.#pictures.has(stream)
      case 'end':
        return this.#pictures.delete(stream)
      case 'nop':
        // The browser takes it as a sign of life; it is not recorded.
        return true
      default:
        return drawing.has(opcode)
    }
  }
}

/** What a user sends, understood. */
export type Used =
  | { readonly kind: 'key'; readonly keysym: number; readonly pressed: boolean }
  | { readonly kind: 'mouse'; readonly x: number; readonly y: number; readonly mask: number }
  /** How much room the user's page has, in pixels. */
  | { readonly kind: 'room'; readonly width: number; readonly height: number }
  /** Needed by the protocol, and no input: that a frame was drawn, that a picture came, a sign of life. */
  | { readonly kind: 'flow' }
  | { readonly kind: 'leave' }

/** The largest keysym of X11, and the largest coordinate of RFB. */
const mostKeysym = 0x1fff_ffff
const mostPlace = 0xffff

/** The least and the most pixels that a machine of RDP is asked to show (MS-RDPEDISP 2.2.2.2.1). */
function isRoom(pixels: number): boolean {
  return pixels >= 200 && pixels <= 8192
}

/**
 * Understands an instruction of a user's, and spells it anew; undefined where it is none of those that may pass.
 *
 * SECURITY: what goes on to guacd is written here from numbers, never what the browser sent.
 */
export function understand({
  opcode,
  args,
}: Instruction): { readonly is: Used; readonly bytes: Buffer } | undefined {
  const numbers = args.map((text) => (/^\d{1,16}$/.test(text) ? Number(text) : Number.NaN))
  const [a = Number.NaN, b = Number.NaN, c = Number.NaN] = numbers
  const spelled = (...list: readonly (number | string)[]) => encodeInstruction(opcode, ...list.map(String))
  switch (opcode) {
    case 'key':
      if (args.length !== 2 || !(a > 0 && a <= mostKeysym) || !(b === 0 || b === 1)) return undefined
      return { is: { kind: 'key', keysym: a, pressed: b === 1 }, bytes: spelled(a, b) }
    case 'mouse':
      if (args.length !== 3 || !(a <= mostPlace && b <= mostPlace && c <= 0x1f)) return undefined
      return { is: { kind: 'mouse', x: a, y: b, mask: c }, bytes: spelled(a, b, c) }
    case 'size':
      if (args.length !== 2 || !(isRoom(a) && isRoom(b))) return undefined
      return { is: { kind: 'room', width: a, height: b }, bytes: spelled(a, b) }
    case 'sync':
      if (args.length < 1 || !Number.isSafeInteger(a)) return undefined
      return { is: { kind: 'flow' }, bytes: spelled(a) }
    case 'ack':
      if (args.length !== 3 || !(a <= mostPlace)) return undefined
      return { is: { kind: 'flow' }, bytes: spelled(a, 'OK', 0) }
    case 'nop':
      return { is: { kind: 'flow' }, bytes: spelled() }
    case 'disconnect':
      return { is: { kind: 'leave' }, bytes: Buffer.alloc(0) }
    default:
      return undefined
  }
}
