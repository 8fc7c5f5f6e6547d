import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { connectPinned } from '../../tls/connect.ts'
import type { Credential, Place } from '../connector.ts'
import { Wire } from './wire.ts'

/** Bytes of one message, and messages of one answer, that are taken. */
const mostMessage = 64 * 1024
const mostMessages = 1_000
/** Rounds of SCRAM: fewer would make what is sent easy to guess at, more would keep this process busy. */
const leastRounds = 4_096
const mostRounds = 200_000

/** A session with a PostgreSQL, or why there is none. */
export type PgOpened =
  | ({ readonly kind: 'open'; readonly run: (statement: string) => Promise<PgRan> } & Disposable)
  | { readonly kind: 'failed'; readonly why: string; readonly rejected: boolean; readonly sent: boolean }

/** How a statement ended; `code` is of SQLSTATE, undefined where it hung up. */
export type PgRan = { readonly ok: true } | { readonly ok: false; readonly code: string | undefined }

/** A server that does not do as it should. `message`: what it does, after its name. */
class Odd extends Error {}

/**
 * Logs in to a PostgreSQL (protocol 3), over TLS to its pinned certificate alone.
 *
 * SECURITY: by SCRAM-SHA-256 and in no other way. A server that asks for the password in clear or by MD5 is given nothing;
 * one that cannot prove that it knows the password's verifier is no server of this role, whatever it says afterwards.
 */
