import { chainFingerprint, verifyChain } from '../auditors/index.ts'
import { sodium } from '../crypto/sodium.ts'
import type { VaultStatus } from '../contract.ts'
import { firstLinkLife } from '../identity/enrolment.ts'
import { addUser } from '../identity/user.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import type { Unsealing } from '../open.ts'
import type { Handler, Input, World } from '../world.ts'

/** What everybody may know about the vault, sealed or not. */
export const status: Handler<'status'> = async ({ world }) => {
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
    sealProviders: state.sealProviders,
    auditors: await auditorsOf(world),
    users,
    version: settings.version,
  })
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
  using passphrase = provider.kind === 'passphrase' ? Secret.fromText(provider.passphrase) : undefined
  const made = await vault.initialise(
    passphrase === undefined ? keyFileOf(provider) : { kind: 'passphrase', passphrase },
    call.actor,
  )
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

function keyFileOf(provider: Input<'vault.initialise'>['provider']) {
  if (provider.kind !== 'key-file') throw new TypeError('not a key file')
  return { kind: 'key-file', path: provider.path } as const
}

export const vaultUnseal: Handler<'vault.unseal'> = async (call, input) => {
  const { backOff, vault } = call.world
  // Guessing a passphrase through the door is slowed down as at a login.
  const wait = backOff.wait('admin door', 'unseal')
  if (wait > 0) return refuse('rate_limited', 'too many failed attempts', `wait ${wait} s, then try again`)
  using passphrase = input.kind === 'passphrase' ? Secret.fromText(input.passphrase) : undefined
  const how: Unsealing =
    input.kind === 'passphrase'
      ? { kind: 'passphrase', passphrase: passphrase as Secret }
      : input.kind === 'key-file'
        ? { kind: 'key-file', path: input.path }
        : input.kind === 'recovery'
          ? { kind: 'recovery', recoveryKey: input.recoveryKey }
          : { kind: 'stored-key-file' }
  const outcome: Outcome<null> = await vault.unseal(how, call.actor, {
    acceptRollback: input.acceptRollback === true,
  })
  if (outcome.ok) backOff.succeeded('admin door', 'unseal')
  else if (input.kind === 'passphrase' || input.kind === 'recovery') backOff.failed('admin door', 'unseal')
  return outcome
}

/** Seals the vault: the keys are wiped, nothing opens. Sessions end with it, or go on until their time. */
export const vaultSeal: Handler<'vault.seal'> = async (call, { sessions }) => {
  const { world } = call
  await world.vault.seal(call.actor, sessions)
  world.proofs.forget(() => true)
  world.tickets.forget(() => true)
  if (sessions === 'end')
    for (const session of world.live.all())
      world.live.cut(session, { reason: 'vault sealed', message: 'the vault was sealed' })
  return done(null)
}
