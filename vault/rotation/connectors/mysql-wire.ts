import { createHash } from 'node:crypto'
import type { Secret } from '../../kernel/secret.ts'
import { connectPinned } from '../../tls/connect.ts'
import { mysqlClient } from '../../tls/prelude.ts'
import type { Credential, Place } from '../connector.ts'
import { Wire } from './wire.ts'

/** Bytes of one packet, and packets of one answer, that are taken. */
const mostPacket = 64 * 1024
const mostPackets = 1_000

/** A session with a MySQL or MariaDB, or why there is none. */
export type SqlOpened =
  | ({ readonly kind: 'open'; readonly isMariadb: boolean } & Disposable & {
        readonly run: (statement: Buffer) => Promise<SqlRan>
      })
  | { readonly kind: 'failed'; readonly why: string; readonly rejected: boolean; readonly sent: boolean }

/** How a statement ended, with the first column of what it answered; `code` is undefined where it hung up. */
export type SqlRan =
  | { readonly ok: true; readonly rows: readonly string[] }
  | { readonly ok: false; readonly code: number | undefined }

/** A server that does not do as it should. `message`: what it does, after its name. */
class Odd extends Error {}

/**
 * Logs in to a MySQL or MariaDB (protocol 4.1), over TLS to its pinned certificate alone.
 *
 * SECURITY: by `mysql_native_password` or `caching_sha2_password`, whichever the server names. The latter gives the server the
 * password itself where it does not have it at hand, under TLS: there is no other way to log in to such an account after a
 * change. Every other plug-in, the one for passwords in clear among them, is given nothing; nor is a file, ever.
 */
export async function openMysql(at: Place, login: string, credential: Credential): Promise<SqlOpened> {
  const { name } = at.target
  let sent = false
  const fail = (why: string, rejected = false): SqlOpened => ({ kind: 'failed', why, rejected, sent })
  if (credential.kind !== 'password') return fail('a user of a database logs in by a password')
  if (credential.secret.expose((bytes) => bytes.length) === 0) return fail('there is no password')
  const connected = await connectPinned('mysql', at.target, at.signal)
  if (connected.kind === 'failed') return fail(connected.why)
  const { socket, greeting } = connected
  const talk = new Talk(new Wire(socket), 2)
  let isOpen = false
  try {
    const { version, nonce, plugin } = readGreeting(greeting)
    // What it names first is what its accounts usually have; it says which this one has.
    const first = answers[plugin] === undefined ? 'mysql_native_password' : plugin
    const code = await authenticate(talk, login, credential.secret, first, nonce, () => {
      sent = true
    })
    if (code !== undefined) {
      const isWrong = sent && (code === 1045 || code === 1698)
      return fail(
        isWrong
          ? `${name} refuses the password of ${login}`
          : `${name} does not let ${login} in (${reasonOf(code)})`,
        isWrong,
      )
    }
    isOpen = true
    return {
      kind: 'open',
      isMariadb: version.includes('MariaDB'),
      run: async (statement) => {
        try {
          return await query(talk, statement)
        } catch {
          return { ok: false, code: undefined }
        } finally {
          statement.fill(0)
        }
      },
      [Symbol.dispose]: () => {
        talk.begin(Buffer.from([1]))
        socket.end()
        socket.destroySoon()
      },
    }
  } catch (error) {
    return fail(`${name} ${error instanceof Odd ? error.message : 'closed the connection at the login'}`)
  } finally {
    if (!isOpen) socket.destroy()
  }
}

/** What an error's number says, in words; nothing of what the server itself wrote is repeated. */
export function reasonOf(code: number): string {
  const known: Readonly<Record<number, string>> = {
    1040: 'it has too many connections',
    1129: 'it has blocked this host after too many errors',
    1130: 'it lets nobody in from here',
    1227: 'this user may not do that',
    1290: 'its rules do not allow it: it is read-only, or checks passwords that it must see in clear',
    1044: 'this user may not do that',
    1045: 'this user may not do that',
    1142: 'this user may not read that',
    1819: 'its rules do not allow this password',
    1820: 'the password has expired',
    1862: 'the password has expired',
    3118: 'the user is locked',
    4151: 'the user is locked',
  }
  return known[code] ?? `error ${code}`
}

/** Packets of one exchange, numbered as both sides count them. */
class Talk {
  readonly #wire: Wire
  #sequence: number

  constructor(wire: Wire, sequence: number) {
    this.#wire = wire
    this.#sequence = sequence
  }

  async read(): Promise<Buffer> {
    const head = await this.#wire.read(4)
    const length = head.readUIntLE(0, 3)
    if (length === 0 || length > mostPacket) throw new Odd('does not speak MySQL as it should')
    this.#sequence = ((head[3] ?? 0) + 1) & 255
    return this.#wire.read(length)
  }

  write(body: Buffer): void {
    const head = Buffer.alloc(4)
    head.writeUIntLE(body.length, 0, 3)
    head[3] = this.#sequence
    this.#sequence = (this.#sequence + 1) & 255
    this.#wire.write(Buffer.concat([head, body]))
    body.fill(0)
  }

  /** Writes the first packet of a command. */
  begin(body: Buffer): void {
    this.#sequence = 0
    this.write(body)
  }
}

