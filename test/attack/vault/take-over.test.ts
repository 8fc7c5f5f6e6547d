import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { newId, type SessionId, type WatchId } from '../../../vault/kernel/id.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import { rules } from '../../../vault/policy/rules.ts'
import { endLost } from '../../../vault/sessions/end.ts'
import { applySwitches } from '../../../vault/switches/switches.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

// Who may type in somebody's place, what takes it from them, and that a session which was taken is never given back silently.

type Order = {
  readonly session: string
  readonly frozen: boolean
  readonly by: string
  readonly reason: string
  readonly hands: string | null
}

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let sue: TestPerson
let tom: TestPerson
let ann: TestPerson
const key = makeSshKey()
const orders: Order[] = []
const obeys: Dispatch = (method) => async (params) => {
  if (method === 'session.freeze') orders.push({ hands: null, ...(params as object) } as Order)
  return done(null)
}

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', obeys)
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  sue = await vault.person('sue', ['supervisor', 'operator'])
  tom = await vault.person('tom', ['supervisor'])
  ann = await vault.person('ann', ['admin', 'approver'])
  for (const user of ['sue', 'tom'])
    await vault.ask('safe.member.set', { safe: 'line-3', user, permissions: ['supervise'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: ['approve'] })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterEach(async () => {
  for (const { id } of await vault.ask('session.list', { live: true }))
    await endSession(recorder, id).catch(() => undefined)
  for (const { id } of await vault.ask('hold.list', {})) await vault.ask('hold.release', { hold: id })
  orders.length = 0
})
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const connects = async (worker = recorder, name = 'w1') =>
  (await connectSession(worker, { proof: await prove(worker, key, 'bob'), worker: name })).session
const watches = async (who: TestPerson, session: SessionId, worker = recorder) => {
  const { ticket } = must(await api.call('session.watch', { session }, who.token))
  const { login } = must(await api.call('live.open', {}, who.token))
  const taken = must(await worker.call('ticket.redeem', { ticket, login, source: '192.0.2.9' }))
  if (taken.kind !== 'watch') throw new Error('not a watch')
  return taken.watch
}
const asks = async (who: TestPerson, session: SessionId, watch: WatchId, more: object = {}) =>
  api.call('session.take', { session, watch, totpCode: who.code(), ...more }, who.token)
const takes = async (who: TestPerson, session: SessionId, worker = recorder) => {
  const watch = await watches(who, session, worker)
  must(await asks(who, session, watch))
  return watch
}
const leaves = async (watch: WatchId, session: SessionId, by: string) =>
  must(await recorder.call('watch.end', { watch, session, by }))
const last = () => orders.at(-1)
const show = (session: SessionId) => vault.ask('session.show', { session })
const kinds = async (session: SessionId) =>
  (await vault.ask('audit.list', { limit: 100 }))
    .filter(({ entry }) => (entry as { session?: string }).session === session)
    .map(({ kind }) => kind)
    .filter((kind) => /taken|given|take-ended|frozen/.test(kind))

test('what is taken over is held for its user, typed in by the one watch, and given back by who has it', async () => {
  const session = await connects()
  const watch = await takes(sue, session)
  expect(last()).toMatchObject({ frozen: true, by: 'sue', reason: 'taken over', hands: watch })
  expect(await show(session)).toMatchObject({
    state: 'frozen',
    takenBy: 'sue',
    freeze: { by: 'sue', isHeld: true },
  })
  const other = await api.call('session.unfreeze', { session }, ann.token)
  expect(refusalOf(other).message).toBe('sue has taken this session over')
  expect(refusalOf(await api.call('session.giveBack', { session }, tom.token)).code).toBe('conflict')
  must(await api.call('session.giveBack', { session }, sue.token))
  expect(last()).toMatchObject({ frozen: false, by: 'sue', hands: null })
  expect(await show(session)).toMatchObject({ state: 'live', takenBy: null })
  expect(await kinds(session)).toEqual(['session.taken', 'session.given-back'])
})

test('it takes a fresh code, the permission and the role, and a watch of one’s own of that session', async () => {
  const session = await connects()
  const watch = await watches(sue, session)
  const wrong = await asks(sue, session, watch, { totpCode: '000000' })
  expect(refusalOf(wrong).message).toContain('code is wrong')
  const none = await api.call('session.take', { session, watch }, sue.token)
  expect(refusalOf(none).message).toContain('needs a code')
  const toms = await watches(tom, session)
  for (const stolen of [toms, newId('wch')])
    expect(refusalOf(await asks(sue, session, stolen)).message).toBe('you do not watch this session')
  // An administrator who approves there watches and freezes, and takes nothing over.
  const anns = await watches(ann, session)
  expect(refusalOf(await asks(ann, session, anns)).code).toBe('forbidden')
  expect((await show(session)).takenBy).toBe(null)
  expect(orders.filter(({ hands }) => hands !== null)).toEqual([])
  expect((await show(session)).state).toBe('live')
})

test('nobody takes their own session over', async () => {
  await vault.ask('user.roles', { user: 'bob', roles: ['operator', 'supervisor'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['supervise'] })
  const session = await connects()
  const own = await vault.ask('session.show', { session })
  expect(own.user).toBe('bob')
  // Whatever watch is named: they cannot watch themselves either.
  expect(rules['session.take'].notOwn).toBe(true)
  expect(rules['session.watch'].notOwn).toBe(true)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: [] })
  await vault.ask('user.roles', { user: 'bob', roles: ['operator'] })
})

