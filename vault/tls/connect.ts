import { once } from 'node:events'
import { createConnection, isIP, type Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import type { RotatedProtocol } from '../contract.ts'
import { unverified } from '../kernel/unverified.ts'
import { fingerprintOf } from './fingerprint.ts'
import { beginTls, NoTls } from './prelude.ts'

/** Where to connect to. */
export type TlsPlace = {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly pins: readonly { readonly fingerprint: string }[]
}

/** A connection under TLS to a machine that showed a pinned certificate, or why there is none. */
export type Connected =
  | {
      readonly kind: 'open'
      readonly socket: TLSSocket
      /** What the server said of itself before TLS. */
      readonly greeting: Buffer
    }
  | { readonly kind: 'failed'; readonly why: string }

/**
 * Connects to a target that opens no session, under TLS, until `signal` aborts.
 *
 * INVARIANT: what this answers with is a connection to a machine that proved, in this very handshake, to have the key of a
 * pinned certificate. Nothing is written to any other, and no authority is asked: the pin is all that counts.
 */
export async function connectPinned(
  protocol: RotatedProtocol,
  place: TlsPlace,
  signal: AbortSignal,
): Promise<Connected> {
  const { name } = place
  const pins = place.pins.filter(({ fingerprint }) => fingerprint !== unverified)
  if (pins.length === 0)
    return { kind: 'failed', why: `nobody has approved the certificate of ${name}, so nothing was sent` }
  const reached = await reachTls(protocol, place, signal)
  if (reached.kind === 'failed') return reached
  const { socket, certificate, greeting } = reached
  const fingerprint = fingerprintOf(certificate)
  if (pins.some((pin) => pin.fingerprint === fingerprint)) return { kind: 'open', socket, greeting }
  socket.destroy()
  return {
    kind: 'failed',
    why: `${name} shows a certificate (${fingerprint}) that is not the pinned one, so nothing was sent`,
  }
}

/** Milliseconds in which a machine answers and has shown its certificate. */
const reachMs = 10_000

type Reached =
  | {
      readonly kind: 'open'
      readonly socket: TLSSocket
      readonly certificate: Buffer
      readonly greeting: Buffer
    }
  | { readonly kind: 'failed'; readonly why: string }

/** Connects under TLS to whatever answers, and reads its certificate. Nothing secret is sent. */
export async function reachTls(
  protocol: RotatedProtocol,
  { name, host, port }: Omit<TlsPlace, 'pins'>,
  given: AbortSignal,
): Promise<Reached> {
  const signal = AbortSignal.any([given, AbortSignal.timeout(reachMs)])
  const socket = createConnection({ host, port, noDelay: true, keepAlive: true })
  const end = () => void socket.destroy()
  signal.addEventListener('abort', end, { once: true })
  // What ends it later is told by its closing.
  socket.on('error', () => undefined)
  let phase: 'reach' | 'prelude' | 'tls' = 'reach'
  try {
    if (signal.aborted) throw new NoTls('does not answer in time')
    await once(socket, 'connect', { signal })
    phase = 'prelude'
    const greeting = await beginTls(protocol, socket, port)
    phase = 'tls'
    const tls = await shakeHands(socket, host)
    const certificate = tls.getPeerX509Certificate()?.raw
    if (certificate === undefined) throw new NoTls('shows no certificate')
    given.addEventListener('abort', () => tls.destroy(), { once: true })
    return { kind: 'open', socket: tls, certificate, greeting }
  } catch (error) {
    socket.destroy()
    return { kind: 'failed', why: `${name} ${whyOf(error, phase, signal.aborted)}` }
  } finally {
    signal.removeEventListener('abort', end)
  }
}

async function shakeHands(socket: Socket, host: string): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  const tls = connect({
    socket,
    // No authority speaks for it: its pin is compared before anything is written.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ...(isIP(host) === 0 ? { servername: host } : {}),
  })
  tls.on('error', reject)
  tls.once('close', () => reject(new NoTls('closed the connection before it showed a certificate')))
  tls.once('secureConnect', () => {
    // SECURITY: who it is was proven once, and stays so.
    tls.disableRenegotiation()
    resolve(tls)
  })
  return promise
}

function whyOf(error: unknown, phase: 'reach' | 'prelude' | 'tls', isOver: boolean): string {
  if (isOver) return 'does not answer in time'
  if (error instanceof NoTls) return error.message
  if (phase === 'tls' && (error as NodeJS.ErrnoException).code === 'ECONNRESET')
    return 'closed the connection before it showed a certificate'
  if (phase === 'tls') return 'does not come to terms about TLS (1.2 or later)'
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ECONNREFUSED':
      return 'refuses connections'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'has an address that does not resolve'
    default:
      return 'cannot be reached'
  }
}
