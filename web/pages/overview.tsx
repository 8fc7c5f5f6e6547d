import { Card, CardBody, CardTitle, Content, Gallery, Label, List, ListItem } from '@patternfly/react-core'
import { useIsFetching } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { count } from '../../vault/kernel/count.ts'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { SessionBadge } from '../parts/state.tsx'
import { When } from '../parts/when.tsx'
import { away, visible } from '../parts/wording.ts'
import { hasRole, useStatus, useUser } from '../shell/me.ts'
import {
  useAuditorCount,
  useAccounts,
  useBreakGlass,
  useCompanies,
  useExposures,
  useGrants,
  usePolicyRequests,
  useRecordings,
  useRequests,
  useSafes,
  useSessions,
  useTargets,
  useUsers,
  useCloseOuts,
} from './lists.ts'

type Notice = {
  readonly key: string
  readonly variant: 'danger' | 'warning' | 'info'
  readonly title: string
  readonly body: ReactNode
}

/** What needs attention, and what is going on. */
export function Overview() {
  const user = useUser()
  const notices = useNotices()
  const waiting = useIsFetching({ predicate: ({ state }) => state.status === 'pending' }) > 0
  const sessions = useSessions(!hasRole(user, 'auditor'))
  const live = sessions.data?.filter(({ state }) => state !== 'ended') ?? []
  return (
    <Page title="Overview">
      {notices.length === 0 && waiting ? null : notices.length === 0 ? (
        <Note variant="success" title="Nothing needs your attention" className="gap-below" />
      ) : (
        notices.map(({ key, variant, title, body }) => (
          <Note key={key} variant={variant} title={title} className="gap-below">
            {body}
          </Note>
        ))
      )}
      <Gallery hasGutter minWidths={{ default: '100%', lg: '45%' }}>
        {hasRole(user, 'auditor') ? (
          <RecentRecordings />
        ) : (
          <Card>
            <CardTitle component="h2">Live sessions</CardTitle>
            <CardBody>
              {live.length === 0 ? (
                <Content component="p" className="quiet">
                  Nobody is connected now.
                </Content>
              ) : (
                <List isPlain isBordered>
                  {live.slice(0, 8).map((session) => (
                    <ListItem key={session.id}>
                      <SessionBadge session={session} />{' '}
                      <strong>
                        <Name of={session.user} />
                      </strong>{' '}
                      on{' '}
                      <span className="mono">
                        <Name of={session.account} />
                      </span>
                      , started <When at={session.startedAt} />
                    </ListItem>
                  ))}
                </List>
              )}
              <p className="gap-above">
                <Link href="/sessions">All sessions</Link>
              </p>
            </CardBody>
          </Card>
        )}
        {hasRole(user, 'vendor') ? null : <Vault />}
      </Gallery>
    </Page>
  )
}

function RecentRecordings() {
  const recordings = useRecordings()
  const recent = (recordings.data ?? [])
    .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))
    .slice(0, 8)
  return (
    <Card>
      <CardTitle component="h2">Newest recordings</CardTitle>
      <CardBody>
        {recent.length === 0 ? (
          <Content component="p" className="quiet">
            Nothing has been recorded yet.
          </Content>
        ) : (
          <List isPlain isBordered>
            {recent.map((row) => (
              <ListItem key={row.id}>
                <Link href={`/recordings/${row.id}`}>
                  <Name of={row.user} /> on <Name of={row.account} />
                </Link>
                , <When at={row.startedAt} />
              </ListItem>
            ))}
          </List>
        )}
        <p className="gap-above">
          <Link href="/recordings">All recordings</Link>
        </p>
      </CardBody>
    </Card>
  )
}

function Vault() {
  const status = useStatus()
  const users = useUsers(hasRole(useUser(), 'admin'))
  const auditors = useAuditorCount()
  if (status.data === undefined) return null
  const { sealed, version, fingerprint } = status.data
  return (
    <Card>
      <CardTitle component="h2" className="split">
        Vault
        <Label color={sealed ? 'orange' : 'green'} isCompact>
          {sealed ? 'sealed' : 'open'}
        </Label>
      </CardTitle>
      <CardBody>
        <dl className="facts">
          {users.data === undefined ? null : (
            <>
              <dt>Users</dt>
              <dd>{users.data.length}</dd>
            </>
          )}
          {auditors.data === undefined ? null : (
            <>
              <dt>Auditors</dt>
              <dd>{auditors.data === 0 ? 'none yet' : auditors.data}</dd>
            </>
          )}
          <dt>Intake key</dt>
          <dd className="mono small">{fingerprint ?? 'not made yet'}</dd>
          <dt>Version</dt>
          <dd>{version}</dd>
        </dl>
      </CardBody>
    </Card>
  )
}

