import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Permit } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import {
  connectSession,
  endSession,
  makeSshKey,
  open,
  prove,
  startCall,
  until,
} from '../../support/vault-ssh.ts'

type Cut = { readonly session: string; readonly reason: string; readonly message: string }

let vault: TestVault
let recorder: VaultClient
const cuts: Cut[] = []
const takesCuts: Dispatch = (method) =>
  method === 'session.cut'
    ? async (params) => {
        cuts.push(params as Cut)
        return done(null)
      }
    : undefined
const key = makeSshKey()

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  recorder = await vault.worker('w1', takesCuts)
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())

const cutOf = (session: Permit['session']) => until(() => cuts.find((cut) => cut.session === session))
const show = (session: Permit['session']) => vault.ask('session.show', { session })
const openAs = async (more: { account?: string; target?: string; wants?: 'shell' | 'exec' } = {}) =>
  open(recorder, { proof: await prove(recorder, key, 'bob'), ...more })
const connect = async () => connectSession(recorder, { proof: await prove(recorder, key, 'bob') })

async function withGrant(
  act: () => Promise<void>,
  more: Partial<Parameters<TestVault['grant']>[2]> = {},
): Promise<void> {
  const grant = await vault.grant('bob', 'press-3/engineer', more)
  try {
    await act()
  } finally {
    await vault.admin.call('grant.revoke', { grant: grant.id })
    for (const session of await vault.ask('session.list', { live: true }))
      await recorder.call('session.end', {
        session: session.id,
        reason: 'shut down',
        recording: { state: 'complete', sizeBytes: 1 },
      })
  }
}

test('without a grant, an unknown and a forbidden target read alike', async () => {
  const forbidden = refusalOf(await openAs())
  expect(refusalOf(await openAs({ target: 'no-such-target' }))).toEqual(forbidden)
  expect(refusalOf(await openAs({ account: 'no-such-account' }))).toEqual(forbidden)
  expect(forbidden.next).toBeDefined()
  const leaves = await vault.ask('audit.list', { kind: 'session.refused' })
  expect(leaves).toHaveLength(3)
})

test('the credential of a session leaves once', () =>
  withGrant(async () => {
    const permit = must(await openAs())
    const calls = [0, 1, 2].map(() => recorder.call('session.start', startCall(permit.session).input))
    const outcomes = await Promise.all(calls)
    expect(outcomes.filter((outcome) => outcome.ok)).toHaveLength(1)
    expect(refusalOf(await recorder.call('session.start', startCall(permit.session).input)).code).toBe(
      'conflict',
    )
  }))

test('another worker cannot start, sign for or end a session that one carries', () =>
  withGrant(async () => {
    const permit = must(await openAs())
    const other = await vault.worker('w2')
    expect(refusalOf(await other.call('session.start', startCall(permit.session).input)).code).toBe(
      'forbidden',
    )
    const end = {
      session: permit.session,
      reason: 'terminated',
      recording: { state: 'complete', sizeBytes: 1 },
    }
    expect((await other.call('session.end', end as never)).ok).toBe(false)
    other.close()
  }))

test('a session is connected only after its credential has left', () =>
  withGrant(async () => {
    const permit = must(await openAs())
    expect(refusalOf(await recorder.call('session.connected', { session: permit.session })).code).toBe(
      'conflict',
    )
  }))

test('a revoked grant cuts its sessions, and lets nobody start one that was opened before', () =>
  withGrant(async () => {
    const grant = await vault.grant('bob', 'press-3/engineer', {
      maxSessionSeconds: 86_400,
      forSeconds: 86_400,
    })
    const permit = await connect()
    const opened = must(await openAs())
    expect(permit.grant).toBe(grant.id)
    await vault.ask('grant.revoke', { grant: grant.id })
    expect((await cutOf(permit.session)).reason).toBe('grant revoked')
    expect((await recorder.call('session.start', startCall(opened.session).input)).ok).toBe(false)
  }))

test('a session is cut when its time is up', () =>
  withGrant(
    async () => {
      const permit = await connect()
      vault.advance(601_000)
      expect((await cutOf(permit.session)).reason).toBe('time is up')
    },
    { maxSessionSeconds: 600 },
  ))

