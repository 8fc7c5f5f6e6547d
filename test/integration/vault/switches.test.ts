import { createHmac } from 'node:crypto'
import sodium from 'libsodium-wrappers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Permit, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../../vault/kernel/rpc.ts'
import { signedText } from '../../../vault/switches/verbs.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let ann: TestPerson
let key: string
const ssh = makeSshKey()
const orders: {
  readonly method: string
  readonly session: string
  readonly frozen?: boolean
  readonly by?: string
}[] = []
const obeys: Dispatch = (method) => async (params) => {
  orders.push({ method, ...(params as { session: string }) })
  return done(null)
}

beforeAll(async () => {
  await sodium.ready
  vault = await startTestVault()
  recorder = await vault.worker('w1', obeys)
  api = await vault.connect('api')
  ann = await vault.person('ann', ['admin'])
  await vault.account()
  await vault.account({ target: 'mill-4', safe: 'line-4' })
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: ssh.line })
  for (const account of ['press-3/engineer', 'mill-4/engineer']) await vault.grant('bob', account)
  await vault.ask('switch.add', { name: 'hall-3', safes: ['line-3'], act: 'freeze' })
  key = (await vault.ask('switch.key', { switch: 'hall-3' })).key
}, 60_000)
afterAll(() => vault[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
  orders.length = 0
})

const signed = (
  state: 'run' | 'stop',
  more: Partial<VerbInput<'switch.call'>> & { readonly key?: string } = {},
): VerbInput<'switch.call'> => {
  vault.advance(1_000)
  const at = more.at ?? vault.now().toISOString()
  const name = more.switch ?? 'hall-3'
  const signature = createHmac('sha256', Buffer.from(more.key ?? key, 'hex'))
    .update(signedText(name, more.state ?? state, at))
    .digest('hex')
  return {
    switch: name,
    state,
    at,
    signature,
    source: '192.0.2.5',
    ...(more.signature === undefined ? {} : { signature: more.signature }),
  }
}
const call = (input: VerbInput<'switch.call'>) => api.call('switch.call', input)
const connects = async (target = 'press-3') =>
  connectSession(recorder, { proof: await prove(recorder, ssh, 'bob'), target })
const opens = async (target = 'press-3') =>
  open(recorder, { proof: await prove(recorder, ssh, 'bob'), target })
const show = (session: Permit['session']) => vault.ask('session.show', { session })
const ordersOf = (session: string) => orders.filter((order) => order.session === session)

test('a switch that calls holds its safes, keeps others out of them, and lets go on; elsewhere work goes on', async () => {
  const here = await connects()
  const there = await connects('mill-4')
  must(await call(signed('stop')))
  expect(ordersOf(here.session).at(-1)).toMatchObject({
    method: 'session.freeze',
    frozen: true,
    by: 'plant switch hall-3',
  })
  expect(await show(here.session)).toMatchObject({
    state: 'frozen',
    freeze: { by: 'plant switch hall-3', isHeld: true },
  })
  expect(ordersOf(there.session)).toEqual([])
  expect(refusalOf(await opens())).toMatchObject({
    code: 'held',
    message: 'the plant switch hall-3 is off: nobody works there now',
  })
  const explained = await vault.ask('policy.explain', { user: 'bob', account: 'press-3/engineer' })
  expect(explained).toMatchObject({
    allowed: false,
    sentence:
      'the plant switch hall-3 is off: until it is on, nobody connects to what is in press-3’s safe, whatever lets them in',
    next: 'have it turned on at the plant: nothing here does',
  })
  expect(explained.steps.map(({ what }) => what)).toContain('plant switch hall-3')
  expect(refusalOf(await vault.admin.call('session.unfreeze', { session: here.session })).message).toContain(
    'the plant switch hall-3 holds this session',
  )
  must(await call(signed('run')))
  await until(() => (ordersOf(here.session).at(-1)?.frozen === false ? true : undefined))
  expect((await show(here.session)).freeze).toBe(null)
  must(await opens())
  const log = (await vault.ask('audit.list', { kind: 'switch.turned', limit: 100 })).map(({ text }) => text)
  expect(log.at(-2)).toContain('stopped work: the plant switch hall-3 is off')
  expect(log.at(-1)).toContain('let work go on: the plant switch hall-3 is on')
  expect(await vault.ask('hold.list', {})).toEqual([])
})

