import { statfsSync, writeFileSync } from 'node:fs'
import { truncate, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isRoot } from '../../../deploy/supervisor/system-user.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { RotationId } from '../../../vault/kernel/id.ts'
import { workOn } from '../../../vault/rotation/worker/work.ts'
import { type Behaviour, type FakeSshTarget, startFakeSshTarget } from '../../support/fake-ssh-target.ts'
import { startTestPostgres, type TestPostgres } from '../../support/postgres.ts'
import { type Cell, impatient, linuxPassword, makeCells } from '../../support/rotation-cells.ts'
import { type Drive, drive as driveRun, Killed } from '../../support/rotation-drive.ts'
import { must, startTestVault, type TestVault } from '../../support/vault.ts'
import { until } from '../../support/vault-ssh.ts'

/**
 * The fault matrix, of what is around a rotation: its database is killed or stopped, its disk is full, its clock is set;
 * each before and after every effect. In each cell the vault holds what the target takes, the lock-out is kept away from,
 * and the state that is shown is true.
 */

let postgres: TestPostgres
let vault: TestVault
let worker: VaultClient
let target: FakeSshTarget
let cells: ReturnType<typeof makeCells>
const counted = { 'the database away': 0, 'a full disk': 0, 'the clock set': 0 }

/** Milliseconds by which somebody has set the machine's clock; its time goes on all the same. */
let set = 0
let behind = 0
const setBack = (ms: number) => {
  set -= ms
  behind += ms
}
/** Forward of what the vault knows, which went on when it was set back. */
const setForward = (ms: number) => {
  set += ms + behind
  behind = 0
}
const machine = { wall: () => Date.now() + set, elapsed: () => performance.now() }
const hour = 3600_000

beforeAll(async () => {
  postgres = await startTestPostgres({ keeps: true })
  vault = await startTestVault({ postgres, machine })
  cells = makeCells(vault)
  worker = await vault.connect('rotation')
  target = await startFakeSshTarget()
  await vault.ask('safe.add', { name: 'line-3' })
  await vault.ask('target.add', {
    ...{ name: 'machine', safe: 'line-3' },
    ...{ address: `ssh://127.0.0.1:${target.port}`, pin: target.pin },
  })
})
afterAll(async () => {
  const each = Object.entries(counted).map(([what, cells]) => `${cells} with ${what}`)
  const all = Object.values(counted).reduce((sum, one) => sum + one)
  process.stdout.write(`rotation: ${all} cells of the fault matrix: ${each.join(', ')}\n`)
  await target[Symbol.asyncDispose]()
  await vault[Symbol.asyncDispose]()
  await postgres[Symbol.asyncDispose]()
})

const cell = (behaviour: Behaviour = 'obeys') => cells.make(behaviour, 'machine', target)
const start = async ({ account }: Cell) => (await vault.ask('rotation.start', { account })).id

/** As `driveRun`, and looks after each step that the vault holds what the machine takes. */
async function drive(one: Cell, run: RotationId, with_: Drive = {}): Promise<string> {
  await driveRun(vault, () => worker, run, {
    ...with_,
    after: async () => {
      await with_.after?.()
      await cells.holds(one)
    },
    load: async () => impatient(linuxPassword, one.user),
  })
  return cells.judge(one, run)
}

/** Each moment of a rotation: before and after the change, before and after the login that proves it. */
const moments = [
  { step: 1, at: 'asked' },
  { step: 1, at: 'done' },
  { step: 2, at: 'asked' },
  { step: 2, at: 'done' },
] as const
type Moment = (typeof moments)[number]

const isAt = (moment: Moment, step: number, at: Moment['at']) => moment.step === step && moment.at === at