/** What needs attention, for who can do something about it. Each says what to do next. */
function useNotices(): readonly Notice[] {
  const user = useUser()
  const admin = hasRole(user, 'admin')
  const auditor = hasRole(user, 'auditor')
  const auditors = useAuditorCount()
  const status = useStatus()
  const safes = useSafes(admin)
  const targets = useTargets(admin)
  const accounts = useAccounts(admin)
  const users = useUsers(admin)
  const grants = useGrants(!hasRole(user, 'auditor', 'observer', 'security-officer'))
  const recordings = useRecordings(admin || auditor)
  const companies = useCompanies()
  const exposures = useExposures(admin || auditor || hasRole(user, 'security-officer'))
  const notices: Notice[] = []
  const add = (when: boolean, notice: Notice) => {
    if (when) notices.push(notice)
  }

  const tampered = recordings.data?.filter(({ state }) => state === 'tampered') ?? []
  add(tampered.length > 0, {
    key: 'tampered',
    variant: 'danger',
    title:
      tampered.length === 1
        ? 'A recording was tampered with'
        : `${tampered.length} recordings were tampered with`,
    body: <Link href="/recordings">See which</Link>,
  })
  const forms = useCloseOuts(!hasRole(user, 'auditor', 'observer', 'security-officer'))
  const owed = forms.data?.filter((one) => one.filled === null && one.user === user.name) ?? []
  add(owed.length > 0, {
    key: 'close-out',
    variant: owed.some(({ isRequired }) => isRequired) ? 'warning' : 'info',
    title: `Say what you did on ${[...new Set(owed.map(({ account }) => visible(account)))].slice(0, 3).join(', ')}`,
    body: <Link href="/close-outs">Close out</Link>,
  })
  const approver = hasRole(user, 'approver')
  const requests = useRequests('open', admin || approver)
  const waiting = requests.data?.filter(({ mayDecide }) => mayDecide) ?? []
  add(waiting.length > 0, {
    key: 'requests',
    variant: 'info',
    title: `${count(waiting.length, 'request')} ${waiting.length === 1 ? 'waits' : 'wait'} for your answer: ${waiting
      .slice(0, 3)
      .map((one) => `${visible(one.user)} for ${visible(one.account)}`)
      .join(', ')}`,
    body: <Link href="/requests">Answer</Link>,
  })
  const policies = usePolicyRequests(admin)
  const asked = policies.data?.filter(({ mayApprove }) => mayApprove) ?? []
  add(asked.length > 0, {
    key: 'policy',
    variant: 'info',
    title: `${count(asked.length, 'change')} of the policy ${asked.length === 1 ? 'waits' : 'wait'} for a second administrator`,
    body: <Link href="/policy">Look and answer</Link>,
  })
  const opened = useBreakGlass('open', admin || auditor || approver || hasRole(user, 'security-officer'))
  const alarms = opened.data?.filter((one) => one.user !== user.name) ?? []
  add(alarms.length > 0, {
    key: 'break-glass',
    variant: 'danger',
    title: alarms
      .slice(0, 3)
      .map((one) => `${one.user} broke the glass for ${visible(one.account)}`)
      .join('; '),
    body: (
      <Link href="/break-glass">
        {alarms.some(({ state }) => state === 'ended') ? 'Review it' : 'See why, and until when'}
      </Link>
    ),
  })
  const changed = targets.data?.filter(({ changedKey }) => changedKey !== null) ?? []
  add(changed.length > 0, {
    key: 'changed',
    variant: 'danger',
    title: `The host key of ${changed.map(({ name }) => name).join(', ')} has changed`,
    body: <Link href="/targets">Find out why, then approve or repair</Link>,
  })
  const overdue = targets.data?.filter(({ legacy }) => legacy?.isExpired === true) ?? []
  add(overdue.length > 0, {
    key: 'overdue',
    variant: 'warning',
    title: `Nobody can connect to ${overdue.map(({ name }) => name).join(', ')}: the time of its old algorithms is over`,
    body: <Link href="/targets">Update the machine, or renew it</Link>,
  })
  const ending = companies.data?.filter((one) => one.state !== 'off' && endsSoon(one.contractEndsAt)) ?? []
  add(ending.length > 0, {
    key: 'contracts',
    variant: ending.some(({ state }) => state === 'ended') ? 'warning' : 'info',
    title: ending
      .slice(0, 3)
      .map(({ name, state, contractEndsAt }) =>
        state === 'ended'
          ? `The contract of ${name} has ended`
          : `The contract of ${name} ends ${away(contractEndsAt)}`,
      )
      .join('; '),
    body: <Link href="/vendors">Renew it, or take the company off</Link>,
  })
  const late = exposures.data?.filter(({ isOverdue }) => isOverdue) ?? []
  add(late.length > 0, {
    key: 'exposures',
    variant: 'warning',
    title:
      late.length === 1
        ? 'A secret that somebody has seen should be another one by now'
        : `${late.length} secrets that people have seen should be others by now`,
    body: <Link href="/exposure">See which, and change them</Link>,
  })
  add(status.data?.sealed === true, {
    key: 'sealed',
    variant: 'warning',
    title: 'The vault is sealed: no session can start',
    body: (
      <>
        The machine administrator runs <code>tagout unseal</code>.
      </>
    ),
  })
  add(auditors.data === 0, {
    key: 'auditors',
    variant: 'warning',
    title: 'There is no auditor yet, so no session can start',
    body: auditor ? (
      <>
        <Link href="/auditors">Make your key</Link>; the machine administrator then enrols you.
      </>
    ) : (
      <>
        The auditor makes a key (in this console, or <code>tagout auditor keygen --out auditor.key</code>),
        and the machine administrator runs{' '}
        <code>tagout auditor add NAME auditor.key.pub --recovery-out recordings-recovery.key</code>.
      </>
    ),
  })
  if (admin) {
    add(safes.data?.length === 0, {
      key: 'safes',
      variant: 'info',
      title: 'Make the first safe',
      body: (
        <>
          <Link href="/safes">Add a safe</Link>, or <code>tagout safe add line-3</code>.
        </>
      ),
    })
    add((safes.data?.length ?? 0) > 0 && targets.data?.length === 0, {
      key: 'targets',
      variant: 'info',
      title: 'Add the first machine',
      body: (
        <>
          <Link href="/targets">Add a target</Link>, or{' '}
          <code>tagout target add press-3 ssh://192.0.2.10 --safe line-3</code>.
        </>
      ),
    })
    const unpinned = targets.data?.filter(({ pins }) => pins.length === 0) ?? []
    add(unpinned.length > 0, {
      key: 'unpinned',
      variant: 'warning',
      title: `Nobody can connect to ${unpinned.map(({ name }) => name).join(', ')} yet`,
      body: <Link href="/targets">Compare and approve the host key</Link>,
    })
    add((targets.data?.length ?? 0) > 0 && accounts.data?.length === 0, {
      key: 'accounts',
      variant: 'info',
      title: 'Put the first account into the vault',
      body: (
        <>
          <Link href="/accounts">Add an account</Link>, or{' '}
          <code>tagout account add press-3/engineer --password-stdin</code>.
        </>
      ),
    })
    add((accounts.data?.length ?? 0) > 0 && users.data?.length === 1, {
      key: 'users',
      variant: 'info',
      title: 'You are alone here',
      body: (
        <>
          <Link href="/users">Add the people who work on the machines</Link>, or{' '}
          <code>tagout user add bob --role operator</code>.
        </>
      ),
    })
    add((accounts.data?.length ?? 0) > 0 && (users.data?.length ?? 0) > 1 && grants.data?.length === 0, {
      key: 'grants',
      variant: 'info',
      title: 'Nobody has a grant yet',
      body: <Link href="/grants">Let somebody in</Link>,
    })
  }
  const mine = grants.data?.filter((grant) => grant.user === user.name && grant.state === 'active') ?? []
  add(!auditor && mine.length > 0, {
    key: 'mine',
    variant: 'info',
    title:
      mine.length === 1 ? `You may use ${mine[0]?.account} now` : `You may use ${mine.length} accounts now`,
    body: <Link href="/access">How to connect</Link>,
  })
  return notices
}

/** Has a contract a month left, or ended within the last one? */
function endsSoon(at: string): boolean {
  return Math.abs(Date.parse(at) - Date.now()) < 30 * 24 * 3600_000
}
