import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { type HostKeySeen, type Permit, unverified } from '../../../vault/contract.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { done, type Outcome, refuse } from '../../../vault/kernel/outcome.ts'
import type { Secret } from '../../../vault/kernel/secret.ts'
import { type Failure, refusedCredential, unreachable } from '../../../vault/ssh/target-failure.ts'
import { seenCertificate } from '../../../vault/tls/seen-certificate.ts'
import { GuacdConnection, type GuacdPlace, GuacdRefusal } from './guacd-connection.ts'
import { needUnverified, notLetIn, plainParameters, textOf, unapproved, unreached } from './desktop-login.ts'
import { reach } from './guacd-door.ts'
import { CertificateReader, connectionRequest, type Greeting, readGreeting } from './rdp-greeting.ts'
import { RdpRelay, type RelayFailure } from './rdp-relay.ts'

/** Milliseconds in which a machine shows its certificate to somebody who looks. */
const lookMs = 10_000

/** Has guacd connect to a target of RDP: through a relay that knows its certificate, or to one that has none to show. */
export async function openRdp(
  guacd: GuacdPlace,
  permit: Permit,
  password: Secret,
  withinMs: number,
): Promise<GuacdConnection | Failure> {
  const { target } = permit
  const security = target.desktop?.security ?? 'nla'
  const begun = performance.now()
  if (security === 'rdp') {
    const shrugged = needUnverified(permit)
    if (shrugged !== undefined) return shrugged
    return begin(guacd, permit, password, security, target, undefined, withinMs)
  }
  // INVARIANT: where there is a certificate, only a pinned one is let through.
  const pins = target.pins.filter(({ fingerprint }) => fingerprint !== unverified)
  if (pins.length === 0) return unapproved(target)
  const { host, port } = target
  let relay: RdpRelay
  try {
    relay = await RdpRelay.open(guacd, { host, port, security, pins }, withinMs)
  } catch (error) {
    if (error instanceof Fault) throw error
    return unreached(
      target.name,
      error as NodeJS.ErrnoException,
      'check that Remote Desktop is on there, and its port',
    )
  }
  const left = withinMs - (performance.now() - begun)
  const here = { host: '127.0.0.1', port: relay.port }
  let isOpen = false
  try {
    const opened = await begin(guacd, permit, password, security, here, relay, left)
    isOpen = opened instanceof GuacdConnection
    return opened
  } finally {
    if (!isOpen) relay[Symbol.dispose]()
  }
}

const uncached = {
  'disable-bitmap-caching': 'true',
  'disable-offscreen-caching': 'true',
  'disable-glyph-caching': 'true',
}

async function begin(
  guacd: GuacdPlace,
  permit: Permit,
  password: Secret,
  security: 'nla' | 'tls' | 'rdp',
  at: { readonly host: string; readonly port: number },
  relay: RdpRelay | undefined,
  withinMs: number,
): Promise<GuacdConnection | Failure> {
  const { target, account } = permit
  const { domain, login } = splitLogin(account.login)
  try {
    return await GuacdConnection.begin(
      guacd,
      {
        kind: 'new',
        protocol: 'rdp',
        parameters: {
          hostname: at.host,
          port: String(at.port),
          username: login,
          domain,
          password: textOf(password),
          security,
          // Its certificate was looked at on the way: the relay lets no other through.
          'ignore-cert': 'true',
          'server-layout': target.desktop?.keyboard ?? 'en-us-qwerty',
          'resize-method': 'display-update',
          'client-name': 'Tagout',
          ...plainParameters(permit),
          // What is drawn elsewhere first is not recorded where a region is masked: all of it onto the screen at once.
          ...(target.mask === undefined ? {} : uncached),
        },
      },
      withinMs,
      relay?.failed,
    )
  } catch (error) {
    const seen = relay?.failure
    if (seen !== undefined && relay?.isVerified !== true) return explain(target.name, security, seen)
    if (!(error instanceof GuacdRefusal) && seen === undefined) throw error
    const status = error instanceof GuacdRefusal ? error.status : undefined
    if (relay?.isVerified === false) return unreachable(target.name, 'did not answer in time')
    // Its certificate was right, and it hung up before it showed anything: with NLA that is how it refuses a password.
    if (security === 'nla' || (status !== undefined && notLetIn.includes(status)))
      return refusedCredential(target.name, account.login)
    return unreachable(
      target.name,
      security === 'rdp'
        ? 'could not be reached, or does not let RDP in with its own old security'
        : 'broke the connection off after its certificate was checked',
      'check that its RDP server runs and is set to the security that the target names',
    )
  }
}

