import { setTimeout as pause } from 'node:timers/promises'
import type { RotationOrder, StepCredential, StepSecret, VerbInput } from '../../contract.ts'
import type { VaultClient } from '../../client.ts'
import { sodium } from '../../crypto/sodium.ts'
import { Fault } from '../../kernel/fault.ts'
import type { RotationId } from '../../kernel/id.ts'
import { done, refuse } from '../../kernel/outcome.ts'
import { Secret } from '../../kernel/secret.ts'
import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { connectorOf } from '../connectors.ts'
import type { StepResult } from '../phases.ts'

/** What a worker needs of the rest: the vault, again after each loss, and where it may note what broke. */
export type WorkPorts = {
  readonly vault: () => Promise<VaultClient>
  readonly onFault: (what: string, error: unknown) => void
  /** Loads a connector; others than the table's are for tests. */
  readonly load?: (name: string) => Promise<Connector>
  /** Told before and after each effect: where a test ends the process. */
  readonly at?: (where: 'asked' | 'done') => void | Promise<void>
}

type Said = VerbInput<'rotation.report'>['seen']

type Report = Pick<VerbInput<'rotation.report'>, 'seen' | 'sent' | 'letIn'>

/** Milliseconds for which what was seen is said again, while the vault does not hear. */
const sayWithinMs = 15_000
const againMs = 200

/**
 * Does what is due of a run: asks the vault for one step, does it, and says what it saw. Answers whether there was one.
 *
 * SECURITY: the key to which secrets are sealed lives for this step, and so do they. Nothing of them is kept, logged or given
 * to the queue.
 */
export async function workOn(ports: WorkPorts, run: RotationId): Promise<boolean> {
  const box = sodium.crypto_box_keypair()
  const boxKey = Buffer.from(box.publicKey).toString('base64')
  const given = await (await ports.vault()).call('rotation.step', { run, boxKey })
  if (!given.ok) return false
  const order = given.value
  await ports.at?.('asked')
  using stack = new DisposableStack()
  stack.defer(() => box.privateKey.fill(0))
  const open = (which: StepSecret) => {
    const credential = openCredential(ports, run, order, which, box)
    if (credential?.kind === 'password') stack.use(credential.secret)
    return credential
  }
  const seen = await doStep(ports, order, open)
  await ports.at?.('done')
  await say(ports, { run, generation: order.generation, ...seen })
  return true
}

function openCredential(
  ports: WorkPorts,
  run: RotationId,
  order: RotationOrder,
  which: StepSecret,
  box: { readonly publicKey: Uint8Array; readonly privateKey: Uint8Array },
): Credential | undefined {
  const given: StepCredential | null = order[which]
  if (given === null) return undefined
  if (given.kind === 'password') {
    const sealed = Buffer.from(given.sealed, 'base64')
    return {
      kind: 'password',
      secret: new Secret(sodium.crypto_box_seal_open(sealed, box.publicKey, box.privateKey)),
    }
  }
  return {
    kind: 'ssh-key',
    publicKey: given.publicKey,
    sign: async (data, algorithm) => {
      const { generation } = order
      const input = { run, generation, which, algorithm, data: Buffer.from(data).toString('base64') }
      const signed = await (await ports.vault()).call('rotation.sign', input)
      return signed.ok
        ? done(Buffer.from(signed.value.signature, 'base64'))
        : refuse('unavailable', 'not signed')
    },
  }
}