test('of two who take it over at once one does', async () => {
  const session = await connects()
  const [one, two] = [await watches(sue, session), await watches(tom, session)]
  const answers = await Promise.all([asks(sue, session, one), asks(tom, session, two)])
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
  const given = orders.flatMap(({ hands }) => (hands === null ? [] : [hands]))
  expect(new Set(given).size).toBe(1)
  expect((await kinds(session)).filter((kind) => kind === 'session.taken')).toHaveLength(1)
})

test('who leaves leaves it frozen, and it goes on by hand alone', async () => {
  const session = await connects()
  const watch = await takes(sue, session)
  await leaves(watch, session, 'sue')
  expect(last()).toMatchObject({ frozen: true, hands: null })
  expect(await show(session)).toMatchObject({
    state: 'frozen',
    takenBy: null,
    freeze: { by: 'sue', reason: 'taken over, then left' },
  })
  expect(await kinds(session)).toEqual(['session.taken', 'session.take-ended'])
  must(await api.call('session.unfreeze', { session }, ann.token))
  expect(last()).toMatchObject({ frozen: false, hands: null })
})

test('who is supervisor no more types no more, within three seconds, and the session stays frozen', async () => {
  const session = await connects()
  await takes(sue, session)
  const began = performance.now()
  await vault.ask('user.roles', { user: 'sue', roles: ['operator'] })
  await until(() => (last()?.hands === null ? true : undefined))
  expect(performance.now() - began).toBeLessThan(3_000)
  expect(last()).toMatchObject({ frozen: true })
  await until(async () => ((await show(session)).freeze?.reason.includes('not allowed') ? true : undefined))
  await vault.ask('user.roles', { user: 'sue', roles: ['supervisor', 'operator'] })
})

