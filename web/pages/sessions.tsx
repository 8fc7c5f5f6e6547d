import { Button, Content, Label, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { SessionView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { Listing } from '../parts/listing.tsx'
import { Page } from '../parts/page.tsx'
import { SessionBadge } from '../parts/state.tsx'
import { When } from '../parts/when.tsx'
import { between, visible } from '../parts/wording.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useSessions } from './lists.ts'
import { SessionFacts } from './session-facts.tsx'

/** Who is connected now, and who was. */
export function Sessions() {
  const sessions = useSessions()
  const user = useUser()
  const [live, setLive] = useState(false)
  const [ending, setEnding] = useState<SessionView | null>(null)
  const [shown, setShown] = useState<string | null>(null)
  // By id, so that it shows what becomes of it.
  const showing = sessions.data?.find(({ id }) => id === shown)
  const seesRecordings = hasRole(user, 'auditor', 'admin')
  const count = sessions.data?.filter(({ state }) => state !== 'ended').length ?? 0
  return (
    <Page
      title="Sessions"
      about={
        count === 0
          ? 'Nobody is connected now.'
          : count === 1
            ? 'One session is live.'
            : `${count} sessions are live.`
      }
    >
      <Listing
        name="Sessions"
        query={sessions}
        keyOf={({ id }) => id}
        text={(row) =>
          [
            row.user,
            row.account,
            row.target,
            row.source,
            row.id,
            row.endReason ?? '',
            row.forward?.to ?? '',
          ].join(' ')
        }
        keep={({ state }) => !live || state !== 'ended'}
        tools={
          <ToggleGroup aria-label="Which sessions">
            <ToggleGroupItem text="All" isSelected={!live} onChange={() => setLive(false)} />
            <ToggleGroupItem text="Live" isSelected={live} onChange={() => setLive(true)} />
          </ToggleGroup>
        }
        columns={[
          { title: 'State', fit: 'whole', cell: ({ state }) => <SessionBadge state={state} /> },
          {
            title: 'User',
            cell: (row) => (
              <>
                {row.user}
                {row.credentialSetByOther ? (
                  <div>
                    <Label color="orange" isCompact>
                      new credentials
                    </Label>
                  </div>
                ) : null}
              </>
            ),
          },
          {
            title: 'Account',
            cell: (row) => (
              <>
                <span className="mono">{row.account}</span>
                {row.forward === null ? null : (
                  <div className="quiet small">
                    forwarding to <span className="mono">{visible(row.forward.to)}</span>
                  </div>
                )}
              </>
            ),
          },
          { title: 'From', cell: (row) => <span className="mono">{row.source}</span> },
          { title: 'Started', fit: 'whole', cell: (row) => <When at={row.startedAt} /> },
          { title: 'Lasted', fit: 'whole', cell: (row) => between(row.startedAt, row.endedAt) },
          {
            title: 'Ended',
            cell: (row) =>
              row.endedAt === null ? (
                <span className="quiet">
                  time is up <When at={row.endsAt} />
                </span>
              ) : (
                visible(row.endReason ?? 'ended')
              ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (row) => (
              <>
                <Button
                  variant="secondary"
                  size="sm"
                  onClick={() => setShown(row.id)}
                  aria-label={`Show ${row.account} by ${row.user}`}
                >
                  Show
                </Button>
                {row.state === 'ended' ? null : (
                  <Button
                    variant="danger"
                    size="sm"
                    onClick={() => setEnding(row)}
                    aria-label={`Terminate ${row.account} by ${row.user}`}
                  >
                    Terminate
                  </Button>
                )}
                {seesRecordings && row.state === 'ended' ? (
                  <Link href={`/recordings/${row.recording}`}>Recording</Link>
                ) : null}
              </>
            ),
          },
        ]}
        empty={{
          title: 'No sessions yet',
          body: 'A session appears here the moment somebody with a grant connects: ssh -p 2222 user@account@target@gateway.',
        }}
      />
      {showing === undefined || ending !== null ? null : (
        <SessionFacts
          session={showing}
          recordings={seesRecordings}
          onTerminate={() => setEnding(showing)}
          onClose={() => setShown(null)}
        />
      )}
      {ending === null ? null : <Terminate session={ending} onClose={() => setEnding(null)} />}
    </Page>
  )
}

/** Ends a session now, saying why. */
function Terminate({ session, onClose }: { readonly session: SessionView; readonly onClose: () => void }) {
  const change = useChange()
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title="Terminate this session?"
      action="Terminate"
      danger
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask(
            'POST',
            at`/api/sessions/${session.id}/terminate`,
            reason.trim() === '' ? {} : { reason: reason.trim() },
          ),
        )
        onClose()
      }}
    >
      <Content component="p">
        {session.user} is working on <span className="mono">{session.account}</span> from {session.source}.
        The connection is cut within three seconds; what runs on the machine may stop half way. The recording
        is kept.
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
    </Dialog>
  )
}