/** `PLANT\operator`: the domain, and who it is there. */
function splitLogin(login: string): { readonly domain: string; readonly login: string } {
  const at = login.indexOf('\\')
  return at === -1 ? { domain: '', login } : { domain: login.slice(0, at), login: login.slice(at + 1) }
}

function explain(target: string, security: 'nla' | 'tls' | 'rdp', seen: RelayFailure): Failure {
  switch (seen.kind) {
    case 'other certificate':
      return {
        reason: 'target key changed',
        message: `${target} shows a certificate (${seen.fingerprint}) that is not the pinned one, so no credential was sent`,
        next: 'tell an administrator: if the machine was replaced or has renewed its certificate, the new one has to be approved',
        changedKey: { type: 'x509', fingerprint: seen.fingerprint, key: Buffer.alloc(0) },
      }
    case 'other security': {
      const { what, next } = otherSecurity(security, seen.greeting)
      return { reason: 'protocol error', message: `${target} ${what}, so no credential was sent`, next }
    }
    case 'hidden certificate':
      return {
        reason: 'protocol error',
        message: `guacd and ${target} hide the certificate from the gateway, so no credential was sent`,
        next: 'have the administrator of the gateway run guacd so that it speaks TLS 1.2 (OPENSSL_CONF, in the operations guide)',
      }
    case 'no rdp':
      return {
        reason: 'protocol error',
        message: `${target} does not speak RDP as it should`,
        next: 'check what answers at its address',
      }
    case 'closed':
      return unreachable(target, 'closed the connection before it showed a certificate')
  }
}

/** MS-RDPBCGR 2.2.1.2.2: why a machine refuses. */
const wantsTls = 1
const wantsNla = 5

function otherSecurity(
  security: 'nla' | 'tls' | 'rdp',
  greeting: Greeting,
): { readonly what: string; readonly next: string } {
  if (greeting.kind === 'refused' && greeting.failure === wantsNla)
    return {
      what: 'lets in only who logs in before the desktop (NLA)',
      next: 'have an administrator set its security to nla',
    }
  if (security === 'nla')
    return {
      what: 'has no login before the desktop (NLA)',
      next:
        greeting.kind === 'chose' || greeting.failure === wantsTls
          ? 'turn NLA on at the machine, or have an administrator set its security to tls'
          : 'turn NLA on at the machine, or have an administrator set its security to what it has',
    }
  return { what: 'does not take TLS', next: 'have an administrator look at the security of its RDP server' }
}

/** The certificate that a machine of RDP presents. Logs in to nothing. */
export async function fetchCertificate(
  host: string,
  port: number,
  security: 'nla' | 'tls',
): Promise<Outcome<readonly HostKeySeen[]>> {
  const nobody = (what: string, next: string) => refuse('unavailable', `${host}:${port} ${what}`, next)
  const signal = AbortSignal.timeout(lookMs)
  let socket: Socket | undefined
  try {
    socket = await reach(host, port, lookMs)
    signal.addEventListener('abort', () => socket?.destroy())
    socket.write(connectionRequest(security))
    const greeting = await greetingOf(socket)
    if (greeting.kind === 'refused' || greeting.protocol === 0) {
      const { what, next } = otherSecurity(security, greeting)
      return nobody(what, next)
    }
    return done([seenCertificate(await certificateOf(socket))])
  } catch (error) {
    if (error instanceof Fault && error.code === 'protocol')
      return nobody('does not speak RDP as it should', 'check what answers at its address')
    if (socket === undefined) {
      const { message, next } = unreached(
        `${host}:${port}`,
        error as NodeJS.ErrnoException,
        'check the port, and that Remote Desktop is on there',
      )
      return refuse('unavailable', message, next)
    }
    return nobody(
      'shows no certificate of RDP',
      'check the address, that the machine is on, and that Remote Desktop is on there',
    )
  } finally {
    socket?.destroy()
  }
}

async function greetingOf(socket: Socket): Promise<Greeting> {
  let bytes = Buffer.alloc(0)
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk])
    const read = readGreeting(bytes)
    if (read !== undefined) return read.greeting
  }
  throw new Fault('closed', 'it hung up')
}

/** The certificate that comes first in a handshake, which is broken off then. Rejects where none comes. */
function certificateOf(socket: Socket): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const reader = new CertificateReader()
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, written) => void socket.write(chunk, written),
  })
  const tls = connectTls({ socket: wire, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })
  tls.on('error', () => tls.destroy())
  socket.on('data', (chunk) => {
    try {
      const certificate = reader.push(chunk)
      if (certificate === undefined) return void wire.push(chunk)
      resolve(certificate)
    } catch (error) {
      reject(error)
    }
    tls.destroy()
  })
  socket.on('close', () => reject(new Fault('closed', 'it hung up')))
  return promise
}