test('a plant switch holds both, and what was taken over goes on as that', async () => {
  await vault.ask('switch.add', { name: 'hall-3', safes: ['line-3'], act: 'freeze' })
  const [added] = await vault.ask('switch.list', {})
  if (added === undefined) throw new Error('there is a switch')
  const turn = async (state: 'run' | 'stop') => {
    for (const known of vault.plane.world.switches.all.values()) known.state = state
    await applySwitches(vault.plane.world)
  }
  const session = await connects()
  const watch = await takes(sue, session)
  await turn('stop')
  expect(last()).toMatchObject({ frozen: true, hands: null })
  const second = await watches(tom, session)
  expect(refusalOf(await asks(tom, session, second)).message).toContain('sue has taken')
  await turn('run')
  expect(last()).toMatchObject({ frozen: true, hands: watch })
  must(await api.call('session.giveBack', { session }, sue.token))
  await turn('stop')
  expect(refusalOf(await asks(tom, session, second))).toMatchObject({
    code: 'held',
    message: 'the plant switch hall-3 holds this session: nobody types in it',
  })
  await turn('run')
  await vault.ask('switch.remove', { switch: 'hall-3' })
})

test('whoever may freeze it takes it from who has it', async () => {
  const session = await connects()
  await takes(sue, session)
  expect(refusalOf(await api.call('session.freeze', { session }, sue.token)).next).toContain('give it back')
  must(await api.call('session.freeze', { session, reason: 'stop, sue' }, ann.token))
  expect(last()).toMatchObject({ frozen: true, by: 'ann', reason: 'stop, sue', hands: null })
  expect(await show(session)).toMatchObject({ takenBy: null, freeze: { by: 'ann' } })
  expect(await kinds(session)).toEqual(['session.taken', 'session.take-ended', 'session.frozen'])
})

test('who freezes it at the moment when somebody takes it over holds them too', async () => {
  const session = await connects()
  for (let round = 0; round < 6; round += 1) {
    const watch = await watches(sue, session)
    const totpCode = sue.code()
    const [taken, frozen] = await Promise.all([
      api.call('session.take', { session, watch, totpCode }, sue.token),
      api.call('session.freeze', { session, reason: 'stop' }, ann.token),
    ])
    expect(frozen.ok).toBe(true)
    if (!taken.ok) expect(taken.refusal.code).toBe('conflict')
    const said = await kinds(session)
    // Whoever takes over what was frozen before they began sees that it was; no freeze that came later is passed by.
    if (said.at(-1) === 'session.taken') await leaves(watch, session, 'sue')
    else {
      expect(await show(session)).toMatchObject({ takenBy: null, freeze: { by: 'ann', reason: 'stop' } })
      expect(last()?.hands).toBe(null)
      await leaves(watch, session, 'sue')
    }
    must(await api.call('session.unfreeze', { session }, ann.token))
  }
})

test('what the policy limits, and a hold on the supervisor, stand against them too', async () => {
  const session = await connects()
  const { digest } = await vault.ask('policy.show', {})
  const document = {
    version: 1,
    groups: {},
    rules: [
      {
        name: 'plant-net',
        effect: 'limit',
        who: { users: ['sue'] },
        what: { safes: ['line-3'] },
        networks: ['10.9.0.0/16'],
      },
    ],
  }
  await vault.ask('policy.apply', { document: document as never, expected: digest })
  const watch = await watches(sue, session)
  expect(refusalOf(await asks(sue, session, watch)).message).toContain('plant-net')
  const toms = await watches(tom, session)
  must(await asks(tom, session, toms))
  const now = (await vault.ask('policy.show', {})).digest
  await vault.ask('policy.apply', { document: { version: 1, groups: {}, rules: [] }, expected: now })
})

const supervised = async (who: object) => {
  const expected = (await vault.ask('policy.show', {})).digest
  const document = {
    version: 1,
    groups: { shift: ['sue', 'tom'] },
    rules: [{ name: 'four-eyes', effect: 'limit', who, what: { safes: ['line-3'] }, supervisors: 'shift' }],
  }
  await vault.ask('policy.apply', { document: document as never, expected })
}
const unsupervised = async () => {
  const expected = (await vault.ask('policy.show', {})).digest
  await vault.ask('policy.apply', { document: { version: 1, groups: {}, rules: [] }, expected })
}

