import { Button, Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { SessionView } from '../../vault/contract.ts'
import type { WatchId } from '../../vault/kernel/id.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Problem } from '../parts/problem.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'

/** The way into a take-over, and out of it. Nothing for who supervises nobody. */
export function TakeButtons(props: {
  readonly session: SessionView
  readonly typing: boolean
  readonly onTake: () => void
}) {
  const { session, typing, onTake } = props
  const user = useUser()
  const change = useChange()
  const [failed, setFailed] = useState<unknown>(null)
  if (!hasRole(user, 'supervisor') || session.forward !== null || session.byRule !== undefined) return null
  if (session.takenBy === user.name && typing)
    return (
      <>
        <Button
          size="sm"
          onClick={() => {
            setFailed(null)
            change(() => ask('POST', at`/api/sessions/${session.id}/give-back`, {})).catch(setFailed)
          }}
        >
          Give back
        </Button>
        <Problem error={failed} />
      </>
    )
  return session.takenBy === null ? (
    <Button size="sm" variant="secondary" onClick={onTake}>
      Take over
    </Button>
  ) : null
}

export function TakeDialog(props: {
  readonly session: SessionView
  readonly watch: WatchId
  readonly onClose: () => void
}) {
  const { session, watch, onClose } = props
  const change = useChange()
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title="Take this session over?"
      action="Take over"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const wanted = { watch, ...(reason.trim() === '' ? {} : { reason: reason.trim() }) }
        const body = await proven(code, 'session.take', { session: session.id }, wanted)
        await change(() => ask('POST', at`/api/sessions/${session.id}/take`, body))
        onClose()
      }}
    >
      <Content component="p">
        What {visible(session.user)} types reaches nothing from then on, and they are told that you have it.
        What you type goes to the machine, and is recorded as yours. When you leave, or your connection
        breaks, the session stays frozen until somebody lets it go on.
      </Content>
      <Field
        label="Reason"
        name="reason"
        required={false}
        value={reason}
        onChange={setReason}
        autoFocus
        hint="Told to the user, and written in the recording and the audit log"
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
