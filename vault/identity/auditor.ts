import { randomBytes } from 'node:crypto'
import { chainFingerprint, isAnswerTo, verifyChain } from '../auditors/index.ts'
import type { AuditorListLink, Enrolment } from '../contract.ts'
import { sodium } from '../crypto/sodium.ts'
import type { Tx } from '../transaction.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { checked, type Checker, insertGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Call, type Handler, nameOf, type World } from '../world.ts'
import { issueEnrolment, linkLife } from './enrolment.ts'
import { auditRefusedLogin, startLogin, waitOf } from './login.ts'
import { addUser, findUser, showUser } from './user.ts'

export const challengeLife = 5 * 60_000
/** A login that only replays lasts as long as a long export. */
const replayLoginLife = 60 * 60_000

/** The chain of auditor lists, first link first. */
export async function readLinks(
  db: World['vault']['database'] | Tx['db'],
  checker: Checker,
): Promise<readonly AuditorListLink[]> {
  const rows = checked(checker, 'auditor_list', await db.selectFrom('auditor_list').selectAll().execute())
  // SECURITY: without its last link a chain still verifies, and an auditor who was removed is back on it.
  checker.checkAbsent('auditor_list', { version: String(rows.length + 1) })
  return rows
    .map((row) => ({
      version: Number(row.version),
      body: Buffer.from(row.body).toString('base64'),
      signature: Buffer.from(row.signature).toString('base64'),
    }))
    .sort((a, b) => a.version - b.version)
}

export const auditorLists: Handler<'auditor.lists'> = async ({ world }) =>
  done(await readLinks(world.vault.database, world.vault.guard))

/**
 * Adds a link. Who may add one is decided by its signature: after the first, only a key on the list before (or the
 * recordings recovery key) signs a link that verifies, whoever carries it here.
 */
export const auditorAppend: Handler<'auditor.append'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const links = await readLinks(tx.db, tx.guard)
    if (links.length === 0 && call.principal.kind !== 'local')
      return refuse(
        'forbidden',
        'the first auditor is enrolled by the machine’s administrator',
        'run tagout auditor add on the machine the vault runs on',
      )
    const link = { version: links.length + 1, body: input.body, signature: input.signature }
    const chain = await verifyChain(sodium, [...links, link])
    if (!chain.ok)
      return refuse('invalid', `body: ${chain.refusal.message}`, 'fetch the present list and sign again')
    const names = chain.value.current.auditors.map((auditor) => auditor.name)
    if (input.newAuditorUser !== undefined && !names.includes(input.newAuditorUser))
      return refuse('invalid', 'newAuditorUser: this name is not on the new list')
    await insertGuarded(tx, 'auditor_list', {
      version: String(link.version),
      body: Buffer.from(link.body, 'base64'),
      signature: Buffer.from(link.signature, 'base64'),
      appended_by: nameOf(call),
      created_at: tx.now,
    })
    const fingerprint = chainFingerprint(chain.value)
    await tx.audit({
      kind: 'auditor.list',
      version: link.version,
      fingerprint,
      names,
      body: link.body,
      signature: link.signature,
      ...by(call),
    })
    const enrolment = await enrolAuditor(tx, call, input.newAuditorUser)
    if (!enrolment.ok) return enrolment
    return done({ version: link.version, fingerprint, enrolment: enrolment.value })
  })

/** Makes the user of a new auditor, where there is none, and their link. */
async function enrolAuditor(
  tx: Tx,
  call: Call,
  name: string | undefined,
): Promise<Outcome<Enrolment | null>> {
  if (name === undefined) return done(null)
  const user = await findUser(tx.db, tx.guard, name, 'update')
  if (user === undefined) {
    const { enrolment } = await addUser(tx, call.world, call, name, ['auditor'], linkLife)
    return done(enrolment)
  }
  if (!user.roles.includes('auditor'))
    return refuse(
      'conflict',
      `there is a user ${user.name} who is no auditor`,
      'choose another name: one person is not both',
    )
  if (user.state === 'disabled') return refuse('conflict', `the user ${user.name} is disabled`)
  if (user.state === 'active') return done(null)
  return done(await issueEnrolment(tx, call.world, call, user, linkLife))
}

export const auditorChallenge: Handler<'auditor.challenge'> = async ({ world }, { auditor }) => {
  const challenge = randomBytes(32).toString('base64')
  world.challenges.put(challenge, { auditor })
  return done({ challenge })
}

/** Lets an auditor in who signs the challenge with the key on the present list. The login may only replay. */
export const auditorLogin: Handler<'auditor.login'> = async (call, input) => {
  const { world } = call
  const no = refuse(
    'unauthenticated',
    'this key does not prove that auditor',
    'use the key that is on the list',
  )
  const wait = await waitOf(world, input.source, input.auditor)
  if (call.actor.kind === 'nobody' && wait > 0)
    return refuse('rate_limited', 'too many failed logins', `wait ${wait} s, then try again`)
  const challenge = world.challenges.take(input.challenge)
  const links = await readLinks(world.vault.database, world.vault.guard)
  const chain = await verifyChain(sodium, links)
  if (!chain.ok) return chain
  const listed = chain.value.current.auditors.find((one) => one.name === input.auditor)
  const isProven =
    challenge?.auditor === input.auditor &&
    listed !== undefined &&
    isAnswerTo(sodium, listed, Buffer.from(input.challenge, 'base64'), Buffer.from(input.signature, 'base64'))
  const outcome = !isProven
    ? no
    : await transact(world, async (tx) => {
        const user = await findUser(tx.db, tx.guard, input.auditor)
        if (user === undefined || user.state === 'disabled' || !user.roles.includes('auditor')) return no
        const view = await showUser(tx.db, tx.guard, user)
        const login = await startLogin(tx, world, {
          user,
          view,
          kind: 'replay',
          via: 'auditor-key',
          source: input.source,
          lifeMs: replayLoginLife,
        })
        return done(login)
      })
  if (!outcome.ok) {
    world.backOff.failed(input.source, input.auditor)
    await auditRefusedLogin(
      world,
      { name: input.auditor, source: input.source },
      'auditor key',
      'the answer to the challenge does not hold',
    )
  }
  return outcome
}
