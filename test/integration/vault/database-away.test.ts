import { expect, test } from 'vitest'
import { startTestPostgres } from '../../support/postgres.ts'
import { refusalOf, startTestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove, until } from '../../support/vault-ssh.ts'

test('while PostgreSQL is away calls are refused as unavailable, and afterwards the vault goes on', async () => {
  // Stops last what the vault needs to the end.
  await using stack = new AsyncDisposableStack()
  const postgres = stack.use(await startTestPostgres())
  const vault = await startTestVault({ postgres })
  const recorder = await vault.worker()
  const key = makeSshKey()
  await vault.account()
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })

  await vault.postgres.cluster.stop()
  expect(refusalOf(await vault.admin.call('user.list', {})).code).toBe('unavailable')
  const opened = await recorder.call('session.checkpoint', {
    session: permit.session,
    checkpoint: 'AAAA',
    signature: 'AAAA',
    sizeBytes: 1,
  })
  expect(refusalOf(opened).code).toBe('unavailable')

  await postgres.again()
  await until(async () => ((await vault.admin.call('user.list', {})).ok ? true : undefined), 20_000)
  await endSession(recorder, permit.session)
  expect((await vault.ask('audit.verify', {})).ok).toBe(true)
  await vault[Symbol.asyncDispose]()
}, 60_000)
