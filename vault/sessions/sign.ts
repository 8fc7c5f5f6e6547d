import { takeField } from '../accounts/credential.ts'
import { parseUserauthRequest } from '../identity/userauth.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Secret } from '../kernel/secret.ts'
import { parsePrivateKey, signSsh } from '../release/ssh-private-key.ts'
import type { Row } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Handler, World } from '../world.ts'
import type { LiveSession } from './live.ts'
import { readFiles } from './files.ts'
import { whyFrozen } from './release.ts'
import { readReleasable, refOf, sessionOf } from './start.ts'

/** Signatures that one session gets, and milliseconds after its start in which it gets them. */
const mostSignatures = 4
const signWithin = 120_000

/**
 * Signs the request with which the recorder logs in to the target. The private key never leaves.
 *
 * SECURITY: it signs a userauth request of this account's login name and key, and nothing else, so that a recorder
 * can have neither another message signed nor another account's login.
 */
export const sessionSign: Handler<'session.sign'> = async (call, input) => {
  const { world } = call
  const found = sessionOf(world, call.peer, input.session)
  if (!found.ok) return found
  const session = found.value
  const now = world.vault.clock().getTime()
  const isFiles = input.files === true
  const isSince = (at: number) => now - at <= signWithin
  const isLoggingIn = isFiles
    ? session.connected && session.cut === null && isSince(session.files?.at ?? 0)
    : session.started && session.cut === null && !session.connected && isSince(session.releasedAt ?? 0)
  if (!isLoggingIn) return refuse('conflict', 'this session does not log in now', 'open another session')
  const counted = (isFiles ? session.files : null) ?? session
  if (counted.signatures >= mostSignatures)
    return refuse('rate_limited', 'this session has had its signatures', 'open another session')
  counted.signatures += 1

  const released = await transact(world, (tx) =>
    isFiles ? readFilesReleased(tx, world, session) : readReleased(tx, world, session),
  )
  if (!released.ok) return released
  const { account, credential } = released.value
  if (credential.kind !== 'ssh-key' || credential.public_key === null)
    return refuse('conflict', 'this account logs in by password')
  const data = Buffer.from(input.data, 'base64')
  const request = parseUserauthRequest(data)
  const isOurs =
    request !== undefined &&
    request.user === account.login &&
    request.algorithm === input.algorithm &&
    request.key.toString('base64') === credential.public_key
  if (!isOurs) return refuse('forbidden', 'data: not a login of this account with its key')

  const signature = await signWithKey(world, account, credential, input.algorithm, data)
  if (!signature.ok) return signature
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'session.signed',
      algorithm: input.algorithm,
      ...refOf(session),
      actor: { kind: 'plane', plane: 'recorder' },
    }),
  )
  // Whoever cut the session while it was written down did so before anything left.
  if (session.cut !== null) return refuse('expired', session.cut.message, 'open another session')
  return done({ signature: signature.value.toString('base64') })
}

/** SECURITY: seconds have passed since the start: grant, user and binding are looked at again for each signature. */
async function readReleased(tx: Tx, world: World, session: LiveSession) {
  const row = await tx.db
    .selectFrom('session')
    .select(['target_id', 'state', 'released_at'])
    .where('id', '=', session.id)
    .executeTakeFirst()
  if (row === undefined || row.state !== 'opening' || row.released_at === null)
    return refuse('conflict', 'this session does not log in now', 'open another session')
  return readReleasable(tx, world, session, row.target_id)
}

/** The same of the login for the files beside a desktop: of the account that it was opened for. */
async function readFilesReleased(tx: Tx, world: World, session: LiveSession) {
  const row = await tx.db
    .selectFrom('session')
    .select('target_id')
    .where('id', '=', session.id)
    .where('state', '=', 'live')
    .executeTakeFirst()
  const frozen = whyFrozen(session)
  if (frozen !== undefined) return frozen
  if (row === undefined) return refuse('conflict', 'this session is not live', 'connect again')
  const read = await readFiles(tx, world, session, row.target_id)
  if (read.ok && read.value.account.id !== session.files?.account)
    return refuse('conflict', 'the files of this desktop go by another login now', 'open them again')
  return read
}

/** Signs with the private key of a credential, which does not leave. Whoever calls has looked at what is signed. */
export async function signWithKey(
  world: World,
  account: Row<'account'>,
  credential: Row<'credential'>,
  algorithm: string,
  data: Uint8Array,
): Promise<Outcome<Buffer>> {
  using text = await takeField(world, account, credential, 'private-key')
  using passphrase = await takePassphrase(world, account, credential)
  const key = text.expose((bytes) =>
    passphrase === undefined
      ? parsePrivateKey(bytes, undefined)
      : passphrase.expose((words) => parsePrivateKey(bytes, words)),
  )
  if (!key.ok) return key
  const signature = signSsh(key.value, algorithm, data)
  return signature === undefined ? refuse('invalid', 'algorithm: this key does not sign so') : done(signature)
}

async function takePassphrase(
  world: World,
  account: Row<'account'>,
  credential: Row<'credential'>,
): Promise<Secret | undefined> {
  const kept = await world.vault.database
    .selectFrom('secret_payload')
    .select('field')
    .where('account', '=', account.id)
    .where('version', '=', credential.version)
    .where('field', '=', 'passphrase')
    .executeTakeFirst()
  return kept === undefined ? undefined : takeField(world, account, credential, 'passphrase')
}
