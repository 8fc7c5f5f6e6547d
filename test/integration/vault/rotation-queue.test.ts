import { createPostgresBackend, createRedisBackend, Queue } from 'bullmq'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrateQueue } from '../../../migrations/queue.ts'
import { newId, type RotationId } from '../../../vault/kernel/id.ts'
import type { QueueStore } from '../../../vault/rotation/worker/queue.ts'
import { startRotationWorker } from '../../../vault/rotation/worker/serve.ts'
import { type FakeSshTarget, type FakeUser, startFakeSshTarget } from '../../support/fake-ssh-target.ts'
import { startRedis, type TestRedis, whyNoRedis } from '../../support/redis.ts'
import { withClient } from '../../../migrations/roles.ts'
import { startTestVault, type TestVault } from '../../support/vault.ts'
import { until } from '../../support/vault-ssh.ts'

/** The bell of rotation on both of its stores: what it rings for is done, and losing or forging it does nothing. */

let vault: TestVault
let target: FakeSshTarget
let redis: TestRedis | undefined
const noRedis = whyNoRedis()
if (noRedis !== undefined) process.stderr.write(`the queue on Redis is left out: ${noRedis}\n`)

beforeAll(async () => {
  vault = await startTestVault()
  await migrateQueue(vault.postgres.ownerUrl)
  target = await startFakeSshTarget()
  if (noRedis === undefined) redis = await startRedis()
  await vault.ask('safe.add', { name: 'line-3' })
  const address = `ssh://127.0.0.1:${target.port}`
  await vault.ask('target.add', { name: 'machine', safe: 'line-3', address, pin: target.pin })
})
afterAll(async () => {
  await target[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
  await vault[Symbol.asyncDispose]()
})

let count = 0
async function account() {
  count += 1
  const login = `u${count}`
  const user: FakeUser = { password: `S3cret-of-${login}`, behaviour: 'obeys', refused: 0, accepted: 0 }
  target.users.set(login, user)
  const name = `machine/${login}`
  const credential = await vault.sealPassword(name, user.password)
  await vault.ask('account.add', { target: 'machine', login, credential })
  await vault.ask('rotation.set', { account: name, connector: 'linux-password' })
  return { name, user }
}

const over = (run: RotationId) =>
  until(async () => {
    const shown = await vault.ask('rotation.show', { run })
    return shown.endedAt === null ? undefined : shown
  }, 20_000)

const stores = ['postgres', ...(noRedis === undefined ? ['redis'] : [])] as const

describe.each(stores)('on %s', (kind) => {
  const store = (): QueueStore =>
    kind === 'postgres'
      ? { kind: 'postgres', url: vault.postgres.urls.rotation }
      : { kind: 'redis', url: redis?.url ?? '' }
  const start = (name: string) =>
    startRotationWorker({
      ...{ dataDir: vault.dataDir, identity: vault.identities.rotation, store: store(), name },
      onFault: (what, error) =>
        process.env['TAGOUT_TEST_FAULTS'] !== undefined &&
        process.stderr.write(`${what}: ${inspect(error)}\n`),
    })
  /** Empties the store, as somebody does who has lost it. */
  const lose = async () => {
    if (kind === 'redis') return void (await redis?.ask('FLUSHALL'))
    await withClient(vault.postgres.ownerUrl, async (client) => {
      const { rows } = await client.query<{ name: string }>(
        "select relname as name from pg_class where relnamespace = 'bullmq'::regnamespace and relkind = 'r' and relname <> 'migration'",
      )
      await client.query(
        `truncate ${rows.map(({ name }) => `bullmq.${client.escapeIdentifier(name)}`).join(', ')}`,
      )
    })
  }
  /** All that lies in the store, as text. */
  const dump = async (): Promise<string> => {
    if (kind === 'redis') {
      const keys =
        (await redis?.ask('KEYS *'))?.split('\r\n').filter((line) => line.startsWith('bull:')) ?? []
      const values = await Promise.all(
        keys.flatMap((key) =>
          ['HGETALL', 'LRANGE', 'ZRANGE'].map((how) =>
            (redis as TestRedis).ask(`${how} ${key}${how === 'HGETALL' ? '' : ' 0 -1'}`),
          ),
        ),
      )
      return [...keys, ...values].join('\n')
    }
    let text = ''
    await withClient(vault.postgres.ownerUrl, async (client) => {
      const { rows } = await client.query<{ name: string }>(
        "select relname as name from pg_class where relnamespace = 'bullmq'::regnamespace and relkind = 'r'",
      )
      for (const { name } of rows)
        text += JSON.stringify(
          (await client.query(`select t::text from bullmq.${client.escapeIdentifier(name)} t`)).rows,
        )
    })
    return text
  }

  test('what is due is done by itself, also when the queue is lost in between', async () => {
    await using _ = await start(`itself-${kind}`)
    const one = await account()
    const asked = performance.now()
    const { id } = await vault.ask('rotation.start', { account: one.name })
    expect(await over(id)).toMatchObject({ phase: 'done', version: 2 })
    process.stdout.write(
      `rotation on ${kind}: ${Math.round(performance.now() - asked)} ms from asked to promoted\n`,
    )

    // Lost before anybody has begun, and with all the others that wait.
    const others = await Promise.all([1, 2, 3, 4, 5].map(() => account()))
    const runs = await Promise.all(others.map(({ name }) => vault.ask('rotation.start', { account: name })))
    await lose()
    for (const run of runs) expect(await over(run.id)).toMatchObject({ phase: 'done' })
    for (const { user } of others) expect(user).toMatchObject({ refused: 0, accepted: 2 })
  })

  test('a job that somebody forged does nothing; what lies in the store is ids', async () => {
    const name = `forged-${kind}`
    const one = await account()
    const two = await account()
    await vault.ask('rotation.hold', { safe: 'line-3', reason: 'x' })
    const { id } = await vault.ask('rotation.start', { account: two.name, reason: 'waits' })
    await vault.ask('rotation.cancel', { run: id, reason: 'x' })
    await vault.ask('rotation.unhold', { safe: 'line-3' })
    const connection =
      kind === 'postgres' ? { connectionString: vault.postgres.urls.rotation, max: 2 } : { url: redis?.url }
    const queue = new Queue(
      name,
      { connection } as never,
      (kind === 'postgres' ? createPostgresBackend : createRedisBackend) as never,
    )
    const forged = [
      { run: newId('rot') },
      { run: id },
      { run: one.name },
      { run: 7 },
      {},
      { account: one.name, password: 'x' },
    ]
    await queue.addBulk(forged.map((data) => ({ name: 'step', data, opts: { removeOnComplete: true } })))
    await using _ = await start(name)
    await until(async () =>
      (await queue.getJobCounts('waiting', 'active'))['waiting'] === 0 ? true : undefined,
    )
    const real = await vault.ask('rotation.start', { account: one.name })
    expect(await over(real.id)).toMatchObject({ phase: 'done' })
    expect(two.user).toMatchObject({
      accepted: 0,
      refused: 0,
      password: 'S3cret-of-' + two.name.split('/')[1],
    })
    const text = await dump()
    expect(text.length).toBeGreaterThan(0)
    for (const secret of [one.user.password, two.user.password]) expect(text).not.toContain(secret)
    await queue.close()
  })
})

describe('the process', () => {
  const running: ChildProcess[] = []
  afterAll(() => {
    for (const child of running) child.kill('SIGKILL')
  })
  const spawnWorker = async () => {
    const { privateKey, peers, databaseUrl } = vault.identities.rotation
    const raw = (key: (typeof peers)['vault']) =>
      key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
    mkdirSync(join(vault.dataDir, 'rotation'), { recursive: true })
    writeFileSync(
      join(vault.dataDir, 'rotation', 'plane.json'),
      JSON.stringify({
        plane: 'rotation',
        privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
        publicKey: raw(peers.rotation),
        peers: {
          ...{ vault: raw(peers.vault), recorder: raw(peers.recorder) },
          ...{ rotation: raw(peers.rotation), api: raw(peers.api) },
        },
        databaseUrl,
      }),
      { mode: 0o600 },
    )
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        join(import.meta.dirname, '../../../vault/rotation/worker/main.ts'),
      ],
      {
        env: { TAGOUT_DATA: vault.dataDir, PATH: '/usr/bin:/bin' },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      },
    )
    running.push(child)
    let log = ''
    child.stderr?.on('data', (piece: Buffer) => {
      log += piece.toString()
    })
    await new Promise<void>((resolve, reject) => {
      child.once('message', (message: { readonly kind: string }) =>
        message.kind === 'ready' ? resolve() : reject(new Error(JSON.stringify(message))),
      )
      child.once('exit', () => reject(new Error(`it ended: ${log}`)))
    })
    return { child, log: () => log }
  }

  test('is killed when its target has taken the new password; another brings it to its end', async () => {
    const one = await account()
    one.user.behaviour = 'says nothing more when it took the new one'
    const own = one.user.password
    const first = await spawnWorker()
    const { id } = await vault.ask('rotation.start', { account: one.name })
    await until(() => (one.user.password === own ? undefined : true), 20_000)
    const listed = execFileSync('ps', ['axww', '-o', 'args'], { encoding: 'utf8' })
    first.child.kill('SIGKILL')
    one.user.behaviour = 'obeys'
    expect(await vault.ask('rotation.show', { run: id })).toMatchObject({ phase: 'changing', step: 'change' })
    const second = await spawnWorker()
    vault.advance(90_000)
    expect(await over(id)).toMatchObject({ phase: 'done', version: 2 })
    expect(one.user.refused).toBe(0)
    for (const secret of [own, one.user.password]) {
      expect(listed).not.toContain(secret)
      expect(first.log() + second.log()).not.toContain(secret)
    }
    second.child.kill('SIGTERM')
    await new Promise((resolve) => second.child.once('exit', resolve))
  })
})
