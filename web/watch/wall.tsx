import { Button, SearchInput, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { SessionView } from '../../vault/contract.ts'
import { useSessions } from '../pages/lists.ts'
import { isWatchable } from '../pages/sessions.tsx'
import { type Control, ControlButtons, ControlDialog } from '../pages/session-control.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { SessionBadge } from '../parts/state.tsx'
import { When } from '../parts/when.tsx'
import { between, sentence, visible } from '../parts/wording.ts'
import { useUser } from '../shell/me.ts'
import { useInUse } from '../shell/sign-in-clock.tsx'
import { useWatch } from './use-watch.ts'
import type { WatchState } from './watching.ts'

/** Screens that one wall shows at once: each is drawn as it changes. */
const mostScreens = 9
const tilesAtOnce = 30

type Which = 'all' | 'frozen' | 'watched'

/** Every live session on one wall. A screen is shown where it is asked for, and each is a watch like any other. */
export default function Wall() {
  const sessions = useSessions()
  const user = useUser()
  useInUse()
  const [filter, setFilter] = useState('')
  const [which, setWhich] = useState<Which>('all')
  const [most, setMost] = useState(tilesAtOnce)
  const [watched, setWatched] = useState<readonly string[]>([])
  const [acting, setActing] = useState<{ readonly id: string; readonly control: Control } | null>(null)

  // What is watched stays where it is when its session ends, until it is put away.
  const live = (sessions.data ?? []).filter(({ id, state }) => state !== 'ended' || watched.includes(id))
  const wanted = filter.trim().toLowerCase()
  const rows = live.filter((row) => isKept(row, which) && textOf(row).includes(wanted))
  const shown = rows.slice(0, most)
  // A filter hides a screen and does not end its watch: to begin another would be written down as one.
  const mounted = live.filter((row) => shown.includes(row) || watched.includes(row.id))
  const isFull = watched.length >= mostScreens
  const more = shown
    .filter((row) => isWatchable(row, user) && !watched.includes(row.id))
    .slice(0, mostScreens - watched.length)
  const acted = sessions.data?.find(({ id }) => id === acting?.id)
  return (
    <Page
      title="Session wall"
      about="Every screen that you show here is a watch: the audit log and the recording say that you watched, and the session’s user reads it, unless their safe says otherwise."
      actions={<Link href="/sessions">All sessions</Link>}
    >
      <Problem error={sessions.error} title="The wall may be out of date" />
      <div className="list-tools">
        <SearchInput
          aria-label="Filter the wall"
          placeholder="Filter"
          value={filter}
          onChange={(_event, value) => setFilter(value)}
          onClear={() => setFilter('')}
        />
        <ToggleGroup aria-label="Which sessions">
          {(['all', 'frozen', 'watched'] as const).map((one) => (
            <ToggleGroupItem
              key={one}
              text={sentence(one).replace('.', '')}
              isSelected={which === one}
              onChange={() => setWhich(one)}
            />
          ))}
        </ToggleGroup>
        <Button
          variant="secondary"
          size="sm"
          isDisabled={more.length === 0}
          onClick={() => setWatched([...watched, ...more.map(({ id }) => id)])}
        >
          {more.length === 0
            ? 'Show screens'
            : `Show ${more.length} ${more.length === 1 ? 'screen' : 'screens'}`}
        </Button>
        {watched.length === 0 ? null : (
          <Button variant="link" size="sm" onClick={() => setWatched([])}>
            Put all away
          </Button>
        )}
        <span className="quiet list-count" aria-live="polite">
          {rows.length === live.length ? `${live.length} live` : `${rows.length} of ${live.length} live`}
          {isFull ? `; ${mostScreens} screens are shown at most` : ''}
        </span>
      </div>
      {sessions.data !== undefined && live.length === 0 ? (
        <p className="nothing">Nobody is connected now.</p>
      ) : null}
      {live.length > 0 && rows.length === 0 ? <p className="nothing">Nothing matches the filter.</p> : null}
      <ul className="wall" aria-label="Live sessions">
        {mounted.map((row) => (
          <Tile
            key={row.id}
            session={row}
            hidden={!shown.includes(row)}
            own={row.user === user.name}
            watching={watched.includes(row.id)}
            mayShow={!isFull}
            onShow={() => setWatched([...watched, row.id])}
            onPutAway={() => setWatched(watched.filter((one) => one !== row.id))}
            onChoose={(control) => setActing({ id: row.id, control })}
          />
        ))}
      </ul>
      {rows.length > most ? (
        <button type="button" className="more" onClick={() => setMost(most + tilesAtOnce)}>
          Show more of {rows.length}
        </button>
      ) : null}
      {acting === null || acted === undefined ? null : (
        <ControlDialog control={acting.control} session={acted} onClose={() => setActing(null)} />
      )}
    </Page>
  )
}

function isKept(row: SessionView, which: Which): boolean {
  if (which === 'frozen') return row.state === 'frozen'
  return which === 'all' || row.watchers.length > 0
}

function textOf(row: SessionView): string {
  return [row.user, row.account, row.source, row.id, row.forward?.to ?? '', ...row.watchers]
    .join(' ')
    .toLowerCase()
}

function Tile(props: {
  readonly session: SessionView
  readonly hidden: boolean
  readonly own: boolean
  readonly watching: boolean
  readonly mayShow: boolean
  readonly onShow: () => void
  readonly onPutAway: () => void
  readonly onChoose: (control: Control) => void
}) {
  const { session, own, watching } = props
  const whose = `${visible(session.account)} by ${visible(session.user)}`
  const user = useUser()
  return (
    <li className="tile" hidden={props.hidden}>
      <div className="split">
        <h2>
          {visible(session.user)} on <span className="mono">{visible(session.account)}</span>
        </h2>
        <SessionBadge session={session} />
      </div>
      {watching ? (
        <TileScreen session={session.id} whose={whose} />
      ) : (
        <div className="tile-screen tile-dark">
          {own ? (
            <span>Your own session</span>
          ) : (
            <Button
              variant="secondary"
              size="sm"
              isDisabled={!props.mayShow || !isWatchable(session, user)}
              onClick={props.onShow}
              aria-label={`Show the screen of ${whose}`}
            >
              Show the screen
            </Button>
          )}
        </div>
      )}
      <p className="quiet small">
        {session.forward === null ? null : <>forwarding to {visible(session.forward.to)}, </>}
        for {between(session.startedAt, session.endedAt)}
        {session.lastActivityAt === null ? null : (
          <>
            , moved <When at={session.lastActivityAt} />
          </>
        )}
        {session.watchers.length === 0 ? null : <>, watched by {session.watchers.map(visible).join(', ')}</>}
      </p>
      <div className="acts">
        {watching ? (
          <>
            <Button variant="link" size="sm" onClick={props.onPutAway} aria-label={`Put away ${whose}`}>
              Put away
            </Button>
            <Link href={`/sessions/${session.id}`} aria-label={`Watch ${whose} large`}>
              Large
            </Link>
          </>
        ) : null}
        <span className="controls-gap" />
        <ControlButtons session={session} own={own} short onChoose={props.onChoose} />
      </div>
    </li>
  )
}

function TileScreen({ session, whose }: { readonly session: string; readonly whose: string }) {
  const { room, state, channels } = useWatch(session, 3)
  const said = saidOf(state, channels.length)
  return (
    // biome-ignore lint/a11y/useSemanticElements: a screen among many, no landmark and no fieldset
    <div role="group" className="tile-screen watch-room" ref={room} aria-label={`Screen of ${whose}`}>
      {said === null ? null : (
        <p className="tile-said" role="status">
          {said}
        </p>
      )}
    </div>
  )
}

function saidOf(state: WatchState, terminals: number): string | null {
  switch (state.kind) {
    case 'connecting':
      return 'Connecting…'
    case 'watching':
      return terminals === 0 ? 'No terminal is open' : null
    case 'refused':
      return sentence(state.error instanceof Error ? state.error.message : 'it cannot be shown')
    case 'over':
      return sentence(visible(state.message))
    case 'lost':
      return 'The connection was lost.'
  }
}
