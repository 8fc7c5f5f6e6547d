import { hash } from 'node:crypto'
import type { SafeId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { canonicalBytes, toBase64 } from '../kernel/encoding.ts'
import { notFound } from '../not-found.ts'
import { type Account, readAccount } from '../accounts/account.ts'
import { takeField } from '../accounts/credential.ts'
import { checked, updateGuarded, type Row } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { pinsOf } from '../targets/target.ts'
import { transact } from '../transact.ts'
import { by, type Handler, nameOf, type World } from '../world.ts'
import { kitOf, kitSigningKey, lockKit } from './kit.ts'
import { kitContent, type KitSecret, writeKit } from './kit-file.ts'
import { custodiansOfKit } from './view.ts'

/** Bytes of a kit that go through the doors of the vault in one answer. */
const mostBytes = 14 * 1024 * 1024

/** A kit as it was made at a moment. */
type MadeKit = { readonly file: string; readonly madeAt: Date; readonly accounts: number }

/**
 * Seals the secrets of a safe to the custodians of its kit, as they are now.
 *
 * SECURITY: the vault itself cannot open what this makes; nor can whoever carries it away.
 */
export async function makeKit(
  world: World,
  safe: Pick<Row<'safe'>, 'id' | 'name'>,
  kit: Row<'emergency_kit'>,
): Promise<MadeKit> {
  const { database, clock } = world.vault
  // Before anything is read: what changes meanwhile counts as newer than this kit.
  const madeAt = clock()
  const held = await heldBy(world, safe.id)
  const secrets: KitSecret[] = []
  try {
    for (const one of held) secrets.push(await takeSecret(world, one))
    using plain = kitContent(secrets)
    const { id: installation } = await database
      .selectFrom('installation')
      .select('id')
      .executeTakeFirstOrThrow()
    const file = writeKit(
      kitSigningKey(world),
      {
        installation,
        kit: kit.id,
        safe: safe.name,
        madeAt: madeAt.toISOString(),
        accounts: accountsOf(held),
        holds: heldDigest(held),
        custodians: custodiansOfKit(kit),
        boxKey: toBase64(kit.box_key),
      },
      plain,
    )
    return { file, madeAt, accounts: accountsOf(held) }
  } finally {
    for (const { secret, passphrase } of secrets) {
      secret[Symbol.dispose]()
      passphrase?.[Symbol.dispose]()
    }
  }
}

/** A secret of a safe, and what a kit says of it. */
type Held = {
  readonly account: Account
  readonly credential: Row<'credential'>
  readonly known: KitSecret['account']
}

/**
 * What a kit of this safe holds: of each account the credential that is used, and those newer ones that its target may
 * take instead because a rotation is under way, or ended in doubt.
 */
export async function heldBy(world: World, safe: SafeId): Promise<readonly Held[]> {
  const { database, guard } = world.vault
  const ids = await database
    .selectFrom('account')
    .innerJoin('target', 'target.id', 'account.target_id')
    .select('account.id')
    .where('account.safe_id', '=', safe)
    .where('account.removed_at', 'is', null)
    .orderBy('target.name')
    .orderBy('account.login')
    .execute()
  const held: Held[] = []
  for (const { id } of ids) {
    const account = await readAccount(database, guard, id)
    if (account === undefined) continue
    const rows = checked(
      guard,
      'credential',
      await database
        .selectFrom('credential')
        .selectAll()
        .where('account_id', '=', id)
        .where('state', '<>', 'retired')
        .orderBy('version')
        .execute(),
    )
    const current = rows.find(({ state }) => state === 'current')
    for (const credential of rows)
      if (credential.version >= (current?.version ?? 0))
        held.push({ account, credential, known: knownOf(account, credential) })
  }
  return held
}

/** Names what a kit holds in 64 letters: another secret, address or pin gives others. */
export function heldDigest(held: readonly Held[]): string {
  return hash('sha256', canonicalBytes(held.map(({ known }) => known)), 'hex')
}

function accountsOf(held: readonly Held[]): number {
  return new Set(held.map(({ account }) => account.id)).size
}

function knownOf(account: Account, credential: Row<'credential'>): KitSecret['account'] {
  const { target } = account
  return {
    account: account.name,
    protocol: target.protocol,
    address: `${target.host}:${target.port}`,
    login: account.login,
    pins: pinsOf(target).map(({ fingerprint }) => fingerprint),
    version: credential.version,
    state: credential.state === 'current' ? 'current' : 'candidate',
    setAt: credential.created_at.toISOString(),
    kind: credential.kind,
  }
}

async function takeSecret(world: World, { account, credential, known }: Held): Promise<KitSecret> {
  const isPassword = credential.kind === 'password'
  const passphrase =
    !isPassword && (await hasPassphrase(world, account.id, credential.version))
      ? await takeField(world, account, credential, 'passphrase')
      : undefined
  return {
    account: known,
    secret: await takeField(world, account, credential, isPassword ? 'password' : 'private-key'),
    passphrase,
  }
}

async function hasPassphrase(world: World, account: string, version: number): Promise<boolean> {
  const row = await world.vault.database
    .selectFrom('secret_payload')
    .select('field')
    .where('account', '=', account)
    .where('version', '=', version)
    .where('field', '=', 'passphrase')
    .executeTakeFirst()
  return row !== undefined
}

/** The kit of a safe, to take away. That it was taken is written down: its age is watched. */
export const kitWrite: Handler<'kit.write'> = async (call, { safe: reference }) => {
  const { database, guard } = call.world.vault
  const safe = await findSafe(database, guard, reference)
  if (safe === undefined) return notFound('safe', reference)
  const kit = await kitOf(database, guard, safe.id)
  if (kit === undefined) return noKit(safe.name)
  const made = await makeKit(call.world, safe, kit)
  if (made.file.length > mostBytes)
    return refuse(
      'conflict',
      `the emergency kit of ${safe.name} is too large to be carried through this door`,
      'copy it from the folder vault/kits of the data folder, where it is kept',
    )
  return transact(call.world, async (tx) => {
    const locked = await lockKit(tx, kit.id)
    if (locked === undefined || locked.ended_at !== null) return noKit(safe.name)
    await updateGuarded(tx, 'emergency_kit', locked, { taken_by: nameOf(call), taken_at: made.madeAt })
    await tx.audit({
      kind: 'kit.taken',
      kit: kit.id,
      accounts: made.accounts,
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done({
      kit: kit.id,
      madeAt: made.madeAt.toISOString(),
      accounts: made.accounts,
      file: made.file,
    })
  })
}

function noKit(safe: string): Outcome<never> {
  return refuse(
    'conflict',
    `the safe ${safe} has no emergency kit in force`,
    'make one: tagout kit init SAFE --threshold 2 --custodian …, then have an administrator confirm it',
  )
}
