import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Secret } from '../kernel/secret.ts'
import { openAccountPart } from '../identity/intake.ts'
import { parsePrivateKey } from '../release/ssh-private-key.ts'
import { checkedOne, insertGuarded, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Input, nameOf, type World } from '../world.ts'
import type { Account } from './account.ts'

/** A secret as it came in: opened, checked, and not yet kept. Dispose of it. */
export type Arrived = Disposable & {
  readonly kind: 'password' | 'ssh-key'
  readonly publicKey: string | null
  readonly fields: readonly { readonly field: string; readonly secret: Secret }[]
}

/** Opens and checks what `account.add` or `account.secret` carries for the account of this name. */
export function openArrived(
  world: World,
  accountName: string,
  credential: Input<'account.secret'>['credential'],
): Outcome<Arrived> {
  const secret = openAccountPart(world, credential.sealed, 'account-secret', accountName)
  if (!secret.ok) return secret
  const arrived =
    credential.kind === 'password'
      ? checkPassword(secret.value)
      : checkKey(world, accountName, secret.value, credential.sealedPassphrase)
  if (!arrived.ok) secret.value[Symbol.dispose]()
  return arrived
}

function checkPassword(secret: Secret): Outcome<Arrived> {
  const fault = secret.expose((bytes) => {
    if (bytes.length === 0) return 'it is empty'
    if (bytes.length > 1024) return 'it is longer than 1024 bytes'
    if (bytes.some((byte) => byte === 0 || byte === 10 || byte === 13))
      return 'it holds a line break or a zero byte'
    return undefined
  })
  if (fault !== undefined) return refuse('invalid', `credential: ${fault}`, 'send the password alone')
  return done(arrivedOf('password', null, [{ field: 'password', secret }]))
}

function checkKey(
  world: World,
  accountName: string,
  secret: Secret,
  sealedPassphrase: string | undefined,
): Outcome<Arrived> {
  const passphrase =
    sealedPassphrase === undefined
      ? done(undefined)
      : openAccountPart(world, sealedPassphrase, 'account-passphrase', accountName)
  if (!passphrase.ok) return passphrase
  const given = passphrase.value
  const parsed = secret.expose((text) =>
    given === undefined
      ? parsePrivateKey(text, undefined)
      : given.expose((words) => parsePrivateKey(text, words)),
  )
  if (!parsed.ok) {
    given?.[Symbol.dispose]()
    return parsed
  }
  const fields = [{ field: 'private-key', secret }]
  if (given !== undefined) fields.push({ field: 'passphrase', secret: given })
  return done(arrivedOf('ssh-key', parsed.value.publicKey.blob.toString('base64'), fields))
}

function arrivedOf(kind: Arrived['kind'], publicKey: string | null, fields: Arrived['fields']): Arrived {
  return {
    kind,
    publicKey,
    fields,
    [Symbol.dispose]: () => {
      for (const { secret } of fields) secret[Symbol.dispose]()
    },
  }
}

/** Keeps what arrived as the account's next and current credential; the one before is retired, not destroyed. */
export async function keepCredential(tx: Tx, call: Call, account: Account, arrived: Arrived): Promise<void> {
  const { secrets } = call.world.vault
  const latest = await tx.db
    .selectFrom('credential')
    .select((eb) => eb.fn.max('version').as('version'))
    .where('account_id', '=', account.id)
    .executeTakeFirst()
  const version = (latest?.version ?? 0) + 1
  const before = checkedOne(
    tx.guard,
    'credential',
    await tx.db
      .selectFrom('credential')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('state', '=', 'current')
      .forUpdate()
      .executeTakeFirst(),
  )
  if (before !== undefined) await updateGuarded(tx, 'credential', before, { state: 'retired' })
  await insertGuarded(tx, 'credential', {
    id: newId('crd', tx.now.getTime()),
    account_id: account.id,
    version,
    state: 'current',
    kind: arrived.kind,
    public_key: arrived.publicKey,
    created_by: nameOf(call),
    created_at: tx.now,
  })
  for (const { field, secret } of arrived.fields)
    await secrets.put(
      tx,
      { safe: account.safe_id, account: account.id, version, field, kind: arrived.kind },
      secret,
    )
  await tx.audit({
    kind: 'account.secret',
    version,
    credential: arrived.kind,
    account: account.id,
    accountName: account.name,
    ...by(call),
  })
}

/** Takes a field of a credential out of its envelope. The caller owns the Secret. */
export function takeField(
  world: World,
  account: { readonly id: string; readonly safe_id: string },
  credential: { readonly version: number; readonly kind: 'password' | 'ssh-key' },
  field: 'password' | 'private-key' | 'passphrase',
): Promise<Secret> {
  return world.vault.secrets.take({
    safe: account.safe_id,
    account: account.id,
    version: credential.version,
    field,
    kind: credential.kind,
  })
}
