import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { Link } from 'wouter'
import type { SessionView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { Note } from '../parts/note.tsx'
import { SessionBadge } from '../parts/state.tsx'
import { HeldBy } from '../parts/held-by.tsx'
import { Moment } from '../parts/when.tsx'
import { between, bytes, visible } from '../parts/wording.ts'
import { AuditLink } from './audit-link.tsx'
import { useCloseOuts } from './lists.ts'
import { type Control, ControlButtons } from './session-control.tsx'

/** Everything that is known of a session. */
export function SessionFacts(props: {
  readonly session: SessionView
  /** Whether who looks may see recordings. */
  readonly recordings: boolean
  readonly own: boolean
  readonly onChoose: (control: Control) => void
  readonly onClose: () => void
}) {
  const { session, onClose } = props
  const form = useCloseOuts(session.endedAt !== null).data?.find((one) => one.session === session.id)
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="session-title">
      <ModalHeader
        title={`${visible(session.user)} on ${visible(session.account)}`}
        labelId="session-title"
      />
      <ModalBody>
        {session.breakGlass === null ? null : (
          <Note variant="danger" title={`${visible(session.user)} broke the glass`} className="gap-below">
            Nobody let them in. See why under <Link href="/break-glass">Break-glass</Link>.
          </Note>
        )}
        {session.credentialSetByOther ? (
          <Note
            variant="warning"
            title="Somebody else set this user's password, code or key in the week before"
            className="gap-below"
          >
            Ask {session.user} whether it was them who connected.
          </Note>
        ) : null}
        <dl className="facts">
          <dt>State</dt>
          <dd>
            <SessionBadge session={session} />
            {session.freeze === null ? null : (
              <>
                {' '}
                <HeldBy freeze={session.freeze} />
              </>
            )}
          </dd>
          {session.watchers.length === 0 ? null : (
            <>
              <dt>Watched by</dt>
              <dd>{session.watchers.map(visible).join(', ')}</dd>
            </>
          )}
          <dt>Target</dt>
          <dd>{session.target}</dd>
          <dt>From</dt>
          <dd className="mono">{session.source}</dd>
          <dt>Started</dt>
          <dd>
            <Moment at={session.startedAt} />
          </dd>
          <dt>Lasted</dt>
          <dd>{between(session.startedAt, session.endedAt)}</dd>
          <dt>Last activity</dt>
          <dd>{session.lastActivityAt === null ? 'none yet' : <Moment at={session.lastActivityAt} />}</dd>
          <dt>{session.endedAt === null ? 'Time is up' : 'Ended'}</dt>
          <dd>
            <Moment at={session.endedAt ?? session.endsAt} />
            {session.endReason === null ? null : `, ${visible(session.endReason)}`}
            {session.endedBy === null
              ? null
              : ` by ${whoText(visible(session.endedBy.by))}${session.endedBy.reason === '' ? '' : `: ${visible(session.endedBy.reason)}`}`}
          </dd>
          {form === undefined ? null : (
            <>
              <dt>Close-out</dt>
              <dd>
                {form.filled === null ? (
                  <>
                    not filled: see <Link href="/close-outs">Close-outs</Link>
                  </>
                ) : (
                  `${form.filled.result}: ${visible(form.filled.done)}`
                )}
              </dd>
            </>
          )}
          {session.forward === null ? null : (
            <>
              <dt>Forwarding</dt>
              <dd>
                to <span className="mono">{visible(session.forward.to)}</span>
                {session.forward.connections === null
                  ? null
                  : `, ${count(session.forward.connections, 'connection')}, ${bytes(session.forward.bytesUp ?? 0)} there, ${bytes(session.forward.bytesDown ?? 0)} back`}
              </dd>
            </>
          )}
          <dt>Grant</dt>
          <dd className="mono small">{session.grant}</dd>
          <dt>Session</dt>
          <dd>
            <span className="mono small">{session.id}</span>{' '}
            <AuditLink
              asked={{ session: session.id }}
              text="Its log"
              of={`${session.account} by ${session.user}`}
            />
          </dd>
          <dt>Recording</dt>
          <dd className="mono small">
            {props.recordings ? (
              <Link href={`/recordings/${session.recording}`}>{session.recording}</Link>
            ) : (
              session.recording
            )}
          </dd>
        </dl>
      </ModalBody>
      <ModalFooter>
        <ControlButtons session={session} own={props.own} onChoose={props.onChoose} />
        <Button variant={session.state === 'ended' ? 'primary' : 'secondary'} onClick={onClose}>
          Done
        </Button>
      </ModalFooter>
    </Modal>
  )
}
