import {
  AlertActionCloseButton,
  AlertActionLink,
  Button,
  FormSelect,
  FormSelectOption,
} from '@patternfly/react-core'
import { MoreTimeHere } from '../pages/more-time.tsx'
import { useCallback, useEffect, useRef, useState } from 'react'
import { Note } from '../parts/note.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { Brand } from '../shell/shell.tsx'
import { useInUse } from '../shell/sign-in-clock.tsx'
import { Connection, type ConnectionState, type Ends } from '../terminal/connection.ts'
import { actOfKey } from '../terminal/keys.ts'
import { addNotice, afterEnd, type Notice, silence } from '../terminal/notices.ts'
import { Outcome, TerminalState, useStayWhileLive, useTitle } from '../terminal/terminal-page.tsx'
import { WatcherBadge } from '../terminal/watcher-badge.tsx'
import { MachineClipboard } from './clipboard.ts'
import { Clipboard } from './clipboard-panel.tsx'
import { Files } from './files-panel.tsx'
import { saveFile } from '../sealed/download.ts'
import { MachineFiles } from './machine-files.ts'
import { type DesktopScreen, mountDesktop, type Scaling } from './screen.ts'
import { ScreenKeyboard } from './screen-keyboard.tsx'
import { TypeIn } from './type-in.tsx'
import { useBack } from '../parts/use-back.ts'

/** The window of a terminal, which a desktop has not: the live socket's first message names one. */
const noSize = () => ({ columns: 80, rows: 24 })
/** Keys that the browser or its system takes for itself, by X11 keysyms. */
const combinations: readonly (readonly [string, readonly number[]])[] = [
  ['Ctrl+Alt+Del', [0xffe3, 0xffe9, 0xffff]],
  ['Ctrl+Esc', [0xffe3, 0xff1b]],
  ['Ctrl+Shift+Esc', [0xffe3, 0xffe1, 0xff1b]],
  ['Alt+Tab', [0xffe9, 0xff09]],
  ['Alt+F4', [0xffe9, 0xffc1]],
  ['Ctrl+W', [0xffe3, 0x77]],
  ['Windows', [0xffeb]],
  ['Windows+R', [0xffeb, 0x72]],
  ['Esc', [0xff1b]],
  ['F11', [0xffc8]],
  ['Print', [0xff61]],
]
/** How often the time to the gateway is shown anew, in milliseconds. */
const lagEvery = 2_000
const touches = window.matchMedia('(any-pointer: coarse)')

