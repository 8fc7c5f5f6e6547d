import { Button, Progress } from '@patternfly/react-core'
import { useEffect, useState } from 'react'
import type { RecordingHeader } from '../../recorder/replay/index.ts'
import { type ByteSource, type RecordingVerdict, verifyRecording } from '../../recorder/replay/index.ts'
import type { RecordingFound, RecordingView } from '../../vault/contract.ts'
import { isDesktop } from '../../vault/contract/words.ts'
import { regionsText } from '../../vault/kernel/mask-region.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { Note } from '../parts/note.tsx'
import { RecordingBadge } from '../parts/state.tsx'
import { Moment } from '../parts/when.tsx'
import { addressOf, between, bytes, sentence, visible } from '../parts/wording.ts'
import { loadSodium } from '../sealed/sodium.ts'
import { signedStart } from './signed-start.ts'
import { maxSurveyBytes } from './survey.ts'

/** What is known of the session, from the vault and, once opened, from the recording's own signed header. */
export function Facts(props: { readonly view: RecordingFound; readonly header: RecordingHeader | null }) {
  const { view, header } = props
  return (
    <dl className="facts">
      <dt>User</dt>
      <dd>
        {view.user}
        {view.company === null ? null : <div className="small quiet">of {visible(view.company)}</div>}
      </dd>
      <dt>Account</dt>
      <dd className="mono">{view.account}</dd>
      <dt>Target</dt>
      <dd>
        {view.target}
        {header === null ? null : <div className="mono small quiet">{addressOf(header.target)}</div>}
      </dd>
      <dt>From</dt>
      <dd className="mono">{view.source}</dd>
      <dt>Grant</dt>
      <dd className="mono small">{view.grant}</dd>
      {view.letInBy.length === 0 ? null : (
        <>
          <dt>Let in by</dt>
          <dd>{view.letInBy.map((name) => whoText(visible(name))).join(', ')}</dd>
        </>
      )}
      {view.workOrders.length === 0 ? null : (
        <>
          <dt>Work orders</dt>
          <dd>{view.workOrders.map((order) => visible(order)).join(', ')}</dd>
        </>
      )}
      <dt>Started</dt>
      <dd>
        <Moment at={view.startedAt} />
      </dd>
      <dt>Lasted</dt>
      <dd>{between(view.startedAt, view.endedAt)}</dd>
      <dt>Ended</dt>
      <dd>{view.endReason === null ? 'not yet' : visible(view.endReason)}</dd>
      {header === null ? null : (
        <>
          <dt>Safe</dt>
          <dd>{header.safe.name}</dd>
          <dt>Typed input</dt>
          <dd>{typedInput(header)}</dd>
          <dt>Actions</dt>
          <dd>{header.actions.join(', ')}</dd>
          <Masked mask={header.target.mask} />
          <OldAlgorithms allowed={header.target.legacy ?? null} />
        </>
      )}
      <dt>Size</dt>
      <dd>{bytes(view.sizeBytes)}</dd>
      <Kept keeping={view.keeping} />
      <dt>Recording</dt>
      <dd className="mono small">{view.id}</dd>
      <dt>Session</dt>
      <dd className="mono small">{view.session}</dd>
    </dl>
  )
}

function Kept({ keeping }: { readonly keeping: RecordingFound['keeping'] }) {
  if (keeping === null) return null
  return (
    <>
      <dt>Kept</dt>
      <dd>
        {keeping.until === null ? (
          'for good'
        ) : (
          <>
            until <Moment at={keeping.until} />
          </>
        )}
        <div className="small quiet">class {visible(keeping.retentionClass)}</div>
      </dd>
      {keeping.holds.length === 0 ? null : (
        <>
          <dt>Legal hold</dt>
          <dd>
            {keeping.holds.map(({ id, on, matter }) => (
              <div key={id}>
                {visible(matter)} <span className="small quiet">on the {on}</span>
              </div>
            ))}
          </dd>
        </>
      )}
    </>
  )
}

/** Of a desktop nothing is echoed that could be told from a picture: which keys were pressed is kept by `full` alone. */
function typedInput({ inputPolicy, target }: RecordingHeader): string {
  if (!isDesktop(target.protocol) || inputPolicy === 'full') return inputPolicy.replace('_', ' ')
  return 'when a key was pressed, not which'
}

/** Headers of earlier versions say nothing of it: nothing old was spoken then. */
function OldAlgorithms({ allowed }: { readonly allowed: RecordingHeader['target']['legacy'] }) {
  if (allowed === null) return null
  return (
    <>
      <dt>Old algorithms</dt>
      <dd>
        {allowed.algorithms.join(', ')}, allowed until <Moment at={allowed.until} />
      </dd>
    </>
  )
}

/** What of the screen is not in the recording. */
function Masked({ mask }: { readonly mask: RecordingHeader['target']['mask'] }) {
  if (mask === undefined) return null
  return (
    <>
      <dt>Not recorded</dt>
      <dd>
        <span className="mono">{regionsText(mask.regions)}</span> of the screen: {visible(mask.reason)}
      </dd>
    </>
  )
}

/** The recording's integrity: what the vault found, and what this browser finds for itself. */
export function Integrity(props: { readonly view: RecordingView; readonly source: ByteSource | null }) {
  const { view, source } = props
  const [verdict, setVerdict] = useState<RecordingVerdict | null>(null)
  const [done, setDone] = useState<number | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [anchored, setAnchored] = useState(false)

  const verify = async (from: ByteSource) => {
    setError(null)
    setDone(0)
    try {
      const [sodium, start] = await Promise.all([loadSodium(), signedStart(view.session)])
      setAnchored(start !== null)
      setVerdict(
        await verifyRecording(sodium, from, {
          ...(start ?? {}),
          onProgress: (bytesDone, size) => setDone(size === 0 ? 100 : Math.round((bytesDone / size) * 100)),
        }),
      )
    } catch (refused) {
      setError(refused)
    } finally {
      setDone(null)
    }
  }
  // Short recordings are verified unasked; a long one is read whole only when somebody wants it.
  useEffect(() => {
    if (source !== null && source.size <= maxSurveyBytes) void verify(source)
  }, [source])

  const state = verdict?.state ?? view.state
  return (
    <section aria-label="Integrity" className="integrity">
      <h2>
        Integrity <RecordingBadge state={view.state === 'recording' ? 'recording' : state} />
      </h2>
      {verdict === null ? null : (
        <Note
          isPlain
          variant={
            verdict.state === 'complete' ? 'success' : verdict.state === 'incomplete' ? 'warning' : 'danger'
          }
          title={sentence(verdict.sentence)}
        >
          <span className="small">
            Verified in this browser
            {anchored ? ', against the session key in the audit log.' : '; the audit log was not asked.'}
          </span>
        </Note>
      )}
      {error === null ? null : <p className="small">Verification could not finish.</p>}
      {done === null ? null : <Progress aria-label="Verifying" value={done} size="sm" title="Verifying" />}
      {source !== null && verdict === null && done === null ? (
        <Button variant="secondary" size="sm" onClick={() => void verify(source)}>
          Verify
        </Button>
      ) : null}
    </section>
  )
}
