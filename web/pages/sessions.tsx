import { Button, Label, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { SessionView, UserView } from '../../vault/contract.ts'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { SessionBadge } from '../parts/state.tsx'
import { When } from '../parts/when.tsx'
import { between, visible } from '../parts/wording.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { useSessions } from './lists.ts'
import { type Control, ControlButtons, ControlDialog, Holds } from './session-control.tsx'
import { SessionFacts } from './session-facts.tsx'

/** Who is connected now, and who was. */
export function Sessions() {
  const sessions = useSessions()
  const user = useUser()
  const [live, setLive] = useState(false)
  const [acting, setActing] = useState<{ readonly session: SessionView; readonly control: Control } | null>(
    null,
  )
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
      actions={<Link href="/sessions/wall">Session wall</Link>}
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
          {
            title: 'State',
            fit: 'whole',
            cell: (row) => (
              <>
                <SessionBadge session={row} />
                {row.watchers.length === 0 ? null : (
                  <div className="quiet small">watched by {row.watchers.map(visible).join(', ')}</div>
                )}
              </>
            ),
          },
          {
            title: 'User',
            cell: (row) => (
              <>
                {visible(row.user)}
                {row.breakGlass === null ? null : (
                  <div>
                    <Label color="red" isCompact>
                      break-glass
                    </Label>
                  </div>
                )}
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
                <span className="mono">
                  <Name of={row.account} />
                </span>
                {row.forward === null ? null : (
                  <div className="quiet small">
                    forwarding to <span className="mono">{visible(row.forward.to)}</span>
                  </div>
                )}
              </>
            ),
          },
          {
            title: 'From',
            cell: (row) => <span className="mono">{visible(row.source)}</span>,
          },
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
                {isWatchable(row, user) ? (
                  <Link href={`/sessions/${row.id}`} aria-label={`Watch ${row.account} by ${row.user}`}>
                    Watch
                  </Link>
                ) : null}
                <ControlButtons
                  session={row}
                  short
                  own={row.user === user.name}
                  onChoose={(control) => setActing({ session: row, control })}
                />
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
      {showing === undefined || acting !== null ? null : (
        <SessionFacts
          session={showing}
          recordings={seesRecordings}
          own={showing.user === user.name}
          onChoose={(control) => setActing({ session: showing, control })}
          onClose={() => setShown(null)}
        />
      )}
      {acting === null ? null : (
        <ControlDialog
          control={acting.control}
          session={sessions.data?.find(({ id }) => id === acting.session.id) ?? acting.session}
          onClose={() => setActing(null)}
        />
      )}
      <Holds own={user.name} />
    </Page>
  )
}

/** Nobody watches themselves, and there is nothing to see before the target is reached or after the end. */
export function isWatchable({ user, state, byRule }: SessionView, who: UserView): boolean {
  // A rule that lets them watch at another time shows the session, and opens nothing now.
  if (hasRole(who, 'security-officer') || byRule === 'not now') return false
  return user !== who.name && (state === 'live' || state === 'frozen')
}
