import { Button, FormSelect, FormSelectOption } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { Link } from 'wouter'
import type { SessionView } from '../../vault/contract.ts'
import { useSessions } from '../pages/lists.ts'
import { type Control, ControlButtons, ControlDialog } from '../pages/session-control.tsx'
import { TakeButtons, TakeDialog } from './take-over.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { SessionBadge } from '../parts/state.tsx'
import { HeldBy } from '../parts/held-by.tsx'
import { When } from '../parts/when.tsx'
import { between, sentence, timeOfDay, visible } from '../parts/wording.ts'
import { useUser } from '../shell/me.ts'
import { useInUse } from '../shell/sign-in-clock.tsx'
import { type Told, useWatch } from './use-watch.ts'
import type { WatchState } from './watching.ts'

/** A live session, watched: its present screen and what follows, what happens in it, and what can be done about it. */
export default function WatchPage({ session: id }: { readonly session: string }) {
  const { room, state, told, channels, front, typing, focus, choose, again } = useWatch(id, 6)
  const user = useUser()
  useInUse(state.kind === 'watching')
  const client = useQueryClient()
  useEffect(() => {
    // What else the page says of the session is not to lag behind.
    if (state.kind !== 'connecting') void client.invalidateQueries({ queryKey: ['sessions'] })
  }, [client, state.kind])
  const session = useSessions().data?.find((one) => one.id === id)
  const [acting, setActing] = useState<Control | 'take' | null>(null)
  // To the terminal that is in front, once no dialog is open: a dialog gives the keyboard back to where it was opened from.
  useEffect(() => {
    if (!typing || acting !== null) return
    const later = setTimeout(focus, 100)
    return () => clearTimeout(later)
  }, [typing, acting, front, focus])
  const whose =
    session === undefined ? 'a session' : `${visible(session.user)} on ${visible(session.account)}`
  const own = session?.user === user.name
  return (
    <Page
      title={`Watching ${whose}`}
      about={typing ? typingText(state) : aboutOf(state)}
      actions={
        <div className="row">
          {session === undefined || state.kind !== 'watching' || own ? null : (
            <TakeButtons session={session} typing={typing} onTake={() => setActing('take')} />
          )}
          {session === undefined ? null : <ControlButtons session={session} own={own} onChoose={setActing} />}
          <Link href="/sessions/wall">Session wall</Link>
        </div>
      }
    >
      <Outcome state={state} {...(session?.state === 'ended' ? {} : { again })} />
      <div className="stage-and-marks">
        <section className="stage" aria-label="Screen">
          <div
            className={`stage-screen watch-room${typing ? ' typed-in' : ''}`}
            ref={room}
            data-testid="watch-screen"
          >
            {channels.length === 0 && state.kind === 'watching' ? (
              <p className="stage-silent">
                No terminal is open in this session. What happens is listed beside.
              </p>
            ) : null}
          </div>
          {channels.length > 1 ? (
            <FormSelect
              aria-label="Terminal"
              className="controls-channel"
              value={String(front)}
              onChange={(_event, value) => choose(Number(value))}
            >
              {channels.map((channel) => (
                <FormSelectOption key={channel} value={String(channel)} label={`Terminal ${channel}`} />
              ))}
            </FormSelect>
          ) : null}
          {session === undefined ? null : <Facts session={session} />}
        </section>
        <Happened told={told} />
      </div>
      {acting === 'take' && session !== undefined && state.kind === 'watching' ? (
        <TakeDialog session={session} watch={state.as.watch} onClose={() => setActing(null)} />
      ) : acting === null || acting === 'take' || session === undefined ? null : (
        <ControlDialog control={acting} session={session} onClose={() => setActing(null)} />
      )}
    </Page>
  )
}

function typingText(state: WatchState): string {
  const isDesktop = state.kind === 'watching' && state.as.desktop === true
  const where = isDesktop ? 'desktop' : 'terminal'
  return `You have taken this session over: what you type ${isDesktop ? 'and click goes to the desktop' : 'goes into the terminal'} below, in your name. Its user’s keys are dropped, and they read that you have it. Ctrl+Shift+L leaves the ${where}; if you leave the page, the session stays frozen.`
}

function aboutOf(state: WatchState): string {
  if (state.kind === 'connecting') return 'Connecting…'
  if (state.kind !== 'watching') return 'This watch is over.'
  return state.as.notice
    ? 'You only look: no key of yours reaches the session. Its user reads that you watch; the audit log and the recording say so too.'
    : 'You only look: no key of yours reaches the session. Its user is not told, as their safe says; the audit log and the recording say that you watch.'
}

/** Why nothing is shown any more, and what to do next. */
function Outcome({ state, again }: { readonly state: WatchState; readonly again?: () => void }) {
  if (state.kind === 'connecting' || state.kind === 'watching') return null
  return (
    <div className="gap-below">
      {state.kind === 'refused' ? (
        <Problem error={state.error} {...(again === undefined ? {} : { again })} />
      ) : (
        <Note
          variant={state.kind === 'over' ? 'info' : 'warning'}
          role="alert"
          title={
            state.kind === 'over'
              ? sentence(visible(state.message))
              : 'The connection to the gateway was lost.'
          }
        >
          {state.kind === 'over'
            ? 'The screen is the last that you were shown.'
            : 'The session may go on without you seeing it.'}
        </Note>
      )}
      <div className="row terminal-next">
        {again === undefined ? null : (
          <Button variant="secondary" size="sm" onClick={again}>
            Watch again
          </Button>
        )}
        <Link href="/sessions">All sessions</Link>
      </div>
    </div>
  )
}

function Facts({ session }: { readonly session: SessionView }) {
  return (
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
      <dt>Watched by</dt>
      <dd data-testid="watchers">
        {session.watchers.length === 0 ? 'nobody' : session.watchers.map(visible).join(', ')}
      </dd>
      <dt>From</dt>
      <dd className="mono">{visible(session.source)}</dd>
      <dt>{session.endedAt === null ? 'Lasts' : 'Lasted'}</dt>
      <dd>
        {between(session.startedAt, session.endedAt)},{' '}
        {session.endedAt === null ? (
          <>
            time is up <When at={session.endsAt} />
          </>
        ) : (
          <>
            ended <When at={session.endedAt} />
            {session.endReason === null ? '' : `: ${visible(session.endReason)}`}
          </>
        )}
      </dd>
      <dt>Session</dt>
      <dd className="mono small">{session.id}</dd>
    </dl>
  )
}

/** What happened since the watch began, newest last and in view. */
function Happened({ told }: { readonly told: readonly Told[] }) {
  const list = useRef<HTMLOListElement>(null)
  const last = told.at(-1)?.key
  useEffect(() => {
    if (last !== undefined && list.current !== null) list.current.scrollTop = list.current.scrollHeight
  }, [last])
  return (
    <section className="mark-list" aria-label="What happens">
      <h2>What happens</h2>
      {told.length === 0 ? <p className="quiet small">Nothing since you watch.</p> : null}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <ol ref={list} tabIndex={0} aria-label="Commands, files and marks since you watch" className="told">
        {told.map(({ key, at, text }) => (
          <li key={key}>
            <span className="mark-time">{timeOfDay(at)}</span> {text}
          </li>
        ))}
      </ol>
    </section>
  )
}
