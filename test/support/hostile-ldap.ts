import { createServer, type TLSSocket } from 'node:tls'
import { readFileSync } from 'node:fs'
import { BerReader, BerWriter } from 'ldapts'
import type { DirectoryCertificates } from './directory-certificates.ts'

/** What a server of our own answers to a message of LDAP: its id and operation, and what it may write back. */
export type Answering = (
  message: { readonly id: number; readonly operation: number; readonly raw: Buffer },
  socket: TLSSocket,
) => void

export type HostileLdap = AsyncDisposable & {
  readonly url: string
  /** Everything that came, in the clear. */
  readonly heard: () => Buffer
}

/** A directory that somebody else runs: TLS with these certificates, and answers as `answer` has it. */
export async function startHostileLdap(
  certificates: DirectoryCertificates,
  answer: Answering,
): Promise<HostileLdap> {
  const heard: Buffer[] = []
  const sockets = new Set<TLSSocket>()
  const server = createServer(
    { cert: readFileSync(certificates.files.certificate), key: readFileSync(certificates.files.key) },
    (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
      socket.on('data', (chunk: Buffer) => {
        heard.push(chunk)
        const reader = new BerReader(chunk)
        reader.readSequence()
        const id = reader.readInt() ?? 0
        answer({ id, operation: reader.readSequence() ?? 0, raw: chunk }, socket)
      })
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    url: `ldaps://127.0.0.1:${address.port}`,
    heard: () => Buffer.concat(heard),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The operations that a client sends, and what answers them. */
export const bindRequest = 0x60
export const searchRequest = 0x63
export const bindResponse = 0x61
export const searchDone = 0x65

/** A message with a result, as RFC 4511 has it. */
export function result(id: number, operation: number, code: number, text = '', referral?: string): Buffer {
  const writer = new BerWriter()
  writer.startSequence()
  writer.writeInt(id)
  writer.startSequence(operation)
  writer.writeEnumeration(code)
  writer.writeString('')
  writer.writeString(text)
  if (referral !== undefined) {
    writer.startSequence(0xa3)
    writer.writeString(referral)
    writer.endSequence()
  }
  writer.endSequence()
  writer.endSequence()
  return writer.buffer
}

/** An entry of a search. */
export function entry(
  id: number,
  dn: string,
  attributes: Readonly<Record<string, readonly string[]>>,
): Buffer {
  const writer = new BerWriter()
  writer.startSequence()
  writer.writeInt(id)
  writer.startSequence(0x64)
  writer.writeString(dn)
  writer.startSequence()
  for (const [type, values] of Object.entries(attributes)) {
    writer.startSequence()
    writer.writeString(type)
    writer.startSequence(0x31)
    for (const value of values) writer.writeString(value)
    writer.endSequence()
    writer.endSequence()
  }
  writer.endSequence()
  writer.endSequence()
  writer.endSequence()
  return writer.buffer
}

/** A reference of a search to another server. */
export function reference(id: number, url: string): Buffer {
  const writer = new BerWriter()
  writer.startSequence()
  writer.writeInt(id)
  writer.startSequence(0x73)
  writer.writeString(url)
  writer.endSequence()
  writer.endSequence()
  return writer.buffer
}
