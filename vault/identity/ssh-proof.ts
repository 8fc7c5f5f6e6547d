import { createHash } from 'node:crypto'
import { isSeenLately } from '../directory/oidc-sign-in.ts'
import type { KeyId, LoginId } from '../kernel/id.ts'
import { done, type Outcome, refuse, told } from '../kernel/outcome.ts'
import { checkedOne, type Row } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { type Call, type Handler, type Input, tokenHash, type World } from '../world.ts'
import { auditRefusedLogin, provePassword, waitOf } from './login.ts'
import { issueProof, type Proof } from './proof.ts'
import { parsePublicKeyBlob, sshFingerprint } from './ssh-key.ts'
import { isAlgorithmOf, verifySshSignature } from './ssh-signature.ts'
import { parseUserauthRequest } from './userauth.ts'
import { findByName, findUser } from './user.ts'

const no = refuse('unauthenticated', 'this is not an acceptable proof')
// Its key has proven the person by then.
const notSeen = told(
  refuse(
    'unauthenticated',
    'you have not signed in by your directory for too long',
    'sign in by it in the console: your keys are good again then',
  ),
)

/** Answers an SSH client's public key: first whether it would do, then, with a signature, with a proof. */
export const sshPublickey: Handler<'ssh.publickey'> = async (call, input) => {
  const { world } = call
  const { vault } = world
  const key = parsePublicKeyBlob(Buffer.from(input.key, 'base64'))
  if (!key.ok || !isAlgorithmOf(key.value, input.algorithm)) return no
  const user = await findByName(vault.database, vault.guard, input.name)
  const registered =
    user === undefined
      ? undefined
      : checkedOne(
          vault.guard,
          'user_key',
          await vault.database
            .selectFrom('user_key')
            .selectAll()
            .where('user_id', '=', user.id)
            .where('fingerprint', '=', sshFingerprint(key.value.blob))
            .executeTakeFirst(),
        )
  if (user?.state !== 'active' && user?.state !== 'enrolling') return no
  if (registered === undefined || !key.value.blob.equals(registered.blob)) return no
  if (input.signature === undefined || input.signed === undefined)
    return done({ proof: null, user: user.name })

  const signed = Buffer.from(input.signed, 'base64')
  const isRight =
    isSignedFor(input, signed, key.value.blob) &&
    verifySshSignature(key.value, input.algorithm, signed, Buffer.from(input.signature, 'base64'))
  if (!isRight) {
    await auditRefusedLogin(world, input, 'ssh publickey', 'the signature does not hold')
    return no
  }
  return prove(call, input, user, { via: 'publickey', key: registered.id, account: null, factorAt: null })
}

/**
 * Do the signed bytes say what the recorder says they do? They must name this connection, this user (alone, or
 * followed by `@account@target`), this algorithm and this key.
 */
function isSignedFor(input: Input<'ssh.publickey'>, signed: Uint8Array, key: Buffer): boolean {
  const request = parseUserauthRequest(signed)
  if (request === undefined) return false
  const connection = Buffer.from(input.connection, 'base64')
  const { user } = request
  const isUser = user === input.name || user.startsWith(`${input.name}@`)
  return (
    isUser &&
    request.sessionId.equals(connection) &&
    request.algorithm === input.algorithm &&
    request.key.equals(key)
  )
}

type How = Pick<Proof, 'key' | 'account' | 'factorAt'> & { readonly via: Exclude<Proof['via'], 'console'> }

/** Is the key registered still? Whoever removes it waits for this transaction, and then forgets its proof. */
async function isRegistered(tx: Tx, key: KeyId): Promise<boolean> {
  const row = await tx.db
    .selectFrom('user_key')
    .selectAll()
    .where('id', '=', key)
    .forShare()
    .executeTakeFirst()
  return checkedOne(tx.guard, 'user_key', row) !== undefined
}