test('a call is taken once, by the switch whose key signed it, for what it says, while it is new', async () => {
  const stop = signed('stop')
  must(await call(stop))
  const run = signed('run')
  must(await call(run))
  const bad = { code: 'unauthenticated', message: 'there is no such plant switch, or this is no call of it' }
  // Neither of them again, in whichever order: not by somebody who listens on the line.
  for (const old of [stop, run]) expect(refusalOf(await call(old))).toMatchObject(bad)
  const other = signed('run')
  expect(refusalOf(await call({ ...other, state: 'stop' }))).toMatchObject(bad)
  expect(refusalOf(await call(signed('stop', { key: '00'.repeat(32) })))).toMatchObject(bad)
  expect(refusalOf(await call(signed('stop', { switch: 'no-such' })))).toMatchObject(bad)
  const late = new Date(vault.now().getTime() - 6 * 60_000).toISOString()
  const early = new Date(vault.now().getTime() + 6 * 60_000).toISOString()
  for (const at of [late, early]) expect(refusalOf(await call(signed('stop', { at })))).toMatchObject(bad)
  // Of two copies at once one is taken.
  const twice = signed('stop')
  const both = await Promise.all([call(twice), call(twice)])
  expect(both.filter(({ ok }) => ok)).toHaveLength(1)
  must(await call(signed('run')))
})

test('one that terminates ends what runs, and nothing else', async () => {
  await vault.ask('switch.add', { name: 'gate', safes: ['line-4'], act: 'terminate' })
  const gate = (await vault.ask('switch.key', { switch: 'gate' })).key
  const here = await connects()
  const there = await connects('mill-4')
  must(await call(signed('stop', { switch: 'gate', key: gate })))
  await until(() =>
    ordersOf(there.session).some(({ method }) => method === 'session.cut') ? true : undefined,
  )
  expect(ordersOf(here.session)).toEqual([])
  expect(refusalOf(await opens('mill-4')).code).toBe('held')
  await endSession(recorder, there.session)
  await vault.ask('switch.remove', { switch: 'gate' })
  must(await opens('mill-4'))
})

test('an input holds from the beginning until it was read, and when it is lost', async () => {
  const added = await vault.ask('switch.add', {
    name: 'key-7',
    safes: ['line-4'],
    act: 'terminate',
    input: 'modbus://10.0.3.9/1/discrete/12',
    stopsAt: false,
  })
  expect(refusalOf(await opens('mill-4')).code).toBe('held')
  expect(must(await api.call('switch.inputs', {}))).toEqual([
    {
      switch: added.id,
      input: 'modbus://10.0.3.9/1/discrete/12',
      ...{ host: '10.0.3.9', port: 502, unit: 1, kind: 'discrete', number: 12, stopsAt: false },
    },
  ])
  const sense = async (state: 'run' | 'stop' | 'lost') =>
    must(await api.call('switch.sense', { switch: added.id, state }))
  await sense('run')
  const permit = await connects('mill-4')
  // Whatever it does when it is turned: what cannot be read holds, and ends nothing.
  await sense('lost')
  expect(ordersOf(permit.session).map(({ method }) => method)).toEqual(['session.freeze'])
  await sense('run')
  await sense('stop')
  await until(() => (ordersOf(permit.session).at(-1)?.method === 'session.cut' ? true : undefined))
  await endSession(recorder, permit.session)
  expect(refusalOf(await vault.admin.call('switch.key', { switch: 'key-7' })).message).toContain(
    'calls nobody',
  )
  await vault.ask('switch.remove', { switch: 'key-7' })
})

