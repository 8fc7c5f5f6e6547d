import { setTimeout as pause } from 'node:timers/promises'
import { migrateQueue } from '../../migrations/queue.ts'
import { withClient } from '../../migrations/roles.ts'
import { saw, type Connector, type Credential, type Place } from '../../vault/rotation/connector.ts'
import type { QueueStore } from '../../vault/rotation/worker/queue.ts'
import { startRotationWorker } from '../../vault/rotation/worker/serve.ts'
import { startTestPostgres } from '../support/postgres.ts'
import { startRedis, whyNoRedis } from '../support/redis.ts'
import { startTestVault, type TestVault } from '../support/vault.ts'
import type { Row } from './row.ts'

/** Machines, and accounts of each: no more than two of one machine are rotated at a time. */
const machines = 100
const accountsOfEach = 4
/** Of a hundred machines so many do not answer; those accounts fail, and must hold nothing else up. */
const failingPercent = 5
/** What a step takes at a machine: a login over a slow line, and what is typed there (ms). */
const stepMs = 400
/** Until somebody takes a machine that does not answer for one that is away (ms). */
const awayMs = 2_000
const pickUps = 20

/** Measures how many credentials an hour are rotated, and how soon one is begun that somebody asked for. */
export async function run(): Promise<Row[]> {
  const rows: Row[] = []
  const noRedis = whyNoRedis()
  const peer = await byScript()
  rows.push(...(await onStore('PostgreSQL', async (vault, use) => use(await ofPostgres(vault)), peer)))
  if (noRedis === undefined)
    rows.push(
      ...(await onStore(
        'Redis',
        async (_vault, use) => {
          await using redis = await startRedis()
          return await use({ kind: 'redis', url: redis.url })
        },
        peer,
      )),
    )
  else console.error(`Redis is left out: ${noRedis}`)
  return rows
}

async function ofPostgres(vault: TestVault): Promise<QueueStore> {
  await migrateQueue(vault.postgres.ownerUrl)
  return { kind: 'postgres', url: vault.postgres.urls.rotation }
}

async function onStore(
  name: string,
  withStore: (vault: TestVault, use: (store: QueueStore) => Promise<Row[]>) => Promise<Row[]>,
  peer: number,
): Promise<Row[]> {
  await using postgres = await startTestPostgres({ durable: true })
  await using vault = await startTestVault({ postgres })
  const machine = simulatedMachines()
  const accounts = await fill(vault)
  return await withStore(vault, async (store) => {
    await using _ = await startRotationWorker({
      ...{ dataDir: vault.dataDir, identity: vault.identities.rotation, store, load: async () => machine },
      onFault: (what, error) => console.error(what, error),
    })
    const begun = performance.now()
    await Promise.all(
      accounts.map((account) => vault.ask('rotation.start', { account, reason: 'the yearly change' })),
    )
    const over = await settled(vault, accounts.length)
    const hours = (performance.now() - begun) / 3600_000
    const failing = (accounts.length * failingPercent) / 100
    if (over.done !== accounts.length - failing || over.failed !== failing)
      throw new Error(`${over.done} were rotated and ${over.failed} failed, of ${accounts.length}`)
    const waits: number[] = []
    for (const account of accounts.slice(-pickUps)) {
      const asked = performance.now()
      const begins = machine.next()
      const { id } = await vault.ask('rotation.start', { account, reason: 'asked for' })
      waits.push((await begins) - asked)
      while ((await vault.ask('rotation.show', { run: id })).endedAt === null) await pause(20)
    }
    waits.sort((a, b) => a - b)
    return [
      {
        what: `accounts rotated, ${failingPercent} % of machines away, queue on ${name}`,
        figure: over.done / hours,
        unit: 'an hour',
        reach: '10,000',
        peer: `${Math.round(peer)} an hour by a script, 20 at a time, that keeps nothing`,
      },
      {
        what: `from asked to begun at the machine, p50, queue on ${name}`,
        figure: waits[Math.floor(waits.length / 2)] ?? Number.NaN,
        unit: 'ms',
        reach: 'measured',
        peer: `the longest of ${pickUps}: ${Math.round(waits.at(-1) ?? Number.NaN)} ms`,
      },
    ]
  })
}

const machineName = (at: number) => `press-${String(at).padStart(3, '0')}`
const isAway = (target: string) => Number(target.slice(-3)) % (100 / failingPercent) === 0

async function fill(vault: TestVault): Promise<readonly string[]> {
  await vault.ask('safe.add', { name: 'line-3' })
  const names: string[] = []
  for (let at = 0; at < machines; at += 1) {
    const target = machineName(at)
    for (let login = 0; login < accountsOfEach; login += 1) {
      await vault.account({ target, login: `u${login}` })
      await vault.ask('rotation.set', { account: `${target}/u${login}`, connector: 'linux-password' })
      names.push(`${target}/u${login}`)
    }
  }
  return names
}

async function settled(vault: TestVault, count: number) {
  const over = { done: 0, failed: 0 }
  await withClient(vault.postgres.ownerUrl, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ phase: string; n: number }>(
        'select phase, count(*)::int as n from rotation_run group by phase',
      )
      const of = (phase: string) => rows.find((row) => row.phase === phase)?.n ?? 0
      Object.assign(over, { done: of('done'), failed: of('failed') })
      if (over.done + over.failed + of('unknown') + of('cancelled') >= count) return
      await pause(100)
    }
  })
  return over
}

/** Machines that take what a line and a slow device take, and apply what they are told. */
function simulatedMachines(): Connector & { readonly next: () => Promise<number> } {
  const current = new Map<string, string>()
  let told: (at: number) => void = () => undefined
  const key = (at: Place) => `${at.target.name}/${at.account.login}`
  const textOf = (credential: Credential): string =>
    credential.kind === 'password'
      ? credential.secret.expose((bytes) => Buffer.from(bytes).toString('hex'))
      : credential.publicKey
  return {
    change: async (at, _current, candidate) => {
      told(performance.now())
      if (isAway(at.target.name)) {
        await pause(awayMs)
        return saw({ kind: 'untouched', why: 'it does not answer' }, false)
      }
      await pause(stepMs)
      current.set(key(at), textOf(candidate))
      return saw({ kind: 'changed' }, true)
    },
    login: async (at, credential) => {
      await pause(stepMs)
      return current.get(key(at)) === textOf(credential)
        ? saw({ kind: 'accepted' }, true)
        : saw({ kind: 'rejected', why: 'another password' }, true)
    },
    next: () => {
      const { promise, resolve } = Promise.withResolvers<number>()
      told = resolve
      return promise
    },
  }
}

/** The peer: a script that changes and logs in, twenty at a time, without a vault, a log or a way back. */
async function byScript(): Promise<number> {
  const all = Array.from({ length: machines * accountsOfEach }, (_, at) =>
    machineName(Math.floor(at / accountsOfEach)),
  )
  const begun = performance.now()
  let rotated = 0
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let target = all.pop(); target !== undefined; target = all.pop()) {
        await pause(isAway(target) ? awayMs : 2 * stepMs)
        if (!isAway(target)) rotated += 1
      }
    }),
  )
  return rotated / ((performance.now() - begun) / 3600_000)
}
