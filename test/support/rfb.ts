import { createCipheriv } from 'node:crypto'
import { createConnection } from 'node:net'

/** A plain client of VNC (RFC 6143): what a desktop is measured beside. */
export type RfbClient = Disposable & {
  readonly key: (keysym: number) => void
  /** Resolves with the next change of the screen. */
  readonly changed: () => Promise<void>
}

/** Connects with VNC authentication, and asks for changes of the whole screen, uncompressed. */
export async function connectRfb(port: number, password: string): Promise<RfbClient> {
  const socket = createConnection({ host: '127.0.0.1', port, noDelay: true })
  socket.on('error', () => undefined)
  let held: Buffer = Buffer.alloc(0)
  const chunks = socket.iterator({ destroyOnReturn: false })
  const read = async (length: number): Promise<Buffer> => {
    while (held.length < length) {
      const { value, done } = await chunks.next()
      if (done === true) throw new Error('the VNC server closed the connection')
      held = Buffer.concat([held, value as Buffer])
    }
    const taken = held.subarray(0, length)
    held = held.subarray(length)
    return taken
  }
  await read(12)
  socket.write('RFB 003.008\n')
  await read((await read(1))[0] ?? 0)
  socket.write(Uint8Array.of(2))
  socket.write(answerOf(await read(16), password))
  if ((await read(4)).readUInt32BE() !== 0) throw new Error('the VNC server refused the password')
  socket.write(Uint8Array.of(1))
  const head = await read(24)
  const [width, height] = [head.readUInt16BE(0), head.readUInt16BE(2)]
  const bytesPerPixel = (head[4] ?? 32) / 8
  await read(head.readUInt32BE(20))
  // Raw alone.
  socket.write(Uint8Array.of(2, 0, 0, 1, 0, 0, 0, 0))
  const request = (incremental: boolean) => {
    const bytes = Buffer.alloc(10)
    bytes.writeUInt8(3, 0)
    bytes.writeUInt8(incremental ? 1 : 0, 1)
    bytes.writeUInt16BE(width, 6)
    bytes.writeUInt16BE(height, 8)
    socket.write(bytes)
  }
  const changed = async () => {
    for (;;) {
      const [kind] = await read(1)
      if (kind === 0) {
        const [, , rectangles] = [0, 0, (await read(3)).readUInt16BE(1)]
        for (let at = 0; at < rectangles; at += 1) {
          const rectangle = await read(12)
          await read(rectangle.readUInt16BE(4) * rectangle.readUInt16BE(6) * bytesPerPixel)
        }
        request(true)
        return
      }
      if (kind === 3) await read((await read(7)).readUInt32BE(3))
      else if (kind === 1) await read((await read(5)).readUInt16BE(3) * 6)
    }
  }
  request(false)
  await changed()
  return {
    key: (keysym) => {
      for (const down of [1, 0]) {
        const bytes = Buffer.alloc(8)
        bytes.writeUInt8(4, 0)
        bytes.writeUInt8(down, 1)
        bytes.writeUInt32BE(keysym, 4)
        socket.write(bytes)
      }
    },
    changed,
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** DES of the challenge under the password, the bits of whose bytes go the other way round. */
function answerOf(challenge: Buffer, password: string): Buffer {
  const key = Buffer.alloc(8)
  key.write(password.slice(0, 8), 'latin1')
  for (const [at, byte] of key.entries()) {
    let turned = 0
    for (let bit = 0; bit < 8; bit += 1) turned |= ((byte >> bit) & 1) << (7 - bit)
    key[at] = turned
  }
  // Triple DES with one key three times is DES, which OpenSSL 3 has no more.
  return createCipheriv('des-ede3', Buffer.concat([key, key, key]), null)
    .setAutoPadding(false)
    .update(challenge)
}