/** The desktop of `account` (`hmi-3/operator`), in a tab of its own. */
export default function DesktopPage({ account }: { readonly account: string }) {
  const host = useRef<HTMLDivElement>(null)
  const main = useRef<HTMLElement>(null)
  const leaveButton = useRef<HTMLButtonElement>(null)
  const connection = useRef<Connection | null>(null)
  const screen = useRef<DesktopScreen | null>(null)
  const [state, setState] = useState<ConnectionState>({ kind: 'connecting' })
  const [notices, setNotices] = useState<readonly Notice[]>([])
  const [watchers, setWatchers] = useState<readonly string[]>([])
  const [ends, setEnds] = useState<Ends | null>(null)
  const [lag, setLag] = useState<number | null>(null)
  const [clipboard, setClipboard] = useState<MachineClipboard | null>(null)
  const [files, setFiles] = useState<MachineFiles | null>(null)
  const [showsFiles, setShowsFiles] = useState(false)
  const [scaling, setScaling] = useState<Scaling>('fit')
  const [hasKeys, setHasKeys] = useState(false)
  const [asking, setAsking] = useState(false)
  useBack(asking, () => screen.current?.focus())
  const lagAt = useRef(0)
  useTitle(account, state)
  useStayWhileLive(state.kind === 'live')
  useInUse(state.kind === 'live')

  const connect = useCallback(() => {
    connection.current?.close()
    screen.current?.[Symbol.dispose]()
    screen.current = null
    setNotices([])
    setWatchers([])
    setEnds(null)
    setLag(null)
    setScaling('fit')
    const ofFiles = new MachineFiles({
      ask: (open) => made.askFiles(open),
      send: (bytes) => made.sendFiles(bytes),
      give: saveFile,
    })
    const made: Connection = Connection.open(account, noSize, {
      state: (next) => {
        if (next.kind === 'live' && host.current !== null) {
          const canUse = next.started.actions.includes('interact')
          const ofMachine = new MachineClipboard((bytes) => made.type(bytes))
          setClipboard(ofMachine)
          setFiles(next.started.files === undefined ? null : ofFiles)
          screen.current = mountDesktop(host.current, {
            send: (bytes) => made.type(bytes),
            hears: (opcode, args) => ofMachine.heard(opcode, args),
          })
          if (canUse) {
            screen.current.use((event) => {
              const isOwn = actOfKey(event) === 'leave'
              if (isOwn) {
                // The page's own buttons are not on a screen that is the desktop's.
                if (document.fullscreenElement !== null) void document.exitFullscreen()
                leaveButton.current?.focus()
              }
              return isOwn
            })
            screen.current.focus()
          }
        }
        setState(next)
        if (next.kind !== 'live' && next.kind !== 'connecting') {
          setNotices(afterEnd)
          setClipboard((before) => {
            before?.[Symbol.dispose]()
            return null
          })
          ofFiles[Symbol.dispose]()
          setFiles(null)
          setShowsFiles(false)
          setWatchers([])
        }
      },
      warning: (text, about) => setNotices((before) => addNotice(before, { text, about })),
      watchers: setWatchers,
      ends: setEnds,
      files: {
        said: (message) => ofFiles.heard(message),
        bytes: (bytes) => ofFiles.bytes(bytes),
      },
      silent: (isSilent) => {
        if (isSilent) setLag(null)
        setNotices((before) => silence(before, isSilent))
      },
      lag: (ms) => {
        if (performance.now() - lagAt.current < lagEvery) return
        lagAt.current = performance.now()
        setLag(Math.max(1, Math.round(ms)))
      },
      output: (bytes, drawn) => (screen.current === null ? drawn() : screen.current.write(bytes, drawn)),
    })
    connection.current = made
  }, [account])

  useEffect(() => {
    connect()
    return () => {
      connection.current?.close()
      connection.current = null
      screen.current?.[Symbol.dispose]()
      screen.current = null
    }
  }, [connect])

  const isLive = state.kind === 'live'
  const canUse = isLive && state.started.actions.includes('interact')
  const openFiles = () => {
    files?.open()
    setShowsFiles(true)
  }
  return (
    <div className="terminal-page">
      <header className="terminal-head row">
        <Brand />
        <h1 className="mono">{visible(account)}</h1>
        <TerminalState state={state} ends={ends} />
        <WatcherBadge names={watchers} />
        <span className="controls-gap" />
        {canUse && lag !== null ? (
          <span
            className="small quiet"
            title="From a key or the mouse to the word that it is recorded and sent on"
          >
            {lag} ms
          </span>
        ) : null}
        {canUse ? (
          <FormSelect
            aria-label="Send keys"
            className="controls-keys"
            value=""
            onChange={(_event, value) => {
              screen.current?.press(...(combinations.find(([name]) => name === value)?.[1] ?? []))
              screen.current?.focus()
            }}
          >
            <FormSelectOption value="" label="Send keys" />
            {combinations.map(([name]) => (
              <FormSelectOption key={name} value={name} label={name} />
            ))}
          </FormSelect>
        ) : null}
        {canUse ? (
          <TypeIn
            linked={state.started.typeIns ?? []}
            type={(linked, withEnter) => connection.current?.typeIn(linked, withEnter)}
            onClosed={() => screen.current?.focus()}
          />
        ) : null}
        {canUse && clipboard !== null ? (
          <Clipboard
            of={clipboard}
            actions={state.started.actions}
            isLatin1={state.started.clipboard === 'latin-1'}
            onClosed={() => screen.current?.focus()}
          />
        ) : null}
        {canUse && files !== null ? (
          <Files
            of={files}
            account={state.started.files?.account ?? ''}
            isOpen={showsFiles}
            onOpen={openFiles}
            onClose={() => {
              setShowsFiles(false)
              screen.current?.focus()
            }}
          />
        ) : null}
        {canUse ? (
          <Button
            variant="link"
            size="sm"
            aria-pressed={hasKeys}
            onClick={() => {
              setHasKeys(!hasKeys)
              screen.current?.focus()
            }}
          >
            On-screen keyboard
          </Button>
        ) : null}
        {isLive ? (
          <FormSelect
            aria-label="Size of the picture"
            className="controls-keys"
            value={scaling}
            onChange={(_event, value) => {
              const wanted = value === 'actual' ? 'actual' : 'fit'
              setScaling(wanted)
              screen.current?.scaleTo(wanted)
              screen.current?.focus()
            }}
          >
            <FormSelectOption value="fit" label="Fit" />
            <FormSelectOption value="actual" label="1:1" />
          </FormSelect>
        ) : null}
        {canUse && touches.matches ? (
          <Button variant="link" size="sm" onClick={() => screen.current?.showKeyboard()}>
            Keyboard
          </Button>
        ) : null}
        {isLive ? (
          <Button
            ref={leaveButton}
            variant="link"
            size="sm"
            onClick={() => {
              // A browser that does not let it shows the page as before.
              main.current?.requestFullscreen().catch(() => undefined)
              screen.current?.focus()
            }}
          >
            Full screen
          </Button>
        ) : null}
        {isLive ? (
          <Button variant="secondary" size="sm" onClick={() => connection.current?.leave()}>
            End session
          </Button>
        ) : null}
      </header>
      <main className="terminal-main" id="main" ref={main}>
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
                  setNotices((before) => before.filter((one) => one.id !== id))
                  screen.current?.focus()
                }}
              />
            }
            {...(about === 'time' && isLive
              ? {
                  actionLinks: (
                    <AlertActionLink
                      onClick={() => {
                        // A dialog lies in the page, which full screen hides.
                        if (document.fullscreenElement !== null) void document.exitFullscreen()
                        setAsking(true)
                      }}
                    >
                      Ask for more time
                    </AlertActionLink>
                  ),
                }
              : {})}
          />
        ))}
        <Outcome state={state} again={connect} />
        <div
          className="terminal-frame desktop-frame"
          onDragOver={(event) => {
            // Whoever brings a file to the picture is shown where it can be put.
            event.preventDefault()
            if (canUse && files !== null) openFiles()
          }}
          onDrop={(event) => event.preventDefault()}
        >
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keys typed here go to the desktop */}
          <div
            ref={host}
            className={scaling === 'actual' ? 'desktop-host desktop-actual' : 'desktop-host'}
            data-testid="desktop"
            tabIndex={0}
            role="application"
            aria-label="Desktop"
          />
          {canUse && hasKeys ? (
            <ScreenKeyboard
              keyboard={state.started.keyboard}
              press={(...keysyms) => screen.current?.press(...keysyms)}
            />
          ) : null}
        </div>
        <p className="small terminal-foot">
          {isLive && !canUse ? 'You look at this desktop: your mouse and keyboard do nothing there. ' : null}
          {isLive ? 'This session is recorded: what the desktop shows and the mouse does. ' : null}
          {state.kind === 'ended' || state.kind === 'lost' ? 'This session was recorded.' : null}
          {canUse ? (
            <>
              <kbd>Ctrl</kbd>
              <kbd>Shift</kbd>
              <kbd>L</kbd> leaves the desktop for the page.
              {state.started.keyboard === undefined
                ? null
                : ` Keyboard of the machine: ${state.started.keyboard}.`}
            </>
          ) : null}
        </p>
      </main>
      {asking && isLive ? (
        <MoreTimeHere
          account={account}
          endsAt={ends?.endsAt ?? state.started.endsAt}
          onClose={() => setAsking(false)}
        />
      ) : null}
    </div>
  )
}