test('a disabled user is cut and cannot come back with the proof they have', () =>
  withGrant(async () => {
    const proof = await prove(recorder, key, 'bob')
    const permit = await connect()
    await vault.ask('user.disable', { user: 'bob' })
    expect((await cutOf(permit.session)).reason).toBe('user disabled')
    expect((await open(recorder, { proof })).ok).toBe(false)
    await vault.ask('user.enable', { user: 'bob' })
  }))

test('a terminated session is cut with the reason that was given', () =>
  withGrant(async () => {
    const permit = await connect()
    await vault.ask('session.terminate', { session: permit.session, reason: 'fire drill' })
    expect((await cutOf(permit.session)).message).toMatch(/fire drill/)
    await endSession(recorder, permit.session, 'terminated')
    expect(await show(permit.session)).toMatchObject({ state: 'ended', endReason: 'terminated' })
    const again = await vault.admin.call('session.terminate', { session: permit.session })
    expect(refusalOf(again).code).toBe('conflict')
  }))

test('a worker that does not end a session is told again', () =>
  withGrant(async () => {
    const permit = await connect()
    await vault.ask('session.terminate', { session: permit.session })
    await cutOf(permit.session)
    const before = cuts.length
    vault.advance(2_500)
    await until(() => (cuts.length > before ? true : undefined))
  }))

test('a session whose worker is gone for 12 s has ended, its recording incomplete', () =>
  withGrant(async () => {
    const worker = await vault.worker('w9')
    const permit = await connectSession(worker, { proof: await prove(worker, key, 'bob'), worker: 'w9' })
    worker.close()
    await until(() => (vault.plane.world.live.get(permit.session)?.peer === undefined ? true : undefined))
    expect((await show(permit.session)).state).toBe('live')
    vault.advance(12_000)
    const ended = await until(async () => {
      const session = await show(permit.session)
      return session.state === 'ended' ? session : undefined
    })
    expect(ended.endReason).toBe('recorder crashed')
    expect(await vault.ask('recording.show', { recording: permit.recording })).toMatchObject({
      state: 'incomplete',
    })
    // What a later look at the file finds is better than nothing known.
    must(
      await recorder.call('session.end', {
        session: permit.session,
        reason: 'recorder crashed',
        recording: { state: 'incomplete', sizeBytes: 777 },
      }),
    )
    expect(await vault.ask('recording.show', { recording: permit.recording })).toMatchObject({
      sizeBytes: 777,
    })
  }))

test('a worker that comes back in time keeps its sessions, and hears which must end', () =>
  withGrant(async () => {
    const grant = await vault.grant('bob', 'press-3/engineer', {
      maxSessionSeconds: 86_400,
      forSeconds: 86_400,
    })
    const worker = await vault.worker('w8')
    const opening = { proof: await prove(worker, key, 'bob'), worker: 'w8' }
    const kept = await connectSession(worker, opening)
    worker.close()
    await until(() => (vault.plane.world.live.get(kept.session)?.peer === undefined ? true : undefined))
    await vault.ask('grant.revoke', { grant: grant.id })

    const back = await vault.connect('recorder', takesCuts)
    const hello = must(
      await back.call('recorder.hello', { node: 'node-1', worker: 'w8', live: [kept.session] }),
    )
    expect(hello.end).toEqual([{ session: kept.session, reason: 'grant revoked' }])
    await endSession(back, kept.session, 'grant revoked')
    back.close()
  }))

test('what a worker does not name when it comes back is lost at once', () =>
  withGrant(async () => {
    const worker = await vault.worker('w7')
    const permit = await connectSession(worker, { proof: await prove(worker, key, 'bob'), worker: 'w7' })
    worker.close()
    const back = await vault.worker('w7')
    expect((await show(permit.session)).endReason).toBe('recorder crashed')
    back.close()
  }))

test('a vault that starts again finds its sessions, and gives up those that nobody claims', () =>
  withGrant(async () => {
    const kept = await connect()
    const lost = await connect()
    await vault.restart()
    recorder = await vault.connect('recorder', takesCuts)
    const hello = { node: 'node-1', worker: 'w1', live: [kept.session] }
    expect(must(await recorder.call('recorder.hello', hello)).end).toEqual([])
    vault.advance(12_000)
    await until(async () => ((await show(lost.session)).state === 'ended' ? true : undefined))
    expect((await show(kept.session)).state).toBe('live')
    // Its credential has left in an earlier life of the vault: it does not leave again.
    expect((await recorder.call('session.start', startCall(kept.session).input)).ok).toBe(false)
    await endSession(recorder, kept.session)
  }))