test('it holds while the vault is sealed, and after it has started again', async () => {
  const added = await vault.ask('switch.add', {
    name: 'key-8',
    safes: ['line-3'],
    act: 'freeze',
    input: 'modbus://10.0.3.9/1/coil/1',
    stopsAt: true,
  })
  must(await api.call('switch.sense', { switch: added.id, state: 'run' }))
  const permit = await connects()
  await vault.ask('vault.seal', { sessions: 'keep' })
  must(await api.call('switch.sense', { switch: added.id, state: 'stop' }))
  expect(ordersOf(permit.session).at(-1)).toMatchObject({ frozen: true, by: 'plant switch key-8' })
  expect(refusalOf(await api.call('switch.sense', { switch: added.id, state: 'run' })).code).toBe('sealed')
  await vault.ask('vault.unseal', { kind: 'stored-key-file' })
  must(await api.call('switch.sense', { switch: added.id, state: 'run' }))
  await until(() => (ordersOf(permit.session).at(-1)?.frozen === false ? true : undefined))
  must(await api.call('switch.sense', { switch: added.id, state: 'stop' }))
  await vault.restart()
  recorder = await vault.connect('recorder', obeys)
  api = await vault.connect('api')
  orders.length = 0
  must(await recorder.call('recorder.hello', { node: 'node-1', worker: 'w1', live: [permit.session] }))
  await until(() => (ordersOf(permit.session).at(-1)?.frozen === true ? true : undefined))
  expect(orders.filter(({ frozen }) => frozen === false)).toEqual([])
  expect(refusalOf(await opens()).code).toBe('held')
  await vault.ask('switch.remove', { switch: 'key-8' })
})

test('a person adds and takes away a switch with a fresh code, and sees no key', async () => {
  const input: VerbInput<'switch.add'> = { name: 'hall-9', safes: ['line-3'], act: 'freeze' }
  expect(refusalOf(await api.call('switch.add', input, ann.token)).message).toContain('totpCode')
  must(await api.call('switch.add', { ...input, totpCode: ann.code() }, ann.token))
  expect((await api.call('switch.key', { switch: 'hall-9' }, ann.token)).ok).toBe(false)
  expect(refusalOf(await vault.admin.call('switch.add', { ...input, name: 'HALL-9' })).code).toBe('conflict')
  expect(refusalOf(await vault.admin.call('switch.add', { ...input, name: 'x', safes: ['none'] })).code).toBe(
    'not_found',
  )
  expect(refusalOf(await vault.admin.call('switch.add', { ...input, name: 'x', stopsAt: true })).code).toBe(
    'invalid',
  )
  expect(
    refusalOf(
      await vault.admin.call('switch.add', { ...input, name: 'x', input: 'modbus://x', stopsAt: true }),
    ).message,
  ).toContain('input:')
  must(await api.call('switch.remove', { switch: 'hall-9', totpCode: ann.code() }, ann.token))
})

test('a switch that calls is added with its key sealed to who adds it, once', async () => {
  const box = sodium.crypto_box_keypair()
  const boxKey = Buffer.from(box.publicKey).toString('base64')
  const input: VerbInput<'switch.add'> = { name: 'hall-9', safes: ['line-3'], act: 'freeze', boxKey }
  const added = must(await api.call('switch.add', { ...input, totpCode: ann.code() }, ann.token))
  const opened = sodium.crypto_box_seal_open(
    Buffer.from(added.sealedKey ?? '', 'base64'),
    box.publicKey,
    box.privateKey,
  )
  const own = Buffer.from(opened).toString('utf8')
  expect(own).toBe((await vault.ask('switch.key', { switch: 'hall-9' })).key)
  must(await call(signed('stop', { switch: 'hall-9', key: own })))
  expect(
    (await vault.ask('audit.list', { kind: 'switch.key-shown', limit: 100 })).map(({ text }) => text),
  ).toContain('ann was shown the key of the plant switch hall-9 from 192.0.2.10')
  expect(JSON.stringify(await vault.ask('switch.list', {}))).not.toContain(own)
  const read = { ...input, name: 'x', input: 'modbus://10.0.3.9/1/coil/1', stopsAt: false }
  expect(refusalOf(await vault.admin.call('switch.add', read)).message).toContain('boxKey: what is read')
  expect(
    refusalOf(await vault.admin.call('switch.add', { ...input, name: 'x', boxKey: 'AAAA' })).message,
  ).toContain('32 bytes')
  await vault.ask('switch.remove', { switch: 'hall-9' })
})

