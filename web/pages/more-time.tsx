import { Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { AccessView, GrantView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { Moment } from '../parts/when.tsx'
import { span, visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { useAccess } from './lists.ts'

const spans = [900, 1800, 3600, 2 * 3600, 4 * 3600]

/** The grant of one's own that more time can be asked for: the one that lets in longest; break-glass gets none. */
export function extendable(access: Pick<AccessView, 'grants'> | undefined): GrantView | undefined {
  return access?.grants
    .filter(({ state, grantedBy }) => state === 'active' && !grantedBy.startsWith('break-glass '))
    .reduce<GrantView | undefined>((a, b) => (a !== undefined && a.notAfter >= b.notAfter ? a : b), undefined)
}

/** Asks for a later end of a grant. */
export function MoreTime({ grant, onClose }: { readonly grant: GrantView; readonly onClose: () => void }) {
  const change = useChange()
  const [seconds, setSeconds] = useState(String(1800))
  const [reason, setReason] = useState('')
  const [workOrder, setWorkOrder] = useState('')
  const [isAsked, setAsked] = useState(false)
  const until = new Date(Date.parse(grant.notAfter) + Number(seconds) * 1000).toISOString()
  return (
    <Dialog
      title={`Ask for more time on ${visible(grant.account)}`}
      action={isAsked ? null : 'Send request'}
      {...(isAsked ? { closing: 'Done' } : {})}
      ready={reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('POST', at`/api/grants/${grant.id}/extend`, {
            until,
            reason: reason.trim(),
            ...(workOrder.trim() === '' ? {} : { workOrder: workOrder.trim() }),
          }),
        )
        setAsked(true)
      }}
    >
      {isAsked ? (
        <Content component="p" role="status">
          An approver was asked. Until they answer everything ends as it was to; you see the answer under
          Requests, and a session that goes on says so.
        </Content>
      ) : (
        <>
          <Content component="p">
            Your grant ends <Moment at={grant.notAfter} />. An approver decides; when they approve, it and the
            sessions that end with it end <Moment at={until} />.
          </Content>
          <Choice
            label="Longer by"
            name="until"
            value={seconds}
            onChange={setSeconds}
            options={spans.map((one) => ({ value: String(one), label: span(one) }))}
          />
          <LongField
            label="Reason"
            name="reason"
            rows={2}
            value={reason}
            onChange={setReason}
            hint="What is not done yet"
          />
          <Field
            label="Work order"
            name="workOrder"
            required={false}
            value={workOrder}
            onChange={setWorkOrder}
            hint="Its number, where there is one. Empty: that of your request, if you made one"
          />
        </>
      )}
    </Dialog>
  )
}

/** The same from a session's terminal, which ends at `endsAt`. */
export function MoreTimeHere(props: {
  readonly account: string
  readonly endsAt: string
  readonly onClose: () => void
}) {
  const { account, endsAt, onClose } = props
  const access = useAccess()
  const grant = extendable(access.data?.find((one) => one.account === account))
  // A session of the grant's own length ends with it, to the second.
  const isBound = grant !== undefined && Date.parse(grant.notAfter) - Date.parse(endsAt) < 1_000
  if (grant !== undefined && isBound) return <MoreTime grant={grant} onClose={onClose} />
  return (
    <Dialog
      title="Ask for more time"
      action={null}
      closing="Done"
      onClose={onClose}
      act={() => Promise.resolve()}
    >
      <Content component="p" role="status">
        {access.isPending ? (
          'Looking up your grant…'
        ) : grant === undefined ? (
          'No grant lets you in here that could be extended. Request access under Requests, then connect again.'
        ) : (
          <>
            Your grant lasts until <Moment at={grant.notAfter} />: this session has reached its longest time.
            Connect again when it has ended.
          </>
        )}
      </Content>
    </Dialog>
  )
}