test('a checkpoint that cannot be written takes none of another recording with it', () =>
  withGrant(async () => {
    const [one, other] = [await connect(), await connect()]
    const checkpoint = (session: typeof one.session, length: number) =>
      recorder.call('session.checkpoint', {
        session,
        checkpoint: Buffer.alloc(length).toString('base64'),
        signature: 'AAAA',
        sizeBytes: 99,
      })
    const both = await Promise.all([checkpoint(one.session, 60_000), checkpoint(other.session, 200)])
    expect(refusalOf(both[0]).code).toBe('invalid')
    expect(both[1].ok).toBe(true)
    for (const { session } of [one, other]) await endSession(recorder, session)
  }))

test('while the vault is sealed sessions go on and end, and none begins', () =>
  withGrant(async () => {
    const permit = await connect()
    const proof = await prove(recorder, key, 'bob')
    await vault.ask('vault.seal', { sessions: 'keep' })
    expect(refusalOf(await open(recorder, { proof })).code).toBe('sealed')
    must(
      await recorder.call('session.checkpoint', {
        session: permit.session,
        checkpoint: 'AAAA',
        signature: 'AAAA',
        sizeBytes: 99,
      }),
    )
    must(
      await recorder.call('recorder.space', {
        node: 'node-1',
        state: 'reserve freed',
        freeBytes: 70_000_000,
      }),
    )
    await endSession(recorder, permit.session)
    expect((await vault.admin.call('session.list', {})).ok).toBe(false)
    await vault.ask('vault.unseal', { kind: 'stored-key-file' })
    const said = (await vault.ask('audit.list', { limit: 20 })).map(({ text }) => text)
    expect(said).toContainEqual(expect.stringContaining('recorder on node-1 has 70 MB of free space'))
    expect((await show(permit.session)).state).toBe('ended')
    expect((await vault.ask('audit.verify', {})).ok).toBe(true)
    // A proof from before the seal is good no longer.
    expect(refusalOf(await open(recorder, { proof })).code).toBe('unauthenticated')
  }))

test('sealing with the sessions ends them', () =>
  withGrant(async () => {
    const permit = await connect()
    await vault.ask('vault.seal', { sessions: 'end' })
    expect((await cutOf(permit.session)).reason).toBe('vault sealed')
    await vault.ask('vault.unseal', { kind: 'stored-key-file' })
  }))

test('a changed host key shows at the target until somebody pins it', () =>
  withGrant(async () => {
    const permit = must(await openAs())
    const fingerprint = `SHA256:${'A'.repeat(43)}`
    must(
      await recorder.call('session.event', {
        session: permit.session,
        event: 'changed key',
        detail: `ssh-ed25519 ${fingerprint}`,
      }),
    )
    const target = await vault.ask('target.show', { target: 'press-3' })
    expect(target.changedKey).toMatchObject({ type: 'ssh-ed25519', fingerprint })
    const pinned = await vault.ask('target.pin', { target: 'press-3', fingerprint })
    expect(pinned).toMatchObject({ changedKey: null, pins: [{ type: 'ssh-ed25519', fingerprint }] })
  }))

test('a changed address lets nobody in until somebody binds again', () =>
  withGrant(async () => {
    await vault.ask('target.address', { target: 'press-3', address: 'ssh://127.0.0.9:22' })
    expect((await vault.ask('account.show', { account: 'press-3/engineer' })).boundTo).toEqual([])
    expect(refusalOf(await openAs()).code).toBe('not_pinned')
    await vault.ask('account.bind', { account: 'press-3/engineer' })
    expect(must(await openAs()).target.host).toBe('127.0.0.9')
  }))

test('the account may be left out while one is granted, and is asked for when two are', () =>
  withGrant(async () => {
    expect(must(await openAs()).account.login).toBe('engineer')
    await vault.account({ login: 'operator' })
    expect(must(await openAs()).account.login).toBe('engineer')
    const second = await vault.grant('bob', 'press-3/operator')
    expect(refusalOf(await openAs()).message).toMatch(/engineer, operator|operator, engineer/)
    expect(must(await openAs({ account: 'operator' })).account.login).toBe('operator')
    await vault.ask('grant.revoke', { grant: second.id })
  }))
