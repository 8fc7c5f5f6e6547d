import type { TaskView, VerbAnswer, VerbInput, VerbName } from '../../vault/contract.ts'
import { sodium } from '../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../vault/index.ts'
import type { SessionId } from '../../vault/kernel/id.ts'
import { done, type Outcome } from '../../vault/kernel/outcome.ts'
import type { RotationId } from '../../vault/kernel/id.ts'
import { workOn } from '../../vault/rotation/worker/work.ts'
import { type FakeSshTarget, type FakeUser, startFakeSshTarget } from './fake-ssh-target.ts'
import { must, startTestVault, type TestPerson, type TestVault } from './vault.ts'
import { connectSession, makeSshKey, prove } from './vault-ssh.ts'

/** A vault with people who change credentials by hand, and a machine that lets them in with what was set. */
export type AssistedVault = AsyncDisposable & {
  readonly vault: TestVault
  readonly fake: FakeSshTarget
  readonly recorder: VaultClient
  /** bob works with the accounts, mia looks after them, sue approves, ann is the administrator. */
  readonly people: Readonly<Record<'bob' | 'mia' | 'sue' | 'ann', TestPerson>>
  /** An account of grade G3; with `logsIn` a connector looks, else people sign. */
  readonly account: (
    login: string,
    logsIn: boolean,
    more?: Partial<VerbInput<'rotation.set'>>,
  ) => Promise<{ readonly name: string; readonly user: FakeUser }>
  /** A session of bob's, on this account. */
  readonly session: (login: string) => Promise<SessionId>
  readonly as: <Name extends VerbName>(
    who: TestPerson,
    verb: Name,
    input: VerbInput<Name>,
  ) => Promise<Outcome<VerbAnswer<Name>>>
  /** Opens the task of an account's rotation. */
  readonly open: (account: string) => Promise<TaskView>
  readonly task: (id: TaskView['id']) => Promise<TaskView>
  /** Has bob see the new secret, sue letting him. */
  readonly see: (task: TaskView, session: SessionId) => Promise<string>
  readonly reveal: (who: TestPerson, task: TaskView) => Promise<Outcome<string>>
  /** Does what is due of a run, as the worker does. */
  readonly work: (run: RotationId) => Promise<void>
}

export async function startAssistedVault(): Promise<AssistedVault> {
  await using stack = new AsyncDisposableStack()
  const vault = stack.use(await startTestVault({ loginIdleSeconds: 400 * 86_400 }))
  const fake = stack.use(await startFakeSshTarget())
  const api = await vault.connect('api')
  const recorder = await vault.worker('w1', () => async () => done(null))
  const worker = await vault.connect('rotation')
  await vault.ask('safe.add', { name: 'line-3' })
  const address = `ssh://127.0.0.1:${fake.port}`
  await vault.ask('target.add', { name: 'plc-7', safe: 'line-3', address, pin: fake.pin })
  const people = {
    bob: await vault.person('bob', ['operator']),
    mia: await vault.person('mia', ['operator']),
    sue: await vault.person('sue', ['approver']),
    ann: await vault.person('ann', ['admin']),
  }
  for (const [user, permission] of [
    ['bob', 'use'],
    ['mia', 'manage'],
    ['sue', 'approve'],
  ] as const)
    await vault.ask('safe.member.set', { safe: 'line-3', user, permissions: [permission] })
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const as: AssistedVault['as'] = (who, verb, input) => api.call(verb, input, who.token)
  const task = async (id: TaskView['id']) => {
    const found = (await vault.ask('task.list', { all: true })).find((one) => one.id === id)
    if (found === undefined) throw new Error(`there is no task ${id}`)
    return found
  }
  const reveal = async (who: TestPerson, { id }: TaskView): Promise<Outcome<string>> => {
    const box = sodium.crypto_box_keypair()
    const boxKey = Buffer.from(box.publicKey).toString('base64')
    const answer = await as(who, 'task.reveal', { task: id, boxKey, totpCode: who.code() })
    if (!answer.ok) return answer
    const sealed = Buffer.from(answer.value.sealed, 'base64')
    return done(Buffer.from(sodium.crypto_box_seal_open(sealed, box.publicKey, box.privateKey)).toString())
  }
  const moved = stack.move()
  return {
    ...{ vault, fake, recorder, people, as, task, reveal },
    account: async (login, logsIn, more = {}) => {
      const user: FakeUser = { password: `S3cret-of-${login}`, behaviour: 'obeys', refused: 0, accepted: 0 }
      fake.users.set(login, user)
      const name = `plc-7/${login}`
      const credential = await vault.sealPassword(name, user.password)
      await vault.ask('account.add', { target: 'plc-7', login, credential })
      await vault.ask('rotation.set', {
        account: name,
        grade: 'G3',
        gradeReason: 'its maker’s tool alone changes it',
        ...(logsIn ? { connector: 'linux-password' } : { profile: 'linux' }),
        ...more,
      })
      await vault.grant('bob', name)
      return { name, user }
    },
    session: async (login) => {
      const proof = await prove(recorder, key, 'bob')
      return (await connectSession(recorder, { proof, target: 'plc-7', account: login })).session
    },
    open: async (account) => {
      const run = await vault.ask('rotation.start', { account, reason: 'yearly' })
      const found = (await vault.ask('task.list', { account })).find((one) => one.run === run.id)
      if (found === undefined) throw new Error('no task was opened')
      return found
    },
    see: async (asked, session) => {
      must(await as(people.bob, 'task.take', { task: asked.id, session }))
      must(await as(people.sue, 'task.approve', { task: asked.id, totpCode: people.sue.code() }))
      return must(await reveal(people.bob, asked))
    },
    work: async (run) => {
      const ports = {
        vault: async () => worker,
        onFault: (_: string, error: unknown) => {
          throw error
        },
      }
      while (await workOn(ports, run));
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  }
}
