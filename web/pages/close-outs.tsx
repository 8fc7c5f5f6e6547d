import { Button, Label } from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { CloseOutResult, CloseOutView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useCloseOuts } from './lists.ts'

const results: readonly { readonly value: CloseOutResult; readonly label: string }[] = [
  { value: 'done', label: 'done' },
  { value: 'not done', label: 'not done' },
  { value: 'follow-up', label: 'follow-up needed' },
]

/** What people say that they did, and who is still asked. */
export function CloseOuts() {
  const forms = useCloseOuts()
  const user = useUser()
  const [filling, setFilling] = useState<CloseOutView | null>(null)
  return (
    <Page
      title="Close-outs"
      about="After a check-out, users of some safes say what they did. Where it is required, they check nothing more out there before."
    >
      <Listing
        name="Close-outs"
        query={forms}
        keyOf={({ session }) => session}
        text={(row) =>
          [row.user, row.account, row.session, row.filled?.done ?? '', row.filled?.workOrder ?? ''].join(' ')
        }
        columns={[
          {
            title: 'State',
            fit: 'whole',
            cell: (row) => (
              <Label
                isCompact
                color={
                  row.filled?.result === 'done'
                    ? 'green'
                    : row.filled !== null
                      ? 'orange'
                      : row.isRequired
                        ? 'red'
                        : 'orange'
                }
              >
                {row.filled?.result ?? (row.isRequired ? 'owed' : 'asked')}
              </Label>
            ),
          },
          { title: 'User', cell: (row) => <Name of={row.user} /> },
          {
            title: 'Account',
            cell: (row) => (
              <span className="mono">
                <Name of={row.account} />
              </span>
            ),
          },
          { title: 'Asked', fit: 'whole', cell: (row) => <When at={row.askedAt} /> },
          {
            title: 'What was done',
            cell: (row) =>
              row.filled === null ? null : (
                <>
                  <Lines of={row.filled.done} />
                  {row.filled.left === null ? null : (
                    <div className="quiet small">
                      left in place: {visible(row.filled.left.replaceAll('\n', ' '))}
                    </div>
                  )}
                  {row.filled.workOrder === null ? null : (
                    <div className="quiet small">work order {visible(row.filled.workOrder)}</div>
                  )}
                </>
              ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (row) =>
              row.filled !== null || row.user !== user.name ? (
                hasRole(user, 'auditor') ? (
                  <Link href={`/recordings/${row.recording}`} aria-label={`Recording of ${row.session}`}>
                    Recording
                  </Link>
                ) : null
              ) : (
                <Button size="sm" onClick={() => setFilling(row)} aria-label={`Close out ${row.account}`}>
                  Close out
                </Button>
              ),
          },
        ]}
        empty={{
          title: 'Nobody was asked yet',
          body: 'A form appears here at the end of a session in a safe that asks what was done.',
        }}
      />
      {filling === null ? null : <Fill form={filling} onClose={() => setFilling(null)} />}
    </Page>
  )
}

/** What somebody wrote, line by line. */
function Lines({ of }: { readonly of: string }) {
  return of.split(/\r?\n/).map((line, at) => <div key={`${at} ${line}`}>{visible(line)}</div>)
}

function Fill({ form, onClose }: { readonly form: CloseOutView; readonly onClose: () => void }) {
  const change = useChange()
  const [result, setResult] = useState<CloseOutResult>('done')
  const [done, setDone] = useState('')
  const [left, setLeft] = useState('')
  const [workOrder, setWorkOrder] = useState('')
  return (
    <Dialog
      title={`What did you do on ${visible(form.account)}?`}
      action="Close out"
      ready={done.trim() !== ''}
      onClose={onClose}
      act={async () => {
        const body = {
          ...{ result, done: done.trim() },
          ...(left.trim() === '' ? {} : { left: left.trim() }),
          ...(workOrder.trim() === '' ? {} : { workOrder: workOrder.trim() }),
        }
        await change(() => ask('PUT', at`/api/close-outs/${form.session}`, body))
        onClose()
      }}
    >
      <Choice
        label="Result"
        name="result"
        value={result}
        onChange={(value) => setResult(results.find((one) => one.value === value)?.value ?? 'done')}
        options={results}
      />
      <LongField
        label="What was done"
        name="done"
        value={done}
        onChange={setDone}
        rows={3}
        hint="Kept in the audit log beside the recording; it is said once"
      />
      <LongField
        label="Changes left in place"
        name="left"
        required={false}
        value={left}
        onChange={setLeft}
        rows={2}
        hint="What the next one must know: a guard that is off, a value that was changed"
      />
      <Field label="Work order" name="workOrder" required={false} value={workOrder} onChange={setWorkOrder} />
    </Dialog>
  )
}