test('nobody supervises themselves: who takes over needs another who watches, and types no more when they leave', async () => {
  await supervised({ everyone: true })
  const session = await connects()
  const watch = await watches(sue, session)
  const alone = refusalOf(await asks(sue, session, watch))
  expect(alone).toMatchObject({ code: 'held' })
  expect(alone.message).toContain('somebody of shift to watch whoever types here')
  expect(await show(session)).toMatchObject({ takenBy: null, state: 'live' })
  // Another watch of their own is no other person.
  await watches(sue, session)
  expect(refusalOf(await asks(sue, session, watch)).code).toBe('held')
  const toms = await watches(tom, session)
  must(await asks(sue, session, watch))
  expect(last()).toMatchObject({ frozen: true, hands: watch })
  await leaves(toms, session, 'tom')
  expect(last()).toMatchObject({ frozen: true, hands: null })
  expect(await show(session)).toMatchObject({ state: 'frozen', takenBy: null })
  expect(await kinds(session)).toEqual(['session.taken', 'session.take-ended'])
  // To stop takes nobody.
  must(await api.call('session.terminate', { session }, sue.token))
  await unsupervised()
})

test('of one who leaves at the moment when another takes over, none types alone', async () => {
  await supervised({ everyone: true })
  const session = await connects()
  for (let round = 0; round < 6; round += 1) {
    const watch = await watches(sue, session)
    const toms = await watches(tom, session)
    const totpCode = sue.code()
    await Promise.all([
      api.call('session.take', { session, watch, totpCode }, sue.token),
      leaves(toms, session, 'tom'),
    ])
    await until(() => ((last()?.hands ?? null) === null ? true : undefined))
    expect((await show(session)).takenBy).toBe(null)
    await leaves(watch, session, 'sue')
    await api.call('session.unfreeze', { session }, ann.token)
  }
  await unsupervised()
})

test('a rule for those who come from outside wants nobody beside the plant’s own supervisor', async () => {
  await supervised({ users: ['bob'] })
  const session = await connects()
  await takes(sue, session)
  expect(await show(session)).toMatchObject({ takenBy: 'sue' })
  await unsupervised()
})

test.each([
  ['changed', `update session_freeze set frozen = false where session_id = $1`],
  ['deleted', `delete from session_freeze where session_id = $1`],
])('a row that is %s under a take-over gives the session to nobody', async (_how, statement) => {
  const session = await connects()
  await takes(sue, session)
  const { rows } = await superuser.query('select * from session_freeze where session_id = $1', [session])
  await superuser.query(statement, [session])
  await expect(api.call('session.giveBack', { session }, sue.token)).rejects.toThrow()
  const live = vault.plane.world.live.get(session)
  if (live === undefined) throw new Error('the session lives')
  // As a vault that started again finds it: nobody has it, and what the row says is not believed.
  Object.assign(live, { freeze: null, taken: null, isVetted: false, freezeTold: false })
  await until(async () => ((await show(session)).freeze?.by === 'vault' ? true : undefined))
  await until(() => (last()?.frozen === true && last()?.hands === null ? true : undefined))
  await superuser.query('delete from session_freeze where session_id = $1', [session])
  await superuser.query(
    'insert into session_freeze values ($1, $2, $3, $4, $5, $6, $7)',
    Object.values(rows[0] as object),
  )
})

test('a worker that is killed under a take-over ends it, and its user is held off until somebody lets them', async () => {
  const dying = await vault.worker('w2', obeys)
  const session = await connects(dying, 'w2')
  await takes(sue, session, dying)
  dying.close()
  await until(async () => ((await kinds(session)).includes('session.take-ended') ? true : undefined))
  expect((await show(session)).takenBy).toBe(null)
  await endLost(vault.plane.world, [session])
  const answer = await open(recorder, { proof: await prove(recorder, key, 'bob') })
  expect(refusalOf(answer)).toMatchObject({ code: 'held' })
})
