import { chainFingerprint, verifyChain } from '../auditors/index.ts'
import { sodium } from '../crypto/sodium.ts'
import type { VaultStatus } from '../contract.ts'
import { firstLinkLife } from '../identity/enrolment.ts'
import { addUser } from '../identity/user.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { isGuessable, providerOf, unsealingOf } from '../custody/seals.ts'
import { sharesView } from '../custody/view.ts'
import { by, type Call, type Handler, type World } from '../world.ts'

/** What everybody may know about the vault, sealed or not. */
export const status: Handler<'status'> = async ({ world, principal }) => {
  const { vault, settings } = world
  const state = await vault.state()
  const { users } = await vault.database
    .selectFrom('app_user')
    .select((eb) => eb.fn.countAll<number>().as('users'))
    .executeTakeFirstOrThrow()
  return done({
    initialised: state.initialised,
    sealed: state.sealed,
    intakeKey: state.intakeKey === null ? null : Buffer.from(state.intakeKey).toString('base64'),
    fingerprint: state.fingerprint,
    // SECURITY: where a key lies, and that it opens the vault by itself, helps whoever would take the disk.
    sealProviders:
      principal.kind === 'local' ? state.sealProviders : state.sealProviders.map(({ kind }) => ({ kind })),
    shares: sharesOf(world, principal.kind === 'local'),
    rehearsal: principal.kind === 'local' ? rehearsalOf(world) : null,
    // SECURITY: how many there are is nothing for who is nobody yet, and of users for who comes from outside.
    auditors: principal.kind === 'anyone' ? null : await auditorsOf(world),
    users: isOfThePlant(principal) ? users : null,
    version: settings.version,
  })
}

function isOfThePlant(principal: Call['principal']): boolean {
  return principal.kind === 'local' || (principal.kind === 'user' && !principal.roles.includes('vendor'))
}

/** How far the custodians have come. Who they are is told to the machine's administrator alone. */
function sharesOf({ custody }: World, toLocal: boolean): VaultStatus['shares'] {
  const waiting = custody.entered.waiting
  if (waiting === undefined) return null
  const view = sharesView(waiting)
  return toLocal
    ? view
    : { ...view, given: view.given.map(({ index }) => ({ index, name: '' })), missing: [] }
}

function rehearsalOf({ custody }: World): VaultStatus['rehearsal'] {
  const { waiting } = custody.rehearsed
  return waiting === undefined ? null : sharesView(waiting)
}

async function forgetShares(call: Call, why: string): Promise<void> {
  const given = call.world.custody.entered.forget()
  if (given > 0)
    await call.world.vault.inTransaction((tx) =>
      tx.audit({ kind: 'custody.forgotten', given, why, ...by(call) }),
    )
}

/** Who the auditors are, as far as a chain that verifies says so. */
async function auditorsOf(world: World): Promise<VaultStatus['auditors']> {
  const rows = await world.vault.database.selectFrom('auditor_list').selectAll().execute()
  const links = rows
    .map((row) => ({
      version: Number(row.version),
      body: Buffer.from(row.body).toString('base64'),
      signature: Buffer.from(row.signature).toString('base64'),
    }))
    .sort((a, b) => a.version - b.version)
  const chain = await verifyChain(sodium, links)
  if (!chain.ok) return null
  const { current } = chain.value
  return {
    version: current.version,
    count: current.auditors.length,
    fingerprint: chainFingerprint(chain.value),
  }
}

const firstAdminName = 'admin'

/** Makes the root key, and the first administrator with a link that is good for 15 minutes. */
export const vaultInitialise: Handler<'vault.initialise'> = async (call, { provider }) => {
  const { vault } = call.world
  using chosen = providerOf(provider)
  const made = await vault.initialise(chosen.provider, call.actor)
  if (!made.ok) return made
  const { enrolment } = await vault.inTransaction((tx) =>
    addUser(tx, call.world, call, firstAdminName, ['admin'], firstLinkLife),
  )
  return done({
    recoveryKey: made.value.recoveryKey,
    firstAdmin: enrolment,
    fingerprint: made.value.fingerprint,
  })
}

export const vaultUnseal: Handler<'vault.unseal'> = async (call, input) => {
  const { backOff, vault } = call.world
  // Guessing a passphrase through the door is slowed down as at a login.
  const wait = backOff.wait('admin door', 'unseal')
  if (wait > 0) return refuse('rate_limited', 'too many failed attempts', `wait ${wait} s, then try again`)
  using chosen = unsealingOf(input)
  const outcome: Outcome<null> = await vault.unseal(chosen.how, call.actor, {
    acceptRollback: input.acceptRollback === true,
  })
  if (outcome.ok) {
    backOff.succeeded('admin door', 'unseal')
    await forgetShares(call, 'the vault was unsealed by another way')
  } else if (isGuessable(input)) backOff.failed('admin door', 'unseal')
  return outcome
}

/** Seals the vault: the keys are wiped, nothing opens. Sessions end with it, or go on until their time. */
export const vaultSeal: Handler<'vault.seal'> = async (call, { sessions }) => {
  const { world } = call
  await world.vault.seal(call.actor, sessions)
  world.proofs.forget(() => true)
  world.tickets.forget(() => true)
  world.custody.rehearsed.forget()
  world.custody.prepared.forget(({ provider }) => {
    if ('secret' in provider) provider.secret[Symbol.dispose]()
    return true
  })
  if (sessions === 'end')
    for (const session of world.live.all())
      world.live.cut(session, { reason: 'vault sealed', message: 'the vault was sealed' })
  return done(null)
}
