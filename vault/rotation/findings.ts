import { createHmac, randomBytes } from 'node:crypto'
import { setImmediate as breathe } from 'node:timers/promises'
import { takeField } from '../accounts/credential.ts'
import type { RotationFinding } from '../contract.ts'
import { count } from '../kernel/count.ts'
import type { Id } from '../kernel/id.ts'
import { done } from '../kernel/outcome.ts'
import type { Secret } from '../kernel/secret.ts'
import { checked, type Row } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { isDatabaseAway } from '../transact.ts'
import type { Handler, World } from '../world.ts'
import { knownDefaults } from './known-defaults.ts'

/** What was seen of a secret when it was looked at: whether it is that of another, and what is bad about it. */
type Mark = { readonly print: string; readonly fault: 'default' | 'login' | null }

/**
 * Marks of secrets, by the credential's id. SECURITY: in this process's memory alone, under a key that dies with it: a print
 * that was kept would tell a thief of the database which accounts share a secret, and let who has a key try guesses on it.
 */
export type Marks = { readonly key: Buffer; readonly of: Map<Id<'crd'>, Mark> }

export function makeMarks(): Marks {
  return { key: randomBytes(32), of: new Map() }
}

/** Milliseconds that one asking spends on secrets that were not looked at yet; the next goes on. */
const mostMs = 4_000
/** Secrets between two pauses for others. */
const atOnce = 50

/** Which secrets are shared, publicly known for their machines, or the name that they belong to. Never which they are. */
export const rotationFindings: Handler<'rotation.findings'> = async (call) => {
  const { world } = call
  const { database, guard } = world.vault
  const sight = await sightOf(call)
  const safes = sight.all ? undefined : sight.safesWith('manage', 'approve')
  if (safes?.length === 0) return done({ findings: [], looked: 0, left: 0 })
  const query = database
    .selectFrom('account')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('account')
    .select('target.name as target_name')
    .where('account.removed_at', 'is', null)
    .where('target.removed_at', 'is', null)
  const accounts = await (safes === undefined ? query : query.where('account.safe_id', 'in', safes)).execute()
  checked(guard, 'account', accounts)
  if (accounts.length === 0) return done({ findings: [], looked: 0, left: 0 })
  const credentials = checked(
    guard,
    'credential',
    await database
      .selectFrom('credential')
      .selectAll()
      .where('state', '=', 'current')
      .where(
        'account_id',
        'in',
        accounts.map(({ id }) => id),
      )
      .execute(),
  )
  const byId = new Map(accounts.map((account) => [account.id, account]))
  const known = credentials.flatMap((credential) => {
    const account = byId.get(credential.account_id)
    return account === undefined
      ? []
      : [{ account, credential, name: `${account.target_name}/${account.login}` }]
  })
  const left = await lookAt(world, known)
  return done({ findings: told(world, known), looked: known.length - left, left })
}

type Known = {
  readonly account: Row<'account'>
  readonly credential: Row<'credential'>
  readonly name: string
}

/** Looks at what was not looked at yet; answers how many are left for the next time. */
async function lookAt(world: World, known: readonly Known[]): Promise<number> {
  const { marks } = world.rotation
  const news = known.filter(({ credential }) => !marks.of.has(credential.id))
  const until = performance.now() + mostMs
  let read = 0
  for (const { account, credential } of news) {
    if (performance.now() > until) break
    try {
      marks.of.set(credential.id, await markOf(world, account, credential))
    } catch (error) {
      if (isDatabaseAway(error) || world.vault.isSealed) throw error
      // One that somebody forged is its own account's trouble; it is said, and looked at again.
      world.onFault(`the secret of ${account.id}`, error)
    }
    read += 1
    if (read % atOnce === 0) await breathe()
  }
  return known.filter(({ credential }) => !marks.of.has(credential.id)).length
}

async function markOf(world: World, account: Row<'account'>, credential: Row<'credential'>): Promise<Mark> {
  const { key } = world.rotation.marks
  if (credential.kind === 'ssh-key') return { print: `key ${credential.public_key ?? ''}`, fault: null }
  using secret = await takeField(world, account, credential, 'password')
  return {
    print: secret.expose((bytes) => createHmac('sha256', key).update(bytes).digest('base64')),
    fault: faultOf(secret, account.login),
  }
}

function faultOf(secret: Secret, login: string): Mark['fault'] {
  const is = (text: string) => secret.expose((bytes) => Buffer.from(text).equals(bytes))
  const name = login.toLowerCase()
  if (knownDefaults.some((one) => (one.login === null || one.login.toLowerCase() === name) && is(one.secret)))
    return 'default'
  return [login, name, login.toUpperCase()].some(is) ? 'login' : null
}

function told(world: World, known: readonly Known[]): readonly RotationFinding[] {
  const { marks } = world.rotation
  const seen = known.flatMap(({ name, credential }) => {
    const mark = marks.of.get(credential.id)
    return mark === undefined ? [] : [{ name, ...mark }]
  })
  const bad = (fault: Mark['fault'], what: string): readonly RotationFinding[] =>
    seen
      .filter((one) => one.fault === fault)
      .map(({ name }) => ({
        kind: fault ?? 'default',
        accounts: [name],
        text: `${name} has ${what}`,
        next: change,
      }))
  const groups = Object.values(Object.groupBy(seen, ({ print }) => print)).filter(
    (group) => (group ?? []).length > 1,
  )
  return [
    ...bad('default', 'a password that is publicly known for such machines'),
    ...bad('login', 'its own name as its password'),
    ...groups.map((group = []): RotationFinding => {
      const names = group.map(({ name }) => name).toSorted()
      return {
        kind: 'shared',
        accounts: names,
        text: `${count(names.length, 'account')} have the same secret: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ' …' : ''}`,
        next: change,
      }
    }),
  ]
}

const change = 'rotate each of them, or set another one by hand: tagout account secret'
