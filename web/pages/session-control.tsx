import { Button, Content, Title } from '@patternfly/react-core'
import { useState } from 'react'
import type { HoldView, SessionView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { Name } from '../parts/name.tsx'
import { TwoStep } from '../parts/two-step.tsx'
import { Moment, When } from '../parts/when.tsx'
import { between, visible } from '../parts/wording.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useHolds } from './lists.ts'

/** What somebody is about to do to a live session. */
export type Control = 'freeze' | 'unfreeze' | 'message' | 'terminate'

type Props = { readonly session: SessionView; readonly onClose: () => void }

/** The dialog of one way to act on a live session: it says what will happen to what runs now. */
export function ControlDialog({ control, ...props }: Props & { readonly control: Control }) {
  if (props.session.state === 'ended') return <EndedDialog {...props} />
  switch (control) {
    case 'freeze':
      return <FreezeDialog {...props} />
    case 'unfreeze':
      return <UnfreezeDialog {...props} />
    case 'message':
      return <MessageDialog {...props} />
    case 'terminate':
      return <TerminateDialog {...props} />
  }
}

/** The session has ended under an open dialog: there is nothing to do to it any more. */
function EndedDialog({ session, onClose }: Props) {
  return (
    <Dialog
      title="This session has ended meanwhile"
      action={null}
      closing="Close"
      act={async () => undefined}
      onClose={onClose}
    >
      <Content component="p">
        The session of {visible(session.user)} on <span className="mono">{visible(session.account)}</span> is
        over{session.endReason === null ? '' : ` (${session.endReason})`}: nothing was done to it here.
      </Content>
    </Dialog>
  )
}

/** Who works where, since when, and when something last moved. */
function Present({ session }: { readonly session: SessionView }) {
  return (
    <Content component="p">
      {visible(session.user)} has been working on <span className="mono">{visible(session.account)}</span>{' '}
      from {visible(session.source)} for {between(session.startedAt, null)}.{' '}
      {session.lastActivityAt === null ? null : (
        <>
          Something was typed or printed <When at={session.lastActivityAt} />.
        </>
      )}
    </Content>
  )
}

function useControl(session: SessionView, act: string, onClose: () => void) {
  const change = useChange()
  return (body: object) =>
    change(async () => {
      await ask('POST', at`/api/sessions/${session.id}/${act}`, body)
      // Before the lists are read anew: what this did is no news to who did it.
      onClose()
    })
}

const withReason = (reason: string) => (reason.trim() === '' ? {} : { reason: reason.trim() })

function FreezeDialog({ session, onClose }: Props) {
  const [reason, setReason] = useState('')
  const act = useControl(session, 'freeze', onClose)
  return (
    <Dialog
      title="Freeze this session?"
      action="Freeze"
      onClose={onClose}
      act={() => act(withReason(reason))}
    >
      <Present session={session} />
      <Content component="p">
        Within a second nothing that they send reaches the machine: keys are dropped, and they are told so; an
        upload stops where it is. What runs on the machine goes on running, and its output is shown and
        recorded.
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
    </Dialog>
  )
}

function UnfreezeDialog({ session, onClose }: Props) {
  const act = useControl(session, 'unfreeze', onClose)
  return (
    <Dialog title="Let this session go on?" action="Unfreeze" onClose={onClose} act={() => act({})}>
      <Present session={session} />
      <Content component="p">
        {session.freeze === null ? null : (
          <>
            Frozen by {whoText(visible(session.freeze.by))} <Moment at={session.freeze.at} />
            {session.freeze.reason === '' ? '' : `: ${visible(session.freeze.reason)}`}.{' '}
          </>
        )}
        What they type reaches the machine again, and an upload that waits goes on from where it stopped.
      </Content>
    </Dialog>
  )
}

function MessageDialog({ session, onClose }: Props) {
  const change = useChange()
  const [text, setText] = useState('')
  const [shown, setShown] = useState<number | null>(null)
  if (shown === 0)
    return (
      <Dialog title="Nobody was shown it" action="Close" onClose={onClose} act={async () => onClose()}>
        <Content component="p">
          {visible(session.user)} has no terminal open in this session: it copies files or runs a command.
        </Content>
      </Dialog>
    )
  return (
    <Dialog
      title={`Write to ${visible(session.user)}`}
      action="Send"
      ready={text.trim() !== ''}
      onClose={onClose}
      act={async () => {
        const answer = await change(() =>
          ask<{ readonly terminals: number }>('POST', at`/api/sessions/${session.id}/message`, {
            text: text.trim(),
          }),
        )
        if (answer.terminals === 0) setShown(0)
        else onClose()
      }}
    >
      <Field
        label="Line"
        name="text"
        value={text}
        onChange={setText}
        autoFocus
        hint="Shown in their terminal with your name, and written in the recording and the audit log"
      />
    </Dialog>
  )
}

const holds = [
  { value: '', label: 'may connect again at once' },
  { value: '900', label: 'is held off this target for 15 minutes' },
  { value: '3600', label: 'is held off this target for an hour' },
  { value: '28800', label: 'is held off this target for 8 hours' },
] as const

function TerminateDialog({ session, onClose }: Props) {
  const [reason, setReason] = useState('')
  const [hold, setHold] = useState('')
  const act = useControl(session, 'terminate', onClose)
  return (
    <Dialog
      title="Terminate this session?"
      action="Terminate"
      danger
      onClose={onClose}
      act={() => act({ ...withReason(reason), ...(hold === '' ? {} : { holdSeconds: Number(hold) }) })}
    >
      <Present session={session} />
      <Content component="p">
        The connection is cut within three seconds; what runs on the machine may stop half way. To stop their
        hands and leave the machine be, freeze the session instead. The recording is kept.
      </Content>
      <Field
        label="Reason"
        name="reason"
        required={false}
        value={reason}
        onChange={setReason}
        autoFocus
        hint="Told to the user, and written in the audit log"
      />
      <Choice
        label={`Afterwards ${visible(session.user)}`}
        name="holdSeconds"
        value={hold}
        onChange={setHold}
        options={holds}
        hint={
          hold === ''
            ? undefined
            : 'Their other sessions on it go on. You can release the hold below the list.'
        }
      />
    </Dialog>
  )
}

/** Who is kept off which target, with the way to let them in again. Nothing where nobody is. */
export function Holds({ own }: { readonly own: string }) {
  const holding = useHolds()
  const change = useChange()
  if (holding.data === undefined || holding.data.length === 0) return null
  return (
    <section aria-labelledby="holds" className="held-off">
      <Title headingLevel="h2" size="lg" id="holds">
        Held off
      </Title>
      <ul className="holds">
        {holding.data.map((hold: HoldView) => (
          <li key={hold.id}>
            <span>
              <Name of={hold.user} /> off{' '}
              <span className="mono">
                <Name of={hold.target} />
              </span>{' '}
              by {whoText(visible(hold.heldBy))}, ends <When at={hold.until} />
              {hold.reason === '' ? '' : `: ${visible(hold.reason)}`}
            </span>
            {hold.user === own ? null : (
              <TwoStep
                text="Release"
                label={`Release ${visible(hold.user)}`}
                confirm="Let them connect"
                onDo={() => change(() => ask('DELETE', at`/api/holds/${hold.id}`))}
              />
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** The buttons of what one may do to a live session: never to one's own but end it. */
export function ControlButtons(props: {
  readonly session: SessionView
  readonly own: boolean
  /** Only what must be at hand: writing is left to where there is room. */
  readonly short?: boolean
  readonly onChoose: (control: Control) => void
}) {
  const { session, own, onChoose, short = false } = props
  const user = useUser()
  // Whom a rule alone lets watch does nothing else to it.
  if (session.state === 'ended' || hasRole(user, 'observer') || session.byRule !== undefined) return null
  const whose = `${session.account} by ${session.user}`
  // What waits for a supervisor goes on when one watches; somebody's freeze is lifted by hand.
  const isFrozen = session.freeze !== null && !session.freeze.waits && session.takenBy === null
  const toggle: Control = isFrozen ? 'unfreeze' : 'freeze'
  // Who has taken it over gives it back; whoever else supervises holds them by a freeze.
  const hasTaken = session.takenBy === user.name
  return (
    <>
      {own || hasRole(user, 'security-officer') ? null : (
        <>
          {hasTaken ? null : (
            <Button
              variant={toggle === 'freeze' ? 'warning' : 'primary'}
              size="sm"
              onClick={() => onChoose(toggle)}
              aria-label={`${toggle === 'freeze' ? 'Freeze' : 'Unfreeze'} ${whose}`}
            >
              {toggle === 'freeze' ? 'Freeze' : 'Unfreeze'}
            </Button>
          )}
          {short ? null : (
            <Button
              variant="secondary"
              size="sm"
              onClick={() => onChoose('message')}
              aria-label={`Message ${whose}`}
            >
              Message
            </Button>
          )}
        </>
      )}
      <Button
        variant="danger"
        size="sm"
        onClick={() => onChoose('terminate')}
        aria-label={`Terminate ${whose}`}
      >
        Terminate
      </Button>
    </>
  )
}
