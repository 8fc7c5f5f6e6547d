import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type { Action, Permit, VerbAnswer, VerbInput } from '../../vault/contract.ts'
import { sodium } from '../../vault/crypto/sodium.ts'
import { wireString } from '../../vault/identity/ssh-wire.ts'
import type { VaultClient } from '../../vault/index.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import { must, someConnection } from './vault.ts'

/** An Ed25519 key as an SSH client has one. */
export type SshKey = { readonly privateKey: KeyObject; readonly blob: Buffer; readonly line: string }

export function makeSshKey(comment = 'test'): SshKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const blob = Buffer.concat([wireString('ssh-ed25519'), wireString(point)])
  return { privateKey, blob, line: `ssh-ed25519 ${blob.toString('base64')} ${comment}` }
}

export type Signing = {
  readonly connection?: string
  /** The SSH user string that the client signed: `bob@engineer@press-3`. */
  readonly user?: string
  readonly service?: string
  readonly method?: string
  readonly algorithm?: string
  readonly key?: Buffer
  readonly source?: string
}

/** What the client signs (RFC 4252 §7). */
export function userauthBytes(blob: Buffer, connection: string, user: string, given: Signing = {}): Buffer {
  return Buffer.concat([
    wireString(Buffer.from(connection, 'base64')),
    Buffer.from([50]),
    wireString(user),
    wireString(given.service ?? 'ssh-connection'),
    wireString(given.method ?? 'publickey'),
    Buffer.from([1]),
    wireString(given.algorithm ?? 'ssh-ed25519'),
    wireString(given.key ?? blob),
  ])
}

/** The call with which a recorder hands on a public-key login. */
export function publickeyCall(key: SshKey, name: string, given: Signing = {}): VerbInput<'ssh.publickey'> {
  const connection = given.connection ?? someConnection()
  const signed = userauthBytes(key.blob, connection, given.user ?? name, given)
  return {
    name,
    connection,
    algorithm: 'ssh-ed25519',
    key: key.blob.toString('base64'),
    signature: sign(null, signed, key.privateKey).toString('base64'),
    signed: signed.toString('base64'),
    source: given.source ?? '192.0.2.20',
  }
}

/** Proves a user by key; the proof. */
export async function prove(recorder: VaultClient, key: SshKey, name: string): Promise<string> {
  const { proof } = must(await recorder.call('ssh.publickey', publickeyCall(key, name)))
  if (proof === null) throw new Error('no proof was given')
  return proof
}

export type Opening = {
  readonly proof: string
  readonly target?: string
  readonly account?: string
  readonly wants?: Action
  readonly forward?: { readonly host: string; readonly port: number }
  readonly worker?: string
}

export function open(recorder: VaultClient, opening: Opening): Promise<Outcome<Permit>> {
  return recorder.call('session.open', {
    proof: opening.proof,
    target: opening.target ?? 'press-3',
    ...(opening.account === undefined ? {} : { account: opening.account }),
    wants: opening.wants ?? 'shell',
    ...(opening.forward === undefined ? {} : { forward: opening.forward }),
    worker: opening.worker ?? 'w1',
    source: '192.0.2.20',
  })
}

/** The session's own keys, and the call that starts it. */
export function startCall(session: Permit['session']) {
  const box = sodium.crypto_box_keypair()
  const input: VerbInput<'session.start'> = {
    session,
    headerHash: randomBytes(32).toString('base64'),
    publicKey: randomBytes(32).toString('base64'),
    boxKey: Buffer.from(box.publicKey).toString('base64'),
  }
  const read = (answer: VerbAnswer<'session.start'>) => {
    if (answer.kind !== 'password') throw new Error('a password was expected')
    const sealed = Buffer.from(answer.sealed, 'base64')
    return Buffer.from(sodium.crypto_box_seal_open(sealed, box.publicKey, box.privateKey)).toString()
  }
  return { input, read }
}

/** Opens, starts and connects a session. */
export async function connectSession(recorder: VaultClient, opening: Opening): Promise<Permit> {
  const permit = must(await open(recorder, opening))
  must(await recorder.call('session.start', startCall(permit.session).input))
  must(await recorder.call('session.connected', { session: permit.session }))
  return permit
}

export async function endSession(
  recorder: VaultClient,
  session: Permit['session'],
  reason: VerbInput<'session.end'>['reason'] = 'closed by the user',
): Promise<void> {
  must(
    await recorder.call('session.end', {
      session,
      reason,
      recording: { state: 'complete', sizeBytes: 4096 },
    }),
  )
}

/** Polls until `look` gives something that is not undefined. */
export async function until<T>(
  look: () => Promise<T | undefined> | T | undefined,
  withinMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`nothing came within ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
