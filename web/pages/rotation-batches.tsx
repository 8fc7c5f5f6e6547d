import { Button, Content, Progress, ProgressMeasureLocation, ProgressVariant } from '@patternfly/react-core'
import { useState } from 'react'
import type { RotationRunView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { type Batch, batchesOf, batchText } from '../../vault/kernel/rotation-batches.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'

type Runs = Batch<RotationRunView>

/** Milliseconds for which a batch that is over is shown above what was done. */
const lately = 24 * 3600_000

/** Batches that are under way, or were lately: the first of each, how many are done, and what stopped it. */
export function Batches(props: { readonly runs: readonly RotationRunView[]; readonly mayAct: boolean }) {
  const [stopping, setStopping] = useState<Runs | null>(null)
  const batches = batchesOf(props.runs).filter(
    (batch) => !batch.isOver || Date.now() - Date.parse(batch.createdAt) < lately,
  )
  if (batches.length === 0) return null
  return (
    <section aria-label="Batches" className="gap-above">
      <Content component="h2">Batches</Content>
      {batches.map((batch) => (
        <div key={batch.id} className="gap-below">
          <Progress
            id={batch.id}
            title={`${visible(batch.reason)} (${visible(whoText(batch.askedBy))})`}
            value={batch.done}
            min={0}
            max={batch.runs.length}
            label={batchText(batch)}
            valueText={batchText(batch)}
            measureLocation={ProgressMeasureLocation.outside}
            {...(batch.stoppedBy !== undefined
              ? { variant: ProgressVariant.danger }
              : batch.done === batch.runs.length
                ? { variant: ProgressVariant.success }
                : {})}
          />
          <div className="small">
            Begun <When at={batch.createdAt} />. {canaryText(batch)}
            {batch.stoppedBy === undefined ? null : (
              <>
                {' '}
                Stopped by <span className="mono">{visible(batch.stoppedBy.account)}</span>:{' '}
                {sentence(visible(batch.stoppedBy.why))}
              </>
            )}
          </div>
          {props.mayAct && batch.waiting.length > 0 ? (
            <Button
              size="sm"
              variant="danger"
              onClick={() => setStopping(batch)}
              aria-label={`Stop the batch: ${visible(batch.reason)}`}
            >
              Stop
            </Button>
          ) : null}
        </div>
      ))}
      {stopping === null ? null : <StopBatch batch={stopping} onClose={() => setStopping(null)} />}
    </section>
  )
}

function canaryText({ canary }: Runs): string {
  if (canary === undefined) return ''
  const name = visible(canary.account)
  if (canary.phase === 'done') return `${name} went first, and it went well.`
  return canary.endedAt === null
    ? `${name} goes first; the others wait for it.`
    : `${name} went first: ${canary.phase}.`
}

function StopBatch({ batch, onClose }: { readonly batch: Runs; readonly onClose: () => void }) {
  const change = useChange()
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title={`Stop the batch “${visible(batch.reason)}”`}
      action="Stop it"
      danger
      ready={reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(async () => {
          // The last first: none of them is begun because the one before it has ended.
          for (const { id } of batch.waiting.toReversed())
            await ask('POST', at`/api/rotations/${id}/cancel`, { reason: reason.trim() })
        })
        onClose()
      }}
    >
      <Content component="p">
        {count(batch.waiting.length, 'account')} of it {batch.waiting.length === 1 ? 'has' : 'have'} not
        begun: nothing is changed there. What is under way is brought to its end.
      </Content>
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
    </Dialog>
  )
}