export async function openPostgres(at: Place, login: string, credential: Credential): Promise<PgOpened> {
  const { name } = at.target
  let sent = false
  const fail = (why: string, rejected = false): PgOpened => ({ kind: 'failed', why, rejected, sent })
  if (credential.kind !== 'password') return fail('a role logs in by a password')
  const connected = await connectPinned('postgresql', at.target, at.signal)
  if (connected.kind === 'failed') return fail(connected.why)
  const { socket } = connected
  const wire = new Wire(socket)
  let isOpen = false
  try {
    const words = ['user', login, 'database', 'postgres', 'application_name', 'tagout', '']
    const startup = Buffer.from(`${words.join('\0')}\0`)
    wire.write(Buffer.concat([int32(startup.length + 8), int32(0x0003_0000), startup]))
    const proven = await authenticate(wire, credential, () => {
      sent = true
    })
    if (proven.kind === 'refused') {
      const isWrong = sent && proven.code === '28P01'
      return fail(
        isWrong
          ? `${name} refuses the password of ${login}`
          : `${name} does not let ${login} in (${reasonOf(proven.code)})`,
        isWrong,
      )
    }
    const ready = await untilReady(wire)
    if (!ready.ok) return fail(`${name} does not let ${login} in (${reasonOf(ready.code ?? '')})`)
    isOpen = true
    return {
      kind: 'open',
      run: async (statement) => {
        try {
          wire.write(message('Q', Buffer.from(`${statement}\0`)))
          return await untilReady(wire)
        } catch {
          return { ok: false, code: undefined }
        }
      },
      [Symbol.dispose]: () => {
        wire.write(message('X', Buffer.alloc(0)))
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

/** What SQLSTATE says, in words; nothing of what the server itself wrote is repeated. */
export function reasonOf(code: string): string {
  const known: Readonly<Record<string, string>> = {
    '22023': 'it does not take such a password',
    '25006': 'it is read-only, or this role is',
    '28000': 'its rules do not let this role in from here, or not at all',
    '3D000': 'there is no database postgres',
    '42501': 'this role may not do that',
    '42704': 'there is no such role',
    '53300': 'it has too many connections',
    '57P03': 'it is starting or stopping',
  }
  return known[code] ?? `SQLSTATE ${/^[0-9A-Z]{5}$/.test(code) ? code : 'unknown'}`
}

type Message = { readonly type: string; readonly body: Buffer }

async function next(wire: Wire): Promise<Message> {
  const head = await wire.read(5)
  const length = head.readInt32BE(1) - 4
  if (length < 0 || length > mostMessage) throw new Odd('does not speak PostgreSQL as it should')
  return { type: String.fromCharCode(head[0] ?? 0), body: await wire.read(length) }
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** The field C of an ErrorResponse. */
function codeIn(body: Buffer): string {
  for (const field of body.toString('latin1').split('\0')) if (field.startsWith('C')) return field.slice(1, 6)
  return ''
}

async function untilReady(wire: Wire): Promise<PgRan> {
  let code: string | undefined
  for (let count = 0; count < mostMessages; count += 1) {
    const { type, body } = await next(wire)
    if (type === 'E') code ??= codeIn(body)
    if (type === 'Z') return code === undefined ? { ok: true } : { ok: false, code }
    // A server that is done with us says so, and says no more.
    if (type === 'E' && body.includes('FATAL')) return { ok: false, code: codeIn(body) }
    // It would take what comes next for data.
    if (type === 'G' || type === 'W') throw new Odd('does not speak PostgreSQL as it should')
  }
  throw new Odd('says too much')
}

type Proven = { readonly kind: 'proven' } | { readonly kind: 'refused'; readonly code: string }

const scram = 'SCRAM-SHA-256'

async function authenticate(
  wire: Wire,
  credential: Credential & { readonly kind: 'password' },
  sending: () => void,
): Promise<Proven> {
  const first = await awaitAuthentication(wire)
  if (first.kind === 'refused') return first
  if (first.request === 3) throw new Odd('asks for the password in clear, and was not given it')
  if (first.request === 5)
    throw new Odd('asks for the password by MD5, and was not given it: set it once anew under scram-sha-256')
  if (first.request === 0) throw new Odd('lets everybody in without a password')
  if (first.request !== 10 || !first.data.toString('latin1').split('\0').includes(scram))
    throw new Odd('does not offer SCRAM-SHA-256')

  const nonce = randomBytes(18).toString('base64')
  const bare = `n=,r=${nonce}`
  const begin = Buffer.from(`n,,${bare}`)
  wire.write(message('p', Buffer.concat([Buffer.from(`${scram}\0`), int32(begin.length), begin])))
  const challenge = await awaitAuthentication(wire)
  if (challenge.kind === 'refused') return challenge
  const said = challenge.data.toString('latin1')
  const [, serverNonce, salt, roundText] = /^r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=(\d{1,9})$/.exec(said) ?? []
  const rounds = Number(roundText)
  if (challenge.request !== 11 || serverNonce === undefined || salt === undefined)
    throw new Odd('does not speak SCRAM as it should')
  if (!serverNonce.startsWith(nonce) || serverNonce === nonce)
    throw new Odd('does not speak SCRAM as it should')
  if (rounds < leastRounds || rounds > mostRounds)
    throw new Odd(`asks for ${rounds} rounds of SCRAM, which is too ${rounds < leastRounds ? 'few' : 'many'}`)

  const keys = await scramKeys(credential, Buffer.from(salt, 'base64'), rounds)
  try {
    const end = `c=biws,r=${serverNonce}`
    const all = `${bare},${said},${end}`
    const signature = hmac(keys.stored, all)
    const proof = keys.client.map((byte, at) => byte ^ (signature[at] ?? 0))
    sending()
    wire.write(message('p', Buffer.from(`${end},p=${Buffer.from(proof).toString('base64')}`)))
    const final = await awaitAuthentication(wire)
    if (final.kind === 'refused') return final
    const [, verifier] = /^v=([A-Za-z0-9+/=]+)$/.exec(final.data.toString('latin1')) ?? []
    const given = Buffer.from(verifier ?? '', 'base64')
    const due = hmac(keys.server, all)
    if (final.request !== 12 || given.length !== due.length || !timingSafeEqual(given, due))
      throw new Odd('does not know the password, and says that it took it')
  } finally {
    for (const key of Object.values(keys)) key.fill(0)
  }
  const end = await awaitAuthentication(wire)
  if (end.kind === 'refused') return end
  if (end.request !== 0) throw new Odd('does not speak SCRAM as it should')
  return { kind: 'proven' }
}

async function awaitAuthentication(
  wire: Wire,
): Promise<
  | { readonly kind: 'asks'; readonly request: number; readonly data: Buffer }
  | { readonly kind: 'refused'; readonly code: string }
> {
  for (let count = 0; count < 50; count += 1) {
    const { type, body } = await next(wire)
    if (type === 'E') return { kind: 'refused', code: codeIn(body) }
    if (type === 'R' && body.length >= 4)
      return { kind: 'asks', request: body.readInt32BE(0), data: body.subarray(4) }
    // Notices and a wish for another version of the protocol.
    if (type !== 'N' && type !== 'v') break
  }
  throw new Odd('does not speak PostgreSQL as it should')
}

type ScramKeys = { readonly client: Buffer; readonly stored: Buffer; readonly server: Buffer }

/** RFC 5802 §3, with SHA-256 (RFC 7677). */
async function scramKeys(
  { secret }: Credential & { readonly kind: 'password' },
  salt: Buffer,
  rounds: number,
): Promise<ScramKeys> {
  // Of ASCII nothing changes; for the rest what SASLprep comes to in all but oddities (RFC 4013 §2.2).
  const password = secret.expose((bytes) => {
    const text = Buffer.from(bytes).toString('utf8')
    return Buffer.from(/^[\x20-\x7e]*$/.test(text) ? text : text.normalize('NFKC'))
  })
  const salted = await promisify(pbkdf2)(password, salt, rounds, 32, 'sha256')
  password.fill(0)
  const client = hmac(salted, 'Client Key')
  const server = hmac(salted, 'Server Key')
  salted.fill(0)
  return { client, stored: createHash('sha256').update(client).digest(), server }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** What PostgreSQL keeps of a password, as it takes it in a statement: the password itself cannot be told from it. */
export async function verifierOf(password: Credential & { readonly kind: 'password' }): Promise<string> {
  const salt = randomBytes(16)
  const keys = await scramKeys(password, salt, leastRounds)
  try {
    return `${scram}$${leastRounds}:${salt.toString('base64')}$${keys.stored.toString('base64')}:${keys.server.toString('base64')}`
  } finally {
    for (const key of Object.values(keys)) key.fill(0)
  }
}