test('a switch is changed with a fresh code: what it holds no more goes on, what it holds now is held', async () => {
  await vault.ask('switch.add', { name: 'gate', safes: ['line-3'], act: 'freeze' })
  const gate = (await vault.ask('switch.key', { switch: 'gate' })).key
  must(await call(signed('stop', { switch: 'gate', key: gate })))
  const there = await connects('mill-4')
  expect(refusalOf(await opens()).code).toBe('held')
  const change = { switch: 'gate', safes: ['line-4'] }
  expect(refusalOf(await api.call('switch.change', change, ann.token)).message).toContain('totpCode')
  const changed = must(await api.call('switch.change', { ...change, totpCode: ann.code() }, ann.token))
  expect(changed).toMatchObject({ safes: ['line-4'], state: 'stop', act: 'freeze' })
  await until(() => (ordersOf(there.session).at(-1)?.frozen === true ? true : undefined))
  must(await opens())
  // A turn after the change is of what it holds now, by the same key.
  must(await call(signed('run', { switch: 'gate', key: gate })))
  await until(() => (ordersOf(there.session).at(-1)?.frozen === false ? true : undefined))
  expect((await vault.ask('audit.list', { kind: 'switch.changed', limit: 100 })).at(-1)?.text).toBe(
    'ann changed the plant switch gate (safes): freeze for line-4 from 192.0.2.10',
  )
  for (const [more, said] of [
    [{ safes: ['line-4'] }, 'is so already'],
    [{ safes: ['none'] }, 'there is no safe'],
    [{ input: 'modbus://10.0.3.9/1/coil/1', stopsAt: true }, 'gate calls: nothing is read of it'],
  ] as const)
    expect(
      refusalOf(await vault.admin.call('switch.change', { switch: 'gate', ...more } as never)).message,
    ).toContain(said)
  await vault.ask('switch.remove', { switch: 'gate' })
})

test('an input is read once for who asks, through who reads inputs; nothing is turned by it', async () => {
  const at = 'modbus://10.0.3.9/1/discrete/12'
  const added = await vault.ask('switch.add', {
    ...{ name: 'key-9', safes: ['line-4'], act: 'freeze' as const, input: at, stopsAt: false },
  })
  const reads = async (answer: { readonly reads?: boolean; readonly fault?: string }) => {
    const [test] = await until(async () => {
      const found = must(await api.call('switch.tests', {}))
      return found.length > 0 ? found : undefined
    })
    if (test === undefined) throw new Error('nothing to read')
    expect(test).toMatchObject({ host: '10.0.3.9', port: 502, unit: 1, kind: 'discrete', number: 12 })
    // It is handed out once.
    expect(must(await api.call('switch.tests', {}))).toEqual([])
    must(await api.call('switch.tested', { test: test.test, ...answer }))
    expect(refusalOf(await api.call('switch.tested', { test: test.test, ...answer })).code).toBe('not_found')
  }
  const tests = async (
    of: VerbInput<'switch.test'>,
    answer: { readonly reads?: boolean; readonly fault?: string },
  ) => {
    const asked = api.call('switch.test', of, ann.token)
    await reads(answer)
    return must(await asked)
  }
  expect(await tests({ switch: 'key-9' }, { reads: false })).toEqual({
    ...{ input: at, reads: false, fault: null, stops: true },
  })
  expect(await tests({ input: at }, { reads: true })).toEqual({
    ...{ input: at, reads: true, fault: null, stops: null },
  })
  expect(await tests({ input: at }, { fault: 'no connection' })).toMatchObject({
    ...{ reads: null, fault: 'no connection' },
  })
  expect((await vault.ask('switch.list', {})).find(({ id }) => id === added.id)?.state).toBe('lost')
  expect(
    (await vault.ask('audit.list', { kind: 'switch.tested', limit: 100 })).map(({ text }) => text),
  ).toEqual([
    `ann had the input "${at}" read once: off from 192.0.2.10`,
    `ann had the input "${at}" read once: on from 192.0.2.10`,
    `ann had the input "${at}" read once: nothing from 192.0.2.10`,
  ])
  for (const [of, said] of [
    [{}, 'input: say which'],
    [{ switch: 'key-9', input: at }, 'input: say which'],
    [{ input: 'modbus://169.254.169.254/1/coil/1' }, 'input: nothing of a plant is at'],
    [{ switch: 'hall-3' }, 'calls: nothing is read of it'],
  ] as const)
    expect(refusalOf(await api.call('switch.test', of, ann.token)).message).toContain(said)
  await vault.ask('switch.remove', { switch: 'key-9' })
})