type Greeting = { readonly version: string; readonly nonce: Buffer; readonly plugin: string }

/** Protocol::HandshakeV10, of which `vault/tls/prelude.ts` has looked at the beginning. */
function readGreeting(greeting: Buffer): Greeting {
  const end = greeting.indexOf(0, 1)
  const version = greeting.subarray(1, end).toString('latin1')
  const first = greeting.subarray(end + 5, end + 13)
  const length = greeting[end + 21] ?? 0
  const second = greeting.subarray(end + 32, end + 32 + Math.max(12, length - 9))
  const rest = greeting.subarray(end + 32 + Math.max(13, length - 8))
  const stop = rest.indexOf(0)
  const plugin = (stop === -1 ? rest : rest.subarray(0, stop)).toString('latin1')
  return { version, nonce: nonceOf(Buffer.concat([first, second])), plugin }
}

function nonceOf(bytes: Buffer): Buffer {
  if (bytes.length < 20) throw new Odd('does not speak MySQL as it should')
  return Buffer.from(bytes.subarray(0, 20))
}

const hash = (algorithm: string, ...parts: readonly Uint8Array[]) => {
  const digest = createHash(algorithm)
  for (const part of parts) digest.update(part)
  return digest.digest()
}
const xor = (a: Buffer, b: Buffer) => Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)))

/** What is answered to a plug-in's nonce: a proof, from which the password cannot be told. */
const answers: Readonly<Record<string, ((secret: Secret, nonce: Buffer) => Buffer) | undefined>> = {
  mysql_native_password: (secret, nonce) => {
    const once = secret.expose((bytes) => hash('sha1', bytes))
    return xor(once, hash('sha1', nonce, hash('sha1', once)))
  },
  caching_sha2_password: (secret, nonce) => {
    const once = secret.expose((bytes) => hash('sha256', bytes))
    return xor(once, hash('sha256', hash('sha256', once), nonce))
  },
}

/** Undefined: it lets in. Otherwise the number of its error. */
async function authenticate(
  talk: Talk,
  login: string,
  secret: Secret,
  first: string,
  nonce: Buffer,
  sending: () => void,
): Promise<number | undefined> {
  let plugin = first
  const prove = (given: Buffer): Buffer => {
    const answer = answers[plugin]
    if (answer === undefined) throw new Odd(`asks for the password by ${plugin}, and was not given it`)
    sending()
    return answer(secret, given)
  }
  const proof = prove(nonce)
  talk.write(
    Buffer.concat([
      mysqlClient(),
      Buffer.from(`${login}\0`),
      Buffer.from([proof.length]),
      proof,
      Buffer.from(`${plugin}\0`),
    ]),
  )
  let hasSwitched = false
  let hasGiven = false
  for (;;) {
    const packet = await talk.read()
    switch (packet[0]) {
      case 0:
        return undefined
      case 0xff:
        return packet.length < 3 ? 0 : packet.readUInt16LE(1)
      case 0xfe: {
        const end = packet.indexOf(0, 1)
        if (hasSwitched || end === -1)
          throw new Odd('asks for the password in an old way, and was not given it')
        hasSwitched = true
        plugin = packet
          .subarray(1, end)
          .toString('latin1')
          .replace(/[^\w-]/g, '?')
          .slice(0, 60)
        talk.write(prove(answers[plugin] === undefined ? nonce : nonceOf(packet.subarray(end + 1))))
        break
      }
      case 1:
        if (plugin !== 'caching_sha2_password' || hasGiven) throw new Odd('does not speak MySQL as it should')
        // 3: it has the password at hand, and says the rest at once. 4: it wants to see it.
        if (packet[1] === 4) {
          hasGiven = true
          talk.write(secret.expose((bytes) => Buffer.concat([bytes, Buffer.from([0])])))
        } else if (packet[1] !== 3) throw new Odd('does not speak MySQL as it should')
        break
      default:
        throw new Odd('does not speak MySQL as it should')
    }
  }
}

async function query(talk: Talk, statement: Buffer): Promise<SqlRan> {
  talk.begin(Buffer.concat([Buffer.from([3]), statement]))
  const first = await talk.read()
  if (first[0] === 0) return { ok: true, rows: [] }
  if (first[0] === 0xff) return { ok: false, code: first.readUInt16LE(1) }
  // 0xfb: it asks for a file of ours.
  if (first.length !== 1 || (first[0] ?? 0) >= 0xfb) throw new Odd('does not speak MySQL as it should')
  const isEnd = (packet: Buffer) => packet[0] === 0xfe && packet.length < 9
  const rows: string[] = []
  let ends = 0
  for (let count = 0; count < mostPackets; count += 1) {
    const packet = await talk.read()
    if (packet[0] === 0xff) return { ok: false, code: packet.readUInt16LE(1) }
    if (isEnd(packet)) {
      ends += 1
      if (ends === 2) return { ok: true, rows }
    } else if (ends === 1) {
      const length = packet[0] ?? 0
      if (length >= 0xfb || packet.length < 1 + length) throw new Odd('does not speak MySQL as it should')
      rows.push(packet.subarray(1, 1 + length).toString('utf8'))
    }
  }
  throw new Odd('says too much')
}
