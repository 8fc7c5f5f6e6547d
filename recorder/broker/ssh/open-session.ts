import sodium from 'libsodium-wrappers'
import {
  type Action,
  type EndReason,
  isDesktop,
  opensSessions,
  type LegacyAlgorithm,
  type Permit,
  type VerbAnswer,
} from '../../../vault/contract.ts'
import { fromBase64 } from '../../../vault/kernel/encoding.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { done, type Outcome, type Refusal, refuse } from '../../../vault/kernel/outcome.ts'
import type { Mark, RecordingWriter } from '../../recording/index.ts'
import type { Person } from './authenticate.ts'
import { SessionBox } from './elevation-key.ts'
import type { BrokerPorts, Limits } from './ports.ts'
import { openDesktop } from '../desktop/open-desktop.ts'
import { BrokeredSession, type TargetLink } from './session.ts'
import { logIn, type TargetCredential } from '../../../vault/ssh/target.ts'

export type Wanted = {
  readonly person: Pick<Person, 'proof' | 'source'>
  readonly target: string
  readonly account: string | undefined
  readonly wants: Action
  /** The user's end has a button for elevation: they need not be told what to type. */
  readonly hasElevateButton?: boolean
  /** With `forward`: where to, as the user spelled it. */
  readonly forward?: { readonly host: string; readonly port: number }
}

/**
 * Opens a session: decided by the vault, its recording begun, its start in the audit log, its target logged in to.
 *
 * INVARIANT: in this order: recording header durable → audit entry durable → credential released → target connected.
 * Whatever stops it half-way, the vault hears how it ended and the credential is gone.
 */
export async function openSession(
  ports: BrokerPorts,
  limits: Limits,
  wanted: Wanted,
): Promise<Outcome<BrokeredSession>> {
  const room = await ports.store.hasRoom()
  if (!room.ok) return room
  const decided = await ports.ask('session.open', {
    proof: wanted.person.proof,
    target: wanted.target,
    ...(wanted.account === undefined ? {} : { account: wanted.account }),
    wants: wanted.wants,
    ...(wanted.forward === undefined ? {} : { forward: wanted.forward }),
    worker: ports.worker,
    source: wanted.person.source,
  })
  if (!decided.ok) return decided
  const openedAt = performance.now()
  const permit = { ...decided.value, quotaBytes: Math.min(decided.value.quotaBytes, limits.quotaBytes) }

  // INVARIANT: what opens no session is refused before anything begins, whatever the vault says.
  if (!opensSessions(permit.target.protocol)) throw new Fault('protocol', 'a target that opens no session')
  const begun = await beginRecording(ports, permit)
  if (!begun.ok) {
    await reportFailure(ports, permit, 'recording failed', undefined)
    return begun
  }
  const { writer, attach } = begun.value
  const stop = async (reason: EndReason, refusal: Refusal): Promise<Outcome<never>> => {
    await reportFailure(ports, permit, reason, writer)
    return { ok: false, refusal }
  }

  const started = await start(ports, permit, writer)
  if (!started.ok) return stop('protocol error', started.refusal)
  const { credential, box } = started.value
  const login = isDesktop(permit.target.protocol)
    ? await openDesktop(ports.desktops?.guacd, permit, credential, limits.targetConnect)
    : await logIn(permit, credential, limits.targetConnect)
  if (login.kind === 'failed') {
    box?.[Symbol.dispose]()
    if (login.changedKey !== undefined)
      await ports.ask('session.event', {
        session: permit.session,
        event: 'changed key',
        detail: `${login.changedKey.type} ${login.changedKey.fingerprint}`,
      })
    if (login.wantsNewPassword === true)
      await ports.ask('session.event', {
        session: permit.session,
        event: 'password change demanded',
        detail: 'at the login: nobody is let in',
      })
    if (login.notices.length > 0) markBanner(writer, login.notices)
    const code = login.reason === 'target key changed' ? 'changed_key' : 'unavailable'
    return stop(login.reason, { code, message: login.message, next: login.next })
  }
  const connected = await ports.ask('session.connected', { session: permit.session })
  if (!connected.ok) {
    box?.[Symbol.dispose]()
    if ('desktop' in login) login.desktop.close()
    else {
      login.client.end()
      login.client.destroy()
    }
    return stop('protocol error', connected.refusal)
  }
  const link: TargetLink =
    'desktop' in login ? { kind: 'desktop', desktop: login.desktop } : { ...login, kind: 'ssh' }
  const session = new BrokeredSession(ports, limits, permit, writer, link, openedAt)
  session.secretBox = box
  attach(session)
  if (permit.elevation?.isGranted === true && wanted.hasElevateButton !== true)
    session.greet(`when ${permit.elevation.kind} asks for a password, type ~e and Enter: it is typed for you`)
  noteBreakGlass(session, writer)
  noteOldAlgorithms(session, login.oldAlgorithms)
  if (login.notices.length > 0) {
    markBanner(writer, login.notices)
    session.banner = login.notices
  }
  const { freeze } = connected.value
  if (freeze !== null) session.setFrozen(true, freeze)
  return done(session)
}

/** What the machine said before it let the session in: in every recording, and on the first terminal. */
function markBanner(writer: RecordingWriter, lines: readonly string[]): void {
  markPolicy(writer, 'banner', lines.join('\n'))
}