async function doStep(
  ports: WorkPorts,
  order: RotationOrder,
  open: (which: StepSecret) => Credential | undefined,
): Promise<Report> {
  const limit = new AbortController()
  const withinMs = order.seconds * 1000
  const timer = setTimeout(() => limit.abort(), withinMs)
  try {
    const by = order.through === null ? undefined : open('through')
    const elevation = open('elevation')
    const at: Place = {
      ...{ target: order.target, account: order.account, withinMs, signal: limit.signal },
      ...(order.recipe === null ? {} : { recipe: order.recipe }),
      ...(elevation?.kind === 'password' ? { elevation: elevation.secret } : {}),
      ...(order.through === null || by === undefined
        ? {}
        : { through: { target: order.through.target, account: order.through.account, credential: by } }),
    }
    const connector = await (ports.load?.(order.connector) ?? connectorOf(order.connector)?.load())
    if (connector === undefined) throw new Fault('configuration', `there is no connector ${order.connector}`)
    return await Promise.race([take(connector, order, at, open), over(limit.signal, order)])
  } catch (error) {
    ports.onFault(`the step ${order.step} of ${order.connector}`, error)
    // Whatever broke in a connector: nobody knows what the target has heard.
    return { seen: unknownOf(order.step, 'the connector broke'), sent: true }
  } finally {
    clearTimeout(timer)
    limit.abort()
  }
}

async function take(
  connector: Connector,
  { step, privileged }: RotationOrder,
  at: Place,
  open: (which: StepSecret) => Credential | undefined,
): Promise<Report> {
  const need = (which: StepSecret) => {
    const credential = open(which)
    if (credential === undefined) throw new Fault('protocol', `the vault gave no ${which} credential`)
    return credential
  }
  const of = <Step extends Said['step'], R>(name: Step, { result, sent }: Seen<R>): Report => ({
    seen: { step: name, result } as unknown as Said,
    sent: sent !== false,
    ...(sent === 'let in' ? { letIn: true } : {}),
  })
  switch (step) {
    case 'rules':
      return of(step, (await connector.rules?.(at)) ?? { result: { kind: 'told', rules: {} }, sent: false })
    case 'change':
      return of(step, await connector.change(at, need('current'), need('candidate')))
    case 'login-candidate':
      return of(step, await connector.login(at, need('candidate')))
    case 'login-current':
      return of(step, await connector.login(at, need('current')))
    case 'persist':
      return of(step, (await connector.persist?.(at, need('candidate'))) ?? nothingToKeep)
    case 'retire':
      return of(step, (await connector.retire?.(at, need('candidate'), need('current'))) ?? nothingToKeep)
    case 'reconcile': {
      if (connector.reconcile === undefined || privileged === null)
        return { seen: { step, result: { kind: 'untouched', why: 'nothing reconciles it' } }, sent: false }
      const by = { ...need('privileged'), login: privileged.login }
      return of(step, await connector.reconcile(at, by, need('candidate')))
    }
  }
}

const nothingToKeep = { result: { kind: 'kept' as const }, sent: false }

async function over(signal: AbortSignal, { step, target, seconds }: RotationOrder) {
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  return { seen: unknownOf(step, `${target.name} did not answer within ${seconds} s`), sent: true }
}

function unknownOf(step: StepResult['step'], why: string): Said {
  switch (step) {
    case 'rules':
      return { step, result: { kind: 'untold', why } }
    case 'change':
    case 'reconcile':
    case 'persist':
    case 'retire':
      return { step, result: { kind: 'unknown', why } } as Said
    case 'login-candidate':
    case 'login-current':
      return { step, result: { kind: 'unreachable', why } }
  }
}

/** Says what was seen until the vault has heard it, or nobody listens any more. */
async function say(ports: WorkPorts, input: VerbInput<'rotation.report'>): Promise<void> {
  const deadline = performance.now() + sayWithinMs
  for (;;)
    try {
      const heard = await (await ports.vault()).call('rotation.report', short(input))
      if (heard.ok || !['unavailable', 'sealed'].includes(heard.refusal.code)) return
      if (performance.now() > deadline) return
      await pause(againMs)
    } catch (error) {
      if (performance.now() > deadline) return ports.onFault('the report of a step', error)
      await pause(againMs)
    }
}

/** Targets say things at length. */
function short(input: VerbInput<'rotation.report'>): VerbInput<'rotation.report'> {
  const { result } = input.seen
  if (!('why' in result)) return input
  const seen = { step: input.seen.step, result: { ...result, why: result.why.slice(0, 400) } } as Said
  return { ...input, seen }
}
