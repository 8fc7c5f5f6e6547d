import {
  AlertActionCloseButton,
  AlertActionLink,
  Button,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
} from '@patternfly/react-core'
import { SearchMinusIcon, SearchPlusIcon } from '@patternfly/react-icons'
import { type ReactNode, type RefObject, useCallback, useEffect, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { Link } from 'wouter'
import { MoreTimeHere } from '../pages/more-time.tsx'
import { useBack } from '../parts/use-back.ts'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { clock, sentence, span, visible } from '../parts/wording.ts'
import { useInUse } from '../shell/sign-in-clock.tsx'
import { Brand } from '../shell/shell.tsx'
import { Connection, type ConnectionState, type Ends } from './connection.ts'
import { overOf } from './ended.ts'
import { actOfKey, terminalKeys } from './keys.ts'
import { addNotice, afterEnd, type Notice, silence } from './notices.ts'
import { judgePaste, type Paste } from './paste.ts'
import { PasteDialog } from './paste-dialog.tsx'
import { fontSizes, type LiveScreen, mountLiveScreen } from './screen.ts'
import { SearchBar } from './search-bar.tsx'
import { WatcherBadge } from './watcher-badge.tsx'

const fontKept = 'terminal-font-size'

const notCopied = {
  text: 'nothing was copied: allow this page the clipboard in the browser, or copy by its menu (right click)',
  about: 'copy',
} as const

/** A terminal on `account` (`press-3/engineer`), in a tab of its own. */
export default function TerminalPage({ account }: { readonly account: string }) {
  const searchField = useRef<HTMLInputElement>(null)
  const terminal = useTerminal(account, searchField)
  const { state, screen, notices, watchers, ends } = terminal
  const [searching, setSearching] = useState(false)
  const [helping, setHelping] = useState(false)
  const [asking, setAsking] = useState(false)
  useBack(helping || asking, () => screen?.focus())
  const leave = useRef<HTMLButtonElement>(null)
  useTitle(account, state)
  useStayWhileLive(state.kind === 'live')
  useInUse(state.kind === 'live')

  const toTerminal = useCallback(() => {
    setSearching(false)
    screen?.clearSearch()
    screen?.focus()
  }, [screen])
  const search = useCallback(() => {
    // SECURITY: before this key is over, so that the next is not typed on the target.
    flushSync(() => setSearching(true))
    searchField.current?.select()
    searchField.current?.focus()
  }, [])
  useEffect(() => {
    terminal.onAct.current = (act) => {
      if (act === 'search') search()
      if (act === 'leave') leave.current?.focus()
    }
  }, [terminal.onAct, search])

  return (
    <div className="terminal-page">
      <header className="terminal-head row">
        <Brand />
        <h1 className="mono">{visible(account)}</h1>
        <TerminalState state={state} ends={ends} />
        <WatcherBadge names={watchers} />
        <span className="controls-gap" />
        <Button ref={leave} variant="link" size="sm" onClick={search}>
          Search
        </Button>
        <Button
          variant="plain"
          size="sm"
          icon={<SearchMinusIcon />}
          aria-label="Smaller letters"
          onClick={() => terminal.zoom(-1)}
        />
        <Button
          variant="plain"
          size="sm"
          icon={<SearchPlusIcon />}
          aria-label="Larger letters"
          onClick={() => terminal.zoom(1)}
        />
        <Button variant="link" size="sm" onClick={() => setHelping(true)}>
          Keys
        </Button>
        {state.kind === 'live' && state.started.elevation !== undefined ? (
          <Button variant="secondary" size="sm" onClick={terminal.elevate}>
            {`Type the ${state.started.elevation} secret`}
          </Button>
        ) : null}
        {state.kind === 'live' ? (
          <Button variant="secondary" size="sm" onClick={terminal.leave}>
            End session
          </Button>
        ) : null}
      </header>
      <main className="terminal-main" id="main">
        {notices.map(({ id, text, about }) => (
          <Note
            key={id}
            variant="warning"
            role="alert"
            title={sentence(text)}
            actionClose={
              <AlertActionCloseButton
                aria-label="Dismiss"
                onClose={() => {
                  terminal.dismiss(id)
                  screen?.focus()
                }}
              />
            }
            {...(about === 'time' && state.kind === 'live'
              ? {
                  actionLinks: (
                    <AlertActionLink onClick={() => setAsking(true)}>Ask for more time</AlertActionLink>
                  ),
                }
              : {})}
          />
        ))}
        <Outcome state={state} again={terminal.connect} />
        {searching && screen !== null ? (
          <SearchBar screen={screen} field={searchField} onClose={toTerminal} />
        ) : null}
        <div className="terminal-frame">
          <div ref={terminal.host} className="terminal-host" data-testid="terminal" />
        </div>
        <p className="small terminal-foot">
          This session is recorded. <kbd>Ctrl</kbd>
          <kbd>Shift</kbd>
          <kbd>L</kbd> leaves the terminal for the page.
        </p>
      </main>
      {terminal.paste === null ? null : (
        <PasteDialog
          paste={terminal.paste}
          onPaste={terminal.agreePaste}
          onClose={() => terminal.agreePaste(null)}
        />
      )}
      {asking && state.kind === 'live' ? (
        <MoreTimeHere
          account={account}
          endsAt={ends?.endsAt ?? state.started.endsAt}
          onClose={() => setAsking(false)}
        />
      ) : null}
      {helping ? <KeysDialog onClose={() => setHelping(false)} /> : null}
    </div>
  )
}

/** INVARIANT: while `searchField` is there the keyboard is not taken from it. */
function useTerminal(account: string, searchField: RefObject<HTMLInputElement | null>) {
  const host = useRef<HTMLDivElement>(null)
  const connection = useRef<Connection | null>(null)
  const onAct = useRef<(act: 'search' | 'leave') => void>(() => undefined)
  const [screen, setScreen] = useState<LiveScreen | null>(null)
  const [state, setState] = useState<ConnectionState>({ kind: 'connecting' })
  const [paste, setPaste] = useState<Paste | null>(null)
  const [notices, setNotices] = useState<readonly Notice[]>([])
  const [watchers, setWatchers] = useState<readonly string[]>([])
  const [ends, setEnds] = useState<Ends | null>(null)
  const [fontSize, setFontSize] = useState(keptFontSize)
  const font = useRef(fontSize)

  const zoom = useCallback(
    (by: number) => {
      const size = Math.min(fontSizes.most, Math.max(fontSizes.least, font.current + by))
      font.current = size
      setFontSize(size)
      localStorage.setItem(fontKept, String(size))
      screen?.setFontSize(size)
    },
    [screen],
  )
  const zoomNow = useRef(zoom)
  zoomNow.current = zoom

  useEffect(() => {
    if (host.current === null) return
    const mounted = mountLiveScreen(host.current, font.current, {
      typed: (bytes) => connection.current?.type(bytes),
      resized: (columns, rows) => connection.current?.resize(columns, rows),
      pasting: (text) => {
        const judged = judgePaste(text)
        if (judged.asks) setPaste(judged)
        else mounted.paste(judged.text)
      },
      key: (event) => {
        const act = actOfKey(event)
        if (act === 'copy')
          navigator.clipboard
            .writeText(mounted.selection())
            .catch(() => setNotices((before) => addNotice(before, notCopied)))
        if (act === 'larger' || act === 'smaller') zoomNow.current(act === 'larger' ? 1 : -1)
        if (act === 'search' || act === 'leave') onAct.current(act)
        return act !== undefined && act !== 'native'
      },
    })
    setScreen(mounted)
    return () => {
      setScreen(null)
      mounted[Symbol.dispose]()
    }
  }, [])

  const connect = useCallback(() => {
    if (screen === null) return
    connection.current?.close()
    setNotices([])
    setWatchers([])
    setEnds(null)
    screen.setReadOnly(false)
    const made = Connection.open(account, screen.size, {
      state: (next) => {
        setState(next)
        if (next.kind !== 'live' && next.kind !== 'connecting') {
          screen.setReadOnly(true)
          setNotices(afterEnd)
          setWatchers([])
        }
        if (next.kind === 'live' && searchField.current === null) screen.focus()
      },
      warning: (text, about) => setNotices((before) => addNotice(before, { text, about })),
      watchers: setWatchers,
      ends: setEnds,
      silent: (isSilent) => setNotices((before) => silence(before, isSilent)),
      output: screen.write,
    })
    connection.current = made
  }, [account, screen, searchField])

  useEffect(() => {
    connect()
    return () => {
      connection.current?.close()
      connection.current = null
    }
  }, [connect])

  const again = () => {
    // What the last session left on: alternate screen, modes of mouse and paste, colours.
    screen?.write('\x1b[?1049l\x1b[!p\x1b[?9;1000;1002;1003;1004;1006;2004l\x1b[0m\r\n', () => undefined)
    connect()
  }
  return {
    host,
    state,
    screen,
    notices,
    watchers,
    ends,
    paste,
    onAct,
    zoom,
    connect: again,
    leave: () => connection.current?.leave(),
    elevate: () => {
      connection.current?.elevate()
      screen?.focus()
    },
    dismiss: (id: number) => setNotices((before) => before.filter((one) => one.id !== id)),
    agreePaste: (text: string | null) => {
      setPaste(null)
      if (text !== null) screen?.paste(text)
      screen?.focus()
    },
  }
}

function keptFontSize(): number {
  const kept = Number(localStorage.getItem(fontKept))
  return kept >= fontSizes.least && kept <= fontSizes.most ? kept : fontSizes.usual
}

/** How long the session lasts yet. */
export function TerminalState({
  state,
  ends,
}: {
  readonly state: ConnectionState
  readonly ends: Ends | null
}) {
  if (state.kind === 'connecting') return <span role="status">Connecting…</span>
  if (state.kind === 'live') return <TimeLeft ends={ends ?? state.started} />
  return <span role="status">Not connected</span>
}

function TimeLeft({ ends }: { readonly ends: Ends }) {
  const [now, setNow] = useState(() => performance.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  const left = Math.max(0, Math.round((ends.endsAtLocal - now) / 1000))
  return (
    <span className="mono small" data-testid="time-left">
      ends in {left < 3600 ? clock(left) : span(left - (left % 60))}
    </span>
  )
}

/** Why there is no session (any more), and what to do next. */
export function Outcome({ state, again }: { readonly state: ConnectionState; readonly again: () => void }) {
  if (state.kind === 'connecting' || state.kind === 'live') return null
  const buttons = (label: string, may: boolean) => (
    <div className="row terminal-next">
      {may ? (
        <Button variant="primary" size="sm" autoFocus onClick={again}>
          {label}
        </Button>
      ) : null}
      <Link href="/access">My access</Link>
    </div>
  )
  if (state.kind === 'refused')
    return (
      <div className="terminal-over">
        <Problem error={state.error} again={again} />
        {buttons('Try again', true)}
      </div>
    )
  if (state.kind === 'lost')
    return (
      <div className="terminal-over">
        <Note variant="warning" role="alert" title="The connection to the gateway was lost">
          The session has ended with it, and what ran in it may have too. Connect again for a new session.
        </Note>
        {buttons('Connect again', true)}
      </div>
    )
  const over = overOf(state.message)
  return (
    <div className="terminal-over">
      <Note variant={over.variant} role="alert" title={over.title}>
        {over.more === undefined ? null : <>{sentence(visible(over.more))} </>}
        {over.next}
      </Note>
      {buttons('Connect again', over.again)}
    </div>
  )
}

function KeysDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="terminal-keys">
      <ModalHeader title="Keys" labelId="terminal-keys" description="Every other key goes to the target." />
      <ModalBody>
        <dl className="facts">
          {terminalKeys.map(([keys, does]) => (
            <div key={keys} className="keys-row">
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>Done</Button>
      </ModalFooter>
    </Modal>
  )
}

export function useTitle(account: string, state: ConnectionState): void {
  useEffect(() => {
    const mark = state.kind === 'live' ? '' : state.kind === 'connecting' ? '… ' : '✕ '
    document.title = `${mark}${visible(account)} · Tagout`
  }, [account, state.kind])
}

/** A tab that is closed by mistake (Ctrl+W means something else in a shell) asks first. */
export function useStayWhileLive(isLive: boolean): void {
  useEffect(() => {
    if (!isLive) return
    const stay = (event: BeforeUnloadEvent) => event.preventDefault()
    window.addEventListener('beforeunload', stay)
    return () => window.removeEventListener('beforeunload', stay)
  }, [isLive])
}