async function prove(
  call: Call,
  input: { readonly connection: string; readonly source: string; readonly name: string },
  user: Row<'app_user'>,
  how: How,
): Promise<Outcome<{ readonly proof: string; readonly user: string }>> {
  const outcome = await transact(call.world, async (tx) => {
    const now = await findUser(tx.db, tx.guard, user.id)
    if (now === undefined || now.state === 'disabled') return no
    if (how.key !== null && !(await isRegistered(tx, how.key))) return no
    if (how.via === 'publickey' && !(await isSeenLately(call.world, tx, now.id))) return notSeen
    return keepProof(tx, call, input, now, how)
  })
  // SECURITY: neither says anything of codes and passwords: who stole a key would wipe away their guesses by each login.
  if (outcome.ok && how.via === 'ticket') call.world.backOff.learn(input.source, input.name)
  if (!outcome.ok) await auditRefusedLogin(call.world, input, `ssh ${how.via}`, outcome.refusal.message)
  return outcome
}

/**
 * Notes the connection and makes the proof.
 *
 * SECURITY: a connection's session id is good once: a recorder that kept a signature cannot show it again. The rows
 * are kept for good, since a signature does not age: no clock of the vault's could tell a new one from an old one.
 */
async function keepProof(
  tx: Tx,
  call: Call,
  input: { readonly connection: string; readonly source: string },
  user: Row<'app_user'>,
  how: How,
): Promise<Outcome<{ readonly proof: string; readonly user: string }>> {
  const connection = Buffer.from(input.connection, 'base64')
  if (connection.length < 20 || connection.length > 64)
    return refuse('invalid', 'connection: not the session id of an SSH connection')
  const hash = createHash('sha256').update(connection).digest()
  const { numInsertedOrUpdatedRows } = await tx.db
    .insertInto('ssh_connection')
    .values({ hash, at: tx.now })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows !== 1n)
    return refuse('unauthenticated', 'this connection has given a proof before')
  await tx.audit({
    kind: 'ssh.proven',
    user: user.id,
    name: user.name,
    via: how.via,
    actor: { kind: 'user', id: user.id, name: user.name },
    source: input.source,
  })
  const proof = issueProof(call.world, {
    user: user.id,
    name: user.name,
    ...how,
    peer: call.peer,
    connection: input.connection,
    source: input.source,
    target: null,
    login: null,
  })
  return done({ proof, user: user.name })
}

export const sshPassword: Handler<'ssh.password'> = async (call, input) =>
  provePassword(call.world, input, 'ssh password', (tx, user) =>
    keepProof(tx, call, input, user, {
      via: 'password',
      key: null,
      account: null,
      factorAt: tx.now.getTime(),
    }),
  )

/** Has the login neither ended nor come to its end? One that ended while a ticket was made is asked here at the latest. */
async function isOpen(world: World, id: LoginId): Promise<boolean> {
  const { database, guard, clock } = world.vault
  const row = await database.selectFrom('login').selectAll().where('id', '=', id).executeTakeFirst()
  const login = checkedOne(guard, 'login', row)
  return login !== undefined && login.ended_at === null && login.expires_at > clock()
}

/** Takes a one-time ticket. Of two that come at once, one is served. */
export const sshTicket: Handler<'ssh.ticket'> = async (call, input) => {
  const { world } = call
  const wait = await waitOf(world, input.source, input.name)
  if (wait > 0) return refuse('rate_limited', 'too many failed logins', `wait ${wait} s, then try again`)
  const taken = world.tickets.take(tokenHash(world, input.ticket).toString('base64'))
  const ticket = taken?.kind === 'ssh' ? taken : undefined
  const user =
    ticket === undefined || !(await isOpen(world, ticket.login))
      ? undefined
      : await findUser(world.vault.database, world.vault.guard, ticket.user)
  if (ticket === undefined || user === undefined || user.name.toLowerCase() !== input.name.toLowerCase()) {
    world.backOff.failed(input.source, input.name)
    await auditRefusedLogin(world, input, 'ssh ticket', 'the ticket is unknown, used or too old')
    return refuse(
      'unauthenticated',
      'this ticket is unknown, used or too old',
      'get a new one in the console',
    )
  }
  return prove(call, input, user, {
    via: 'ticket',
    key: null,
    account: ticket.account,
    factorAt: ticket.factorAt,
  })
}
