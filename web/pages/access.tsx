import {
  Button,
  Content,
  EmptyState,
  EmptyStateBody,
  Gallery,
  SearchInput,
  Spinner,
  Title,
} from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { AccessView } from '../../vault/contract.ts'
import { Command } from '../parts/command.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { zone } from '../parts/wording.ts'
import { useUser } from '../shell/me.ts'
import { AccessCard } from './access-card.tsx'
import { Offers } from './access-hand-over.tsx'
import { OpenBreakGlass, useGlass } from './break-glass.tsx'
import { useAccess, useHandOvers, useHolds, useQueue, useSessions } from './lists.ts'
import { RequestAccess } from './request-access.tsx'

const recently = 30 * 24 * 3600_000
const manyRecent = 6
/** Cards shown at once: more are found by searching. */
const shownAtFirst = 60

/** What one may use: whether it is free, and how to connect. */
export function Access() {
  const user = useUser()
  const access = useAccess()
  const holds = useHolds()
  const sessions = useSessions()
  const queue = useQueue()
  const handOvers = useHandOvers()
  const frozen = sessions.data?.filter((one) => one.user === user.name && one.freeze?.waits === false) ?? []
  const [wanted, setWanted] = useState('')
  const [shown, setShown] = useState(shownAtFirst)
  const [asking, setAsking] = useState(false)
  const [breaking, setBreaking] = useState(false)
  const glass = useGlass()
  const request = (
    <div className="row">
      <Button onClick={() => setAsking(true)}>Request access</Button>
      {glass.length === 0 ? null : (
        <Button variant="danger" onClick={() => setBreaking(true)}>
          Break glass
        </Button>
      )}
    </div>
  )
  const all = access.data ?? []
  const words = wanted.trim().toLowerCase().split(/\s+/)
  const found = all.filter((one) => words.every((word) => textOf(one).includes(word)))
  const groups = groupsOf(found)
  // Who may use desktops alone has nothing to do with SSH.
  const usesSsh =
    all.length === 0 ||
    all.some(({ grants, rules }) => [...grants, ...rules].some(({ actions }) => !actions.includes('observe')))
  return (
    <Page
      title="My access"
      about={`What you may use now, whether it is free, and how to connect. No password is asked of you for the machine. Times in ${zone()}.`}
      actions={request}
    >
      {user.keys > 0 || access.data === undefined || !usesSsh ? null : (
        <Note variant="info" title="No SSH key of yours is known yet" className="gap-below">
          <Link href="/account">Add your public key</Link> to connect without typing anything, or use a
          one-time ticket.
        </Note>
      )}
      <Problem error={access.error} />
      <Offers offers={(handOvers.data ?? []).filter(({ to }) => to === user.name)} />
      {access.isPending ? <Spinner aria-label="Loading what you may use" /> : null}
      {access.data !== undefined && all.length === 0 ? (
        <EmptyState titleText="You have no access now" headingLevel="h2">
          <EmptyStateBody>
            Request access: an approver answers. Where you are not a member of the machine’s safe yet, ask an
            administrator: they need your name, <strong>{user.name}</strong>.
          </EmptyStateBody>
        </EmptyState>
      ) : null}
      {all.length < 2 ? null : (
        <div className="list-tools">
          <SearchInput
            aria-label="Search what you may use"
            placeholder="Machine, login, reason"
            value={wanted}
            onChange={(_event, value) => setWanted(value)}
            onClear={() => setWanted('')}
          />
          <span className="quiet list-count" aria-live="polite">
            {found.length === all.length ? `${all.length} in all` : `${found.length} of ${all.length}`}
          </span>
        </div>
      )}
      {all.length > 0 && found.length === 0 ? <p className="nothing">Nothing matches the search.</p> : null}
      {groups.map(({ title, rows }) => (
        <section key={title} aria-label={title} className="access-group">
          <Title headingLevel="h2" size="lg" className="gap-below">
            {title}
          </Title>
          <Gallery hasGutter minWidths={{ default: '100%', lg: '34rem' }}>
            {rows.slice(0, shown).map((row) => (
              <AccessCard
                key={row.account}
                access={row}
                user={user.name}
                hold={holds.data?.find(
                  (hold) => hold.user === user.name && row.account.startsWith(`${hold.target}/`),
                )}
                wait={queue.data?.find((wait) => wait.user === user.name && wait.account === row.account)}
                handOver={handOvers.data?.find((one) => one.lease === row.lease?.id)}
                frozen={frozen.find(({ target }) => row.account.startsWith(`${target}/`))}
              />
            ))}
          </Gallery>
          {rows.length > shown ? (
            <Button variant="link" onClick={() => setShown(shown * 5)}>
              Show more of {rows.length}
            </Button>
          ) : null}
        </section>
      ))}
      {breaking ? <OpenBreakGlass onClose={() => setBreaking(false)} /> : null}
      {asking ? <RequestAccess onClose={() => setAsking(false)} /> : null}
      {all.length === 0 || !usesSsh ? null : (
        <>
          <Content component="p" className="gap-above quiet">
            To write <code>ssh press-3</code> in every tool, ask your administrator for the output of this
            command, for <code>~/.ssh/config</code>:
          </Content>
          <Command text={`tagout ssh-config --user ${user.name}`} label="Command for your administrator" />
        </>
      )}
    </Page>
  )
}

function textOf({ account, grants, rules, others }: AccessView): string {
  return [
    account,
    ...grants.map(({ reason }) => reason),
    ...rules.map(({ name }) => name),
    ...others.map((other) => other.user),
  ]
    .join(' ')
    .toLowerCase()
}

/** Each account once: under favourites, what was used lately, or the rest. */
function groupsOf(rows: readonly AccessView[]) {
  const favourites = rows.filter(({ favourite }) => favourite)
  const recent = rows
    .filter(({ favourite }) => !favourite)
    .filter(({ lastUsedAt }) => lastUsedAt !== null && Date.now() - Date.parse(lastUsedAt) < recently)
    .sort((a, b) => Date.parse(b.lastUsedAt ?? '') - Date.parse(a.lastUsedAt ?? ''))
    .slice(0, manyRecent)
  const rest = rows.filter((row) => !row.favourite && !recent.includes(row))
  return [
    { title: 'Favourites', rows: favourites },
    { title: 'Recently used', rows: recent },
    { title: favourites.length + recent.length === 0 ? 'All' : 'Everything else', rows: rest },
  ].filter((group) => group.rows.length > 0)
}
