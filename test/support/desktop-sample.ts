import { crc32, deflateSync } from 'node:zlib'
import { encodeInstruction } from '../../recorder/broker/desktop/instruction.ts'
import type { Frame } from '../../recorder/replay/index.ts'
import type { Permit } from '../../vault/contract.ts'
import { simulated } from './long-recording.ts'
import { type RecordingRoom, somePermit } from './recordings.ts'

export type Colour = readonly [red: number, green: number, blue: number]

export const colours = {
  red: [200, 30, 30],
  blue: [30, 60, 200],
  green: [30, 160, 60],
  yellow: [230, 210, 40],
} as const satisfies Readonly<Record<string, Colour>>

/** A PNG of 8 bits a channel. */
export function pngOf(width: number, height: number, at: (x: number, y: number) => Colour): Buffer {
  const lines = Buffer.alloc(height * (1 + width * 3))
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) lines.set(at(x, y), y * (1 + width * 3) + 1 + x * 3)
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 2, 0, 0, 0], 8)
  return pngFile(['IHDR', head], ['IDAT', deflateSync(lines)], ['IEND', Buffer.alloc(0)])
}

/** A PNG of these chunks. */
export function pngFile(...chunks: readonly (readonly [name: string, data: Uint8Array])[]): Buffer {
  const pieces = chunks.map(([name, data]) => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, sum])
  })
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...pieces])
}

/** The bytes of instructions, as they are recorded. */
export function drawn(
  ...list: readonly (readonly [opcode: string, ...args: readonly (string | number)[]])[]
): Buffer {
  return Buffer.concat(list.map(([opcode, ...args]) => encodeInstruction(opcode, ...args.map(String))))
}

/** The instructions that put a picture on a layer. */
export function picture(
  png: Uint8Array,
  x: number,
  y: number,
  { layer = 0, stream = 1, type = 'image/png' } = {},
): Buffer {
  const text = Buffer.from(png).toString('base64')
  const pieces = text.match(/.{1,4096}/g) ?? []
  return drawn(
    ['img', stream, 14, layer, type, x, y],
    ...pieces.map((piece) => ['blob', stream, piece] as const),
    ['end', stream],
  )
}

const filled = (colour: Colour, width: number, height: number) => pngOf(width, height, () => colour)

/** A permit of a desktop's session, of which every word is always the same. */
export function desktopPermit(): Permit {
  const permit = somePermit()
  return {
    ...permit,
    user: { ...permit.user, name: 'bob' },
    account: { ...permit.account, name: 'hmi-3/operator', login: 'operator' },
    target: { ...permit.target, name: 'hmi-3', protocol: 'vnc', host: '192.0.2.31', port: 5900 },
    actions: ['observe', 'interact'],
  }
}

/** What the sample shows from a second of it on: a place, and the colour that is there then. */
export const shownAt: readonly {
  readonly second: number
  readonly at: readonly [number, number]
  readonly colour: Colour
}[] = [
  { second: 1, at: [50, 40], colour: colours.red },
  { second: 5, at: [50, 40], colour: colours.blue },
  { second: 5, at: [104, 30], colour: colours.red },
  { second: 15, at: [104, 30], colour: colours.blue },
  { second: 70, at: [20, 80], colour: colours.green },
  { second: 125, at: [140, 80], colour: colours.yellow },
]
export const sampleSeconds = 130
export const sampleSize = { width: 160, height: 96 } as const

/**
 * Writes a desktop of 160x96 that lasts 130 s: a red picture; from 2 s a blue square, copied at 10 s, a green one at 62 s, a yellow
 * one at 122 s; with the mouse, a freeze, and a keyframe at 61 s and at 121 s.
 */
export async function sampleDesktop(room: RecordingRoom): Promise<Permit['recording']> {
  const { recording, sealing, write, end } = await simulated(room, desktopPermit())
  const channel = 0
  const output = (second: number, bytes: Uint8Array): Frame => ({
    kind: 'output',
    channel,
    bytes,
    at: Math.round(second * 1e9),
  })
  const sync = (second: number) => drawn(['sync', 1_000_000 + second * 1000])
  const mouse = (second: number, x: number, y: number, mask = 0) =>
    output(second, drawn(['mouse', x, y, mask, 1_000_000 + second * 1000]))
  const { width, height } = sampleSize
  const square = (colour: Colour, x: number, y: number) => picture(filled(colour, 32, 32), x, y)
  const parts = {
    begin: Buffer.concat([
      drawn(['size', 0, width, height]),
      picture(filled(colours.red, width, height), 0, 0),
    ]),
    blue: square(colours.blue, 40, 24),
    copied: drawn(['copy', 0, 40, 24, 32, 32, 14, 0, 100, 24]),
    green: square(colours.green, 8, 60),
    yellow: square(colours.yellow, 120, 60),
  }
  const keyframe = (second: number, bytes: Buffer): Frame[] => [
    {
      kind: 'mark',
      channel,
      mark: { kind: 'keyframe', bytes: bytes.length, width, height },
      at: Math.round(second * 1e9),
    },
    { kind: 'keyframe', channel, columns: width, rows: height, bytes, at: Math.round(second * 1e9) },
  ]
  write(
    { kind: 'mark', channel, mark: { kind: 'open', type: 'desktop' }, at: 0 },
    output(0.1, Buffer.concat([parts.begin, sync(0.1)])),
  )
  write(mouse(1, 30, 30), mouse(1.2, 56, 40), output(2, Buffer.concat([parts.blue, sync(2)])))
  sealing.container.checkpoint()
  write(
    {
      kind: 'mark',
      channel,
      mark: { kind: 'freeze', by: 'sue', frozen: true, reason: 'the guard is open' },
      at: 5e9,
    },
    { kind: 'mark', channel, mark: { kind: 'freeze', by: 'sue', frozen: false }, at: 8e9 },
  )
  write(mouse(9, 110, 40, 1), mouse(9.1, 110, 40, 0), output(10, Buffer.concat([parts.copied, sync(10)])))
  const { begin, blue, copied, green } = parts
  write(...keyframe(61, Buffer.concat([begin, blue, copied, sync(10)])))
  write(output(62, Buffer.concat([green, sync(62)])))
  write(...keyframe(121, Buffer.concat([begin, blue, copied, green, sync(62)])))
  write(output(122, Buffer.concat([parts.yellow, sync(122)])))
  write({ kind: 'mark', channel, mark: { kind: 'close' }, at: sampleSeconds * 1e9 })
  end()
  return recording
}
