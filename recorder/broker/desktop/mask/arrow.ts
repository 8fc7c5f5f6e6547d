import { crc32, deflateSync } from 'node:zlib'
import { encodeInstruction } from '../instruction.ts'

const [width, height] = [12, 19]

/** The instructions that make a plain arrow the mouse's pointer, from a buffer of that number. */
export function arrow(buffer: string): readonly Buffer[] {
  return [
    encodeInstruction('img', '0', '12', buffer, 'image/png', '0', '0'),
    encodeInstruction('blob', '0', picture),
    encodeInstruction('end', '0'),
    encodeInstruction('cursor', '0', '0', buffer, '0', '0', String(width), String(height)),
  ]
}

/** White with a black edge, on nothing: grey and alpha, 8 bits each. */
const picture = (() => {
  const raw = Buffer.alloc(height * (1 + width * 2))
  for (let y = 0; y < height; y += 1) {
    // A triangle of 16 lines; below them its handle.
    const [first, last] = y < 16 ? [0, Math.min(y, 11)] : [5, 8]
    for (let x = first; x <= last; x += 1) {
      const isEdge = x === first || x === last || y === height - 1 || (y >= 11 && y < 16 && x > 15 - y + 6)
      raw[y * (1 + width * 2) + 1 + x * 2] = isEdge ? 0 : 255
      raw[y * (1 + width * 2) + 2 + x * 2] = 255
    }
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 4], 8)
  const chunk = (name: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
    const around = Buffer.alloc(8)
    around.writeUInt32BE(data.length, 0)
    around.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)])
  }
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(raw)),
    chunk('IEND', Buffer.alloc(0)),
  ]).toString('base64')
})()
