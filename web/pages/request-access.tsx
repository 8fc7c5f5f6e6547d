import { useState } from 'react'
import { ask } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { span } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { ActionChoices, allowedOf, atFirst, type Chosen, forSessions, isChosen } from './grant-parts.tsx'
import { useAccounts } from './lists.ts'

const spans = [1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600, 7 * 24 * 3600]

/** Asks others to be let in. */
export function RequestAccess(props: { readonly account?: string; readonly onClose: () => void }) {
  const { onClose } = props
  const change = useChange()
  const accounts = useAccounts()
  const [account, setAccount] = useState(props.account ?? '')
  const of = accounts.data?.find(({ name }) => name === account)
  const [picked, setChosen] = useState<Chosen>()
  const chosen = picked ?? atFirst(of)
  const [begins, setBegins] = useState('')
  const [forSeconds, setForSeconds] = useState(String(2 * 3600))
  const [mode, setMode] = useState('shared')
  const [reason, setReason] = useState('')
  const [workOrder, setWorkOrder] = useState('')
  const from = begins === '' ? null : new Date(begins)
  const isMoment = from === null || !Number.isNaN(from.getTime())
  return (
    <Dialog
      wide
      title="Request access"
      description="An approver of the safe decides. You see the answer under Requests, and the machine under My access."
      action="Send request"
      ready={account !== '' && reason.trim() !== '' && isChosen(chosen) && isMoment}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('POST', '/api/requests', {
            account,
            ...allowedOf(chosen),
            ...(from === null ? {} : { notBefore: from.toISOString() }),
            forSeconds: Number(forSeconds),
            mode,
            reason: reason.trim(),
            ...(workOrder.trim() === '' ? {} : { workOrder: workOrder.trim() }),
          }),
        )
        onClose()
      }}
    >
      <Choice
        label="Account"
        name="account"
        value={account}
        onChange={(name) => {
          setAccount(name)
          setChosen(undefined)
        }}
        options={[
          { value: '', label: accounts.isPending ? 'Loading' : 'Choose an account' },
          ...forSessions(accounts.data).map(({ name }) => ({ value: name, label: name })),
        ]}
        hint="Those of the safes that you are a member of. Is yours missing? Ask an administrator."
      />
      <LongField
        label="Reason"
        name="reason"
        rows={2}
        value={reason}
        onChange={setReason}
        hint="What you want to do there"
      />
      <Field
        label="Work order"
        name="workOrder"
        required={false}
        value={workOrder}
        onChange={setWorkOrder}
        hint="Its number, where there is one"
      />
      <Choice
        label="For"
        name="forSeconds"
        value={forSeconds}
        onChange={setForSeconds}
        options={spans.map((seconds) => ({ value: String(seconds), label: span(seconds) }))}
      />
      <Field
        label="Beginning"
        name="notBefore"
        type="datetime-local"
        required={false}
        value={begins}
        onChange={setBegins}
        hint="Empty: as soon as it is approved"
      />
      <ActionChoices label="You want to" account={of} chosen={chosen} onChange={setChosen} />
      <Choice
        label="Together with others"
        name="mode"
        value={mode}
        onChange={setMode}
        options={[
          { value: 'shared', label: 'Shared: others may be on the account at the same time' },
          { value: 'exclusive', label: 'Exclusive: one user at a time' },
        ]}
      />
    </Dialog>
  )
}
