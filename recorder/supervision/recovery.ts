import type { RecordingId, SessionId } from '../../vault/kernel/id.ts'
import type { Log } from '../broker/ssh/ports.ts'
import { findAbandoned, type RecordingStore } from '../store/index.ts'
import { reportEnd } from './report-end.ts'
import type { Unsettled, UnsettledSession } from './unsettled.ts'
import type { VaultLink } from './vault-link.ts'

export type RecoveryPorts = {
  readonly store: RecordingStore
  readonly link: VaultLink
  readonly unsettled: Unsettled
  readonly log: Log
}

/** Recordings changed this recently are looked at after a start, noted or not: a note may be lost with the power. */
const recent = 2 * 24 * 3600_000

/** What a crash of the whole recorder may have left. */
export async function findLeftBehind(ports: RecoveryPorts): Promise<readonly RecordingId[]> {
  const noted = await ports.unsettled.list()
  const names = new Set(noted.map(({ recording }) => recording))
  const since = Date.now() - recent
  const candidates = (await ports.store.list())
    .filter(({ recording, modifiedAt }) => !names.has(recording) && modifiedAt.getTime() > since)
    .map(({ recording }) => recording)
  for (const recording of candidates) names.add(recording)
  return [...names]
}

/**
 * Reports the sessions of `recordings`, whose process died, as ended: `recorder crashed`, with what is left of the
 * recording. Files are not touched.
 */
export async function recover(
  ports: RecoveryPorts,
  recordings: readonly RecordingId[],
  noted: readonly UnsettledSession[],
): Promise<void> {
  const sessions = new Map<RecordingId, SessionId>(
    noted.map(({ recording, session }) => [recording, session]),
  )
  const reports: Promise<void>[] = []
  const found = new Set<RecordingId>()
  for await (const { recording, sizeBytes, verdict } of findAbandoned(
    ports.store,
    () => false,
    async () => ({}),
    recordings,
  )) {
    found.add(recording)
    const session = sessions.get(recording) ?? verdict.header?.session
    const isFinished = verdict.state === 'complete'
    // One that ended in order and is not noted was reported by the process that ended it.
    if (session === undefined || (isFinished && !sessions.has(recording))) continue
    ports.log('a recording was left behind', { recording, state: verdict.state })
    reports.push(
      reportEnd(ports, recording, {
        session,
        reason: 'recorder crashed',
        recording: { state: verdict.state, sizeBytes },
      }),
    )
  }
  for (const [recording, session] of sessions)
    if (recordings.includes(recording) && !found.has(recording))
      reports.push(
        reportEnd(ports, recording, {
          session,
          reason: 'recorder crashed',
          recording: { state: 'incomplete', sizeBytes: 0 },
        }),
      )
  await Promise.all(reports)
}