describe('the database', () => {
  const ways = {
    'killed with kill -9': () => postgres.kill(),
    stopped: () => postgres.cluster.stop(),
  }
  type Way = keyof typeof ways

  /** It is started again while the worker still says what it saw, and answers before anybody asks for more. */
  let starting: Promise<void> | undefined
  const back = async () => {
    await starting
    starting = undefined
    await until(async () => ((await vault.admin.call('user.list', {})).ok ? true : undefined), 20_000)
  }

  const rows: readonly (readonly [Way, Moment, 'lives' | 'is killed too', Behaviour])[] = [
    ...moments.flatMap((moment) => [
      ['killed with kill -9', moment, 'lives', 'obeys'] as const,
      ['killed with kill -9', moment, 'is killed too', 'obeys'] as const,
      ['stopped', moment, 'lives', 'obeys'] as const,
    ]),
    ['killed with kill -9', { step: 1, at: 'done' }, 'lives', 'applies and answers an error'],
    ['killed with kill -9', { step: 1, at: 'done' }, 'is killed too', 'closes when it took the new one'],
    ['killed with kill -9', { step: 1, at: 'done' }, 'lives', 'accepts and does not apply'],
  ]
  test.each(rows)('is %s at %o, the worker %s, and the machine %s', async (way, moment, fate, behaviour) => {
    const one = await cell(behaviour)
    const run = await start(one)
    let isDone = false
    const phase = await drive(one, run, {
      at: async (step, at) => {
        if (isDone || !isAt(moment, step, at)) return
        isDone = true
        await ways[way]()
        starting = postgres.again()
        if (fate === 'lives') return
        await back()
        throw new Killed('killed')
      },
      after: back,
    })
    counted['the database away'] += 1
    // The vault that was given a step knows of it afterwards too: what nobody said of it is found out by a login.
    const isUntouched = moment.step === 1 && moment.at === 'asked' && fate === 'is killed too'
    expect(phase).toBe(isUntouched || behaviour === 'accepts and does not apply' ? 'failed' : 'done')
    expect(await vault.ask('audit.verify', {})).toMatchObject({ ok: true })
  })

  test.each(['killed with kill -9', 'stopped'] as const)(
    'is %s before a rotation begins: it begins when it is back',
    async (way) => {
      const one = await cell()
      const run = await start(one)
      await ways[way]()
      const asked = await worker.call('rotation.due', {})
      expect(asked).toMatchObject({ ok: false, refusal: { code: 'unavailable' } })
      expect(await workOn({ vault: async () => worker, onFault: () => undefined }, run)).toBe(false)
      starting = postgres.again()
      await back()
      expect([one.user.accepted, one.user.refused]).toEqual([0, 0])
      expect(await drive(one, run)).toBe('done')
      counted['the database away'] += 1
    },
  )
})

describe('the disk of the database', () => {
  /** SQLSTATE 53100 at the commit: what PostgreSQL answers whose disk is full, by a trigger, so that it is full at a moment and not soon after. */
  const owner = async (...statements: readonly string[]) => {
    const client = new pg.Client({ connectionString: postgres.ownerUrl })
    await client.connect()
    for (const one of statements) await client.query(one)
    await client.end()
  }
  const isFull = (is: boolean) => owner(`update tried.disk set is_full = ${is}`)
  beforeAll(() =>
    owner(
      'create schema tried',
      'create table tried.disk as select false as is_full',
      `create function tried.write() returns trigger language plpgsql security definer as $$
       begin
         if (select is_full from tried.disk) then
           raise exception using errcode = '53100', message = 'could not extend file: No space left on device';
         end if;
         return null;
       end $$`,
      `create constraint trigger tried after insert on audit_entry
       deferrable initially deferred for each row execute function tried.write()`,
    ),
  )
  afterAll(() => owner('drop schema tried cascade'))

  test.each(moments.flatMap((moment) => [[moment, 'lives'] as const, [moment, 'is killed'] as const]))(
    'is full (53100 injected at each commit) at %o, and the worker %s: nothing is lost or half done',
    async (moment, fate) => {
      const one = await cell()
      const run = await start(one)
      let isDone = false
      let isHere = true
      let making: Promise<void> | undefined
      const phase = await drive(one, run, {
        at: async (step, at) => {
          if (isDone || !isAt(moment, step, at)) return
          isDone = true
          await isFull(true)
          if (fate === 'is killed') throw new Killed('killed')
          // Room is made once the vault has refused what the worker had to say.
          const refusedBefore = vault.faults.length
          making = until(async () => (vault.faults.length > refusedBefore ? true : undefined), 20_000).then(
            () => isFull(false),
          )
        },
        after: async () => {
          await making
          making = undefined
          if (fate === 'is killed' && isDone && isHere) {
            isHere = false
            // A worker that comes in the meantime is given nothing, and the machine is left alone.
            const { accepted } = one.user
            vault.advance(2 * hour)
            expect(await workOn({ vault: async () => worker, onFault: () => undefined }, run)).toBe(false)
            expect(one.user.accepted).toBe(accepted)
            await isFull(false)
          }
        },
      })
      counted['a full disk'] += 1
      const isUntouched = moment.step === 1 && moment.at === 'asked' && fate === 'is killed'
      expect(phase).toBe(isUntouched ? 'failed' : 'done')
    },
  )

  test('is full (53100 injected) before a rotation begins: it is said, nothing is staged, and it begins later', async () => {
    const one = await cell()
    await isFull(true)
    expect(await vault.admin.call('rotation.start', { account: one.account })).toMatchObject({
      ok: false,
      refusal: { code: 'unavailable', message: 'the disk of the database is full: nothing was changed' },
    })
    await isFull(false)
    const run = await start(one)
    await isFull(true)
    expect(await workOn({ vault: async () => worker, onFault: () => undefined }, run)).toBe(false)
    await isFull(false)
    expect(await vault.ask('rotation.show', { run })).toMatchObject({ phase: 'waiting', version: null })
    expect(await drive(one, run)).toBe('done')
    counted['a full disk'] += 1
  })

  test.skipIf(!isRoot())('is really full while a password is changed, and gets room again', async () => {
    await using disk = await startTestPostgres({ keeps: true, diskBytes: 128 * 2 ** 20 })
    await using other = await startTestVault({ postgres: disk })
    const its = makeCells(other)
    const by = await other.connect('rotation')
    await other.ask('safe.add', { name: 'line-3' })
    await other.ask('target.add', {
      ...{ name: 'machine', safe: 'line-3' },
      ...{ address: `ssh://127.0.0.1:${target.port}`, pin: target.pin },
    })
    const ballast = join(disk.folder, 'ballast')
    for (const moment of moments) {
      const one = await its.make('obeys', 'machine', target)
      const { id: run } = await other.ask('rotation.start', { account: one.account })
      let code = ''
      let making: Promise<void> | undefined
      await driveRun(other, () => by, run, {
        at: async (step, at) => {
          if (code !== '' || !isAt(moment, step, at)) return
          code = await fill(disk, ballast)
          making = (async () => {
            await until(async () => (other.faults.length > 0 ? true : undefined), 2_000).catch(
              () => undefined,
            )
            await truncate(ballast, 0)
            await rm(ballast)
            if (disk.cluster.process.exitCode !== null) await disk.again()
          })()
        },
        after: async () => {
          await making
          making = undefined
          await until(async () => ((await other.admin.call('user.list', {})).ok ? true : undefined), 20_000)
          await its.holds(one)
        },
      })
      expect([moment, await its.judge(one, run), code]).toEqual([
        moment,
        'done',
        expect.stringMatching(/^(53100|down)$/),
      ])
      counted['a full disk'] += 1
    }
    expect(await its.secretsNowhere()).toBeGreaterThan(4)
  })
})

