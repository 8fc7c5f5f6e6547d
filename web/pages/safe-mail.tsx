import { useState } from 'react'
import type { SafeView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/field.tsx'
import { useChange } from '../shell/me.ts'
import { useUsers } from './lists.ts'

const spans = [5, 15, 30, 60, 120, 240, 480]

/** Who is written to about a safe, beside its approvers and who asks. */
export function SafeMail({ safe, onClose }: { readonly safe: SafeView; readonly onClose: () => void }) {
  const change = useChange()
  const users = useUsers()
  const { notifications } = safe
  const [minutes, setMinutes] = useState(String(notifications.unansweredMinutes ?? ''))
  const [escalateTo, setEscalateTo] = useState(notifications.escalateTo ?? '')
  const [sessions, setSessions] = useState(notifications.sessions ? 'yes' : 'no')
  const own = notifications.unansweredMinutes
  const offered = [...new Set(own === null ? spans : [...spans, own])].sort((a, b) => a - b)
  return (
    <Dialog
      title={`Mail about ${safe.name}`}
      action="Set"
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('PUT', at`/api/safes/${safe.name}/notifications`, {
            unansweredMinutes: minutes === '' ? null : Number(minutes),
            escalateTo: escalateTo === '' ? null : escalateTo,
            sessions: sessions === 'yes',
          }),
        )
        onClose()
      }}
    >
      <Choice
        label="A request that nobody answers"
        name="unansweredMinutes"
        value={minutes}
        onChange={setMinutes}
        options={[
          { value: '', label: 'waits, and nobody is reminded' },
          ...offered.map((number) => ({
            value: String(number),
            label: `is spoken of again after ${number} minutes`,
          })),
        ]}
        hint="The approvers are reminded, once, and somebody else is told."
      />
      <Choice
        label="Told then, beside the approvers"
        name="escalateTo"
        value={escalateTo}
        onChange={setEscalateTo}
        options={[
          { value: '', label: 'the administrators' },
          ...(users.data ?? [])
            .filter(({ state, roles }) => state !== 'disabled' && !roles.includes('auditor'))
            .map(({ name }) => ({ value: name, label: name })),
        ]}
      />
      <Choice
        label="When a session begins and ends, the approvers"
        name="sessions"
        value={sessions}
        onChange={setSessions}
        options={[
          { value: 'no', label: 'are not written to' },
          { value: 'yes', label: 'are written to' },
        ]}
      />
    </Dialog>
  )
}
