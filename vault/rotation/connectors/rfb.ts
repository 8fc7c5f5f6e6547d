import { createCipheriv } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { Secret } from '../../kernel/secret.ts'
import type { Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { LoginResult } from '../phases.ts'

/** RFB (RFC 6143) as far as a login goes, and the password as servers keep it in their file. */

/** The key under which every server and client of VNC hides a password in a file: it hides nothing from who knows it. */
const fileKey = Uint8Array.from([23, 82, 107, 6, 35, 78, 88, 7])

/** The eight bytes of a password file. The caller wipes them. */
export function fileBytesOf(password: Secret): Buffer {
  const key = keyOf(password)
  try {
    return encrypted(fileKey, key)
  } finally {
    key.fill(0)
  }
}

/** Eight characters count (§7.2.2); what is missing is zero. */
function keyOf(password: Secret): Buffer {
  return password.expose((bytes) => {
    const key = Buffer.alloc(8)
    key.set(bytes.subarray(0, 8))
    return key
  })
}

/** DES in ECB, of which OpenSSL keeps the triple one alone: three times the same key. RFB turns the bits of each byte round. */
function encrypted(key: Uint8Array, blocks: Uint8Array): Buffer {
  const turned = Buffer.from(key.map(turn))
  const triple = Buffer.concat([turned, turned, turned])
  try {
    return createCipheriv('des-ede3', triple, null).setAutoPadding(false).update(blocks)
  } finally {
    turned.fill(0)
    triple.fill(0)
  }
}

function turn(byte: number): number {
  let turned = 0
  for (let bit = 0; bit < 8; bit += 1) turned |= ((byte >> bit) & 1) << (7 - bit)
  return turned
}

const vncAuthentication = 2

/** A server that is no fit one to log in to; its words are shown to nobody. */
class Unfit extends Error {}

/** Logs in freshly, and out again. The answer to the server's challenge is sent once. */
export async function rfbLogin(at: Place, password: Secret): Promise<Seen<LoginResult>> {
  const { name, host, port } = at.target
  const socket = connect({ host, port, noDelay: true })
  const give = AbortSignal.any([at.signal, AbortSignal.timeout(at.withinMs)])
  const end = () => socket.destroy()
  give.addEventListener('abort', end, { once: true })
  if (give.aborted) end()
  let sent = false
  try {
    const read = reader(socket)
    const version = versionOf(await read(12))
    socket.write(`RFB 003.00${version}\n`)
    await chooseAuthentication(socket, read, version)
    const challenge = await read(16)
    const key = keyOf(password)
    sent = true
    socket.write(encrypted(key, challenge))
    key.fill(0)
    const verdict = (await read(4)).readUInt32BE(0)
    if (verdict === 0) return saw({ kind: 'accepted' }, true)
    // Anything else than "failed" is no verdict on this password: too many were tried.
    return verdict === 1
      ? saw({ kind: 'rejected', why: `${name} refused the password` }, true)
      : saw({ kind: 'unreachable', why: `${name} has had too many refused passwords: it waits` }, true)
  } catch (error) {
    const why = error instanceof Unfit ? error.message : 'did not answer as a VNC server does'
    return saw({ kind: 'unreachable', why: `${name} ${why}` }, sent)
  } finally {
    give.removeEventListener('abort', end)
    end()
  }
}

function versionOf(greeting: Buffer): 3 | 7 | 8 {
  const [, major, minor] = /^RFB (\d{3})\.(\d{3})\n$/.exec(greeting.toString('latin1')) ?? []
  if (Number(major) !== 3) throw new Unfit('speaks another protocol')
  return Number(minor) >= 8 ? 8 : Number(minor) === 7 ? 7 : 3
}

async function chooseAuthentication(
  socket: Socket,
  read: (bytes: number) => Promise<Buffer>,
  version: 3 | 7 | 8,
): Promise<void> {
  const offered =
    version === 3
      ? [(await read(4)).readUInt32BE(0)].filter((type) => type !== 0)
      : [...(await read((await read(1))[0] ?? 0))]
  if (offered.length === 0) throw new Unfit('takes no logins just now: it has had too many refused ones')
  if (!offered.includes(vncAuthentication))
    throw new Unfit(
      offered.includes(1)
        ? 'asks nobody for a password'
        : 'takes no password of VNC: it asks for something else',
    )
  if (version !== 3) socket.write(Uint8Array.from([vncAuthentication]))
}

/** Reads so many bytes, as they come; throws where the connection ends before. */
function reader(socket: Socket): (bytes: number) => Promise<Buffer> {
  let failed = false
  let wake: () => void = () => undefined
  const over = () => {
    failed = true
    wake()
  }
  socket.on('readable', () => wake())
  for (const event of ['error', 'end', 'close']) socket.on(event, over)
  return async (bytes) => {
    if (bytes === 0) return Buffer.alloc(0)
    for (;;) {
      const piece = socket.read(bytes) as Buffer | null
      if (piece !== null && piece.length === bytes) return piece
      if (failed || piece !== null) throw new Unfit('hung up')
      const { promise, resolve } = Promise.withResolvers<void>()
      wake = resolve
      await promise
    }
  }
}