/**
 * Fills a disk to its last byte, and then what PostgreSQL has kept of it for itself. Answers what becomes of that: it says that its
 * disk is full (53100), or is down, where what was full was its log.
 */
async function fill(disk: TestPostgres, ballast: string): Promise<string> {
  const piece = Buffer.alloc(2 ** 20, 1)
  for (const size of [2 ** 20, 2 ** 12])
    try {
      for (;;) writeFileSync(ballast, piece.subarray(0, size), { flag: 'a' })
    } catch {
      // Full, to a piece of this size.
    }
  const client = new pg.Client({ connectionString: disk.ownerUrl })
  client.on('error', () => undefined)
  expect(statfsSync(disk.folder).bavail).toBeLessThan(64)
  try {
    await client.connect()
    await client.query('create table if not exists junk (of_no_use text)')
    for (;;) await client.query(`insert into junk select repeat('x', 1000) from generate_series(1, 100)`)
  } catch (error) {
    const { code, message } = error as Error & { readonly code?: string }
    return code === 'ECONNRESET' || code?.startsWith('57P') === true || message.includes('terminated')
      ? 'down'
      : (code ?? message)
  } finally {
    await client.end().catch(() => undefined)
  }
}

describe('the clock of the vault’s machine', () => {
  const jumps = [
    ['an hour forward', () => setForward(hour)],
    ['a day forward', () => setForward(24 * hour)],
    ['an hour back', () => setBack(hour)],
    ['a day back', () => setBack(24 * hour)],
  ] as const

  test.each(jumps.flatMap(([name, jump]) => moments.map((moment) => [name, moment, jump] as const)))(
    'is set %s at %o: the step stays its worker’s, and is heard',
    async (_, moment, jump) => {
      const one = await cell()
      const run = await start(one)
      let isDone = false
      const phase = await drive(one, run, {
        at: async (step, at) => {
          if (isDone || !isAt(moment, step, at)) return
          isDone = true
          jump()
          // Another worker looks meanwhile: the step is the first one's for as long as it really takes.
          await workOn({ vault: async () => worker, onFault: () => undefined }, run)
        },
      })
      counted['the clock set'] += 1
      expect([phase, one.user.refused]).toEqual(['done', 0])
    },
  )

  test('is set forward while a worker is halted: another finds out what it did, and the first is not heard', async () => {
    const one = await cell('closes when it took the new one')
    const run = await start(one)
    let late: (() => Promise<unknown>) | undefined
    await workOn(
      {
        vault: async () => worker,
        onFault: () => undefined,
        at: (where) => {
          if (where !== 'done') return
          late = () =>
            worker.call('rotation.report', {
              ...{ run, generation: 1, sent: true },
              seen: { step: 'change', result: { kind: 'untouched', why: 'nothing was sent' } },
            })
          throw new Killed('it is halted here')
        },
      },
      run,
    ).catch(() => undefined)
    setForward(24 * hour)
    const another = () => workOn({ vault: async () => worker, onFault: () => undefined }, run)
    expect(await another()).toBe(false)
    expect(one.user.accepted).toBe(1)
    // A step has a minute and some seconds; when they have really passed, it is another's.
    vault.advance(90_000)
    expect(await another()).toBe(true)
    expect(await drive(one, run)).toBe('done')
    expect(await late?.()).toMatchObject({ ok: false, refusal: { code: 'conflict' } })
    counted['the clock set'] += 1
  })

  test('is set forward again and again at a machine that refuses: it is not asked more often for that', async () => {
    const one = await cell('refuses the login')
    const run = await start(one)
    // It comes to refusing both, and a person is sent for.
    expect(await drive(one, run)).toBe('unknown')
    for (let left = 5; left > 0; left -= 1) {
      setForward(6 * hour)
      await vault.ask('rotation.retry', { run }).catch(() => undefined)
      for (let more = 4; more > 0; more -= 1)
        await workOn({ vault: async () => worker, onFault: () => undefined }, run)
      expect(one.user.refused).toBeLessThanOrEqual(3)
    }
    expect(one.user.refused).toBe(3)
    counted['the clock set'] += 1
    // When the time of the lock-out has really passed, it goes on.
    one.user.refused = 0
    one.user.behaviour = 'obeys'
    vault.advance(16 * 60_000)
    expect(await drive(one, run)).toBe('failed')
  })

  test('is set over a window: it begins in it by the vault’s time, which goes back for nobody', async () => {
    const one = await cell()
    const at = (ms: number) => new Date(vault.now().getTime() + ms).toISOString().slice(0, 16)
    const calendars = {
      night: {
        zone: 'UTC',
        dates: [
          { from: at(6 * hour), to: at(8 * hour) },
          { from: at(30 * hour), to: at(32 * hour) },
        ],
      },
    }
    await vault.ask('policy.apply', { document: { version: 1, rules: [], calendars }, expected: null })
    await vault.ask('rotation.set', {
      ...{ account: one.account, calendar: 'night' },
      ...{ grade: 'G2', gradeReason: 'drops sessions' },
    })
    const run = await start(one)
    const looks = () => workOn({ vault: async () => worker, onFault: () => undefined }, run)
    const why = async () => (await vault.ask('rotation.show', { run })).why
    expect(await looks()).toBe(false)
    expect(await why()).toContain('in the window night alone')
    // Back: the window is no further away.
    setBack(3 * hour)
    vault.advance(5 * hour)
    expect(await looks()).toBe(false)
    // Over the whole window, forward: it waits for the next, and begins in none that is over.
    setForward(4 * hour)
    expect(await looks()).toBe(false)
    expect([await why(), one.user.accepted]).toEqual([
      expect.stringContaining('in the window night alone'),
      0,
    ])
    // Forward into it: it is what the vault knows.
    setForward(21.5 * hour)
    expect(await drive(one, run)).toBe('done')
    counted['the clock set'] += 1
  })

  test('is set while somebody has the account: set back nobody holds it longer, set forward it is free early', async () => {
    await vault.ask('user.add', { name: 'sue', roles: ['operator'] })
    const bob = await vault.person('bob', ['operator'])
    const api = await vault.connect('api')
    for (const isBack of [true, false]) {
      const one = await cell()
      await vault.grant('bob', one.account)
      must(
        await api.call(
          'lease.checkOut',
          { account: one.account, exclusive: true, forSeconds: 3600 },
          (await signedIn(api, bob)).token,
        ),
      )
      const run = await start(one)
      const looks = () => workOn({ vault: async () => worker, onFault: () => undefined }, run)
      expect(await looks()).toBe(false)
      expect((await vault.ask('rotation.show', { run })).why).toContain('bob')
      if (isBack) setBack(5 * hour)
      else setForward(5 * hour)
      if (isBack) vault.advance(hour + 1_000)
      await until(
        async () =>
          (await vault.ask('lease.list', {})).some(({ account }) => account === one.account)
            ? undefined
            : true,
        20_000,
      )
      expect(await drive(one, run)).toBe('done')
      counted['the clock set'] += 1
    }
    api.close()
  })
})

async function signedIn(api: VaultClient, person: Awaited<ReturnType<TestVault['person']>>) {
  const login = await api.call('login.start', {
    name: person.name,
    sealedPassword: await vault.sealLogin(person.name, person.password),
    totpCode: person.code(),
    source: '192.0.2.10',
  })
  return must(login)
}

test('nothing of a secret is in the rows, the log or what the vault says to its operator', async () => {
  expect(await cells.secretsNowhere()).toBeGreaterThan(80)
})