function markPolicy(writer: RecordingWriter, event: string, detail: string): void {
  const mark: Mark = { kind: 'policy', event, detail }
  try {
    // As below: the writer tells the session of the first thing that it cannot write (`onFailed`).
    writer.append({ kind: 'mark', channel: -1, mark })?.catch(() => undefined)
  } catch {
    // The recording failed or is full; its own events end the session.
  }
}

/** Whoever let themselves in reads so, and whoever replays it sees why at once. */
function noteBreakGlass(session: BrokeredSession, writer: RecordingWriter): void {
  const { breakGlass } = session.permit
  if (breakGlass === undefined) return
  markPolicy(writer, 'break-glass', `${breakGlass.id}: ${breakGlass.reason}`)
  session.greet('you broke the glass: people were alarmed, this is recorded, and somebody will review it')
}

/** What was allowed is in the header; what is really spoken is a finding of its own. */
function noteOldAlgorithms(session: BrokeredSession, spoken: readonly LegacyAlgorithm[]): void {
  const { target } = session.permit
  if (spoken.length === 0 || target.legacy === null) return
  const until = target.legacy.until.slice(0, 10)
  session.event('old algorithms', `${spoken.join(', ')}, allowed until ${until}`)
  session.greet(
    `${target.name} speaks old algorithms (${spoken.join(', ')}): who listens on its line may read along. Allowed until ${until}`,
  )
}

type Begun = { readonly writer: RecordingWriter; readonly attach: (session: BrokeredSession) => void }

async function beginRecording(ports: BrokerPorts, permit: Permit): Promise<Outcome<Begun>> {
  const chain = await ports.store.acceptLists(permit.auditorLists)
  if (!chain.ok) return chain
  let session: BrokeredSession | undefined
  let hasFailed = false
  try {
    const writer = await ports.openRecording({
      store: ports.store,
      permit,
      chain: chain.value,
      node: ports.node,
      worker: ports.worker,
      onCheckpoint: ({ checkpoint, signature, sizeBytes }) =>
        // While the vault is away the recording keeps its own checkpoints.
        void ports
          .ask('session.checkpoint', {
            session: permit.session,
            checkpoint: Buffer.from(checkpoint).toString('base64'),
            signature: Buffer.from(signature).toString('base64'),
            sizeBytes,
          })
          .catch((error: unknown) => ports.log('a checkpoint was not taken', { error: String(error) })),
      onFailed: () => {
        hasFailed = true
        void session?.end('recording failed')
      },
      onQuotaWarning: (used, quota) => {
        const text = `the recording of this session is ${Math.floor((used / quota) * 100)} % full: it ends when that is reached`
        session?.notify(text, 'recording')
        session?.event('quota warning', text)
      },
    })
    return done({
      writer,
      attach: (opened) => {
        session = opened
        if (hasFailed) void opened.end('recording failed')
      },
    })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    ports.log('a recording could not be begun', { session: permit.session, error: error.message })
    return refuse(
      'no_space',
      'this session cannot be recorded, so it does not start',
      'tell the administrator of the gateway',
    )
  }
}

type Started = {
  readonly credential: TargetCredential
  /** Kept only where further secrets may come sealed to it. */
  readonly box: SessionBox | undefined
}

/** Commits the session's start to the audit log, which releases the credential: once, to this session's own key. */
async function start(ports: BrokerPorts, permit: Permit, writer: RecordingWriter): Promise<Outcome<Started>> {
  await sodium.ready
  const box = new SessionBox()
  let isKept = false
  try {
    const started = await ports.ask('session.start', {
      session: permit.session,
      headerHash: Buffer.from(writer.headerHash).toString('base64'),
      publicKey: Buffer.from(writer.publicKey).toString('base64'),
      boxKey: Buffer.from(box.publicKey).toString('base64'),
    })
    if (!started.ok) return started
    const credential = credentialOf(ports, permit, started.value, box)
    isKept =
      permit.elevation?.isGranted === true || permit.typeIns !== undefined || permit.files !== undefined
    return done({ credential, box: isKept ? box : undefined })
  } finally {
    if (!isKept) box[Symbol.dispose]()
  }
}

function credentialOf(
  ports: BrokerPorts,
  permit: Permit,
  released: VerbAnswer<'session.start'>,
  box: SessionBox,
): TargetCredential {
  if (released.kind === 'password') return { kind: 'password', secret: box.open(fromBase64(released.sealed)) }
  if (permit.credential.kind !== 'ssh-key') throw new Fault('protocol', 'the vault changed its mind')
  return {
    kind: 'ssh-key',
    publicKey: permit.credential.publicKey,
    sign: async (data, algorithm) => {
      const signed = await ports.ask('session.sign', {
        session: permit.session,
        data: Buffer.from(data).toString('base64'),
        algorithm,
      })
      return signed.ok ? done(fromBase64(signed.value.signature)) : signed
    },
  }
}

/** Closes what was begun, and tells the vault. */
async function reportFailure(
  ports: BrokerPorts,
  permit: Permit,
  reason: EndReason,
  writer: RecordingWriter | undefined,
): Promise<void> {
  const finished = await writer?.finish(reason)
  // Not awaited: the person reads the refusal now, the vault hears of it as soon as it can.
  void ports.reportEnd(permit.recording, {
    session: permit.session,
    reason,
    recording: {
      state: finished?.state ?? 'incomplete',
      sizeBytes: finished?.sizeBytes ?? 0,
      ...(finished?.root === undefined ? {} : { root: Buffer.from(finished.root).toString('base64') }),
    },
  })
}
