import { Button, FormSelect, FormSelectOption, Switch } from '@patternfly/react-core'
import {
  BackwardIcon,
  ExpandIcon,
  ForwardIcon,
  PauseIcon,
  PlayIcon,
  QuestionCircleIcon,
} from '@patternfly/react-icons'
import {
  type ReactNode,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import { Problem } from '../parts/problem.tsx'
import { clock, span, visible } from '../parts/wording.ts'
import { usePlayerKeys } from './keyboard.ts'
import { KeysHelp } from './keys-help.tsx'
import { MarkList } from './mark-list.tsx'
import { type Shown, shownMarks } from './marks.ts'
import { NoteButton, type Notes } from './notes.tsx'
import type { Channel, Opened } from './opened.ts'
import { type Frames, Playback, type PlaybackState, type Screen, speeds } from './playback.ts'
import { mountScreen } from './screen.ts'
import { type Survey, survey } from './survey.ts'
import { TimeLine } from './time-line.tsx'

const resting: PlaybackState = {
  position: 0,
  playing: false,
  speed: 1,
  skipIdle: true,
  channel: 0,
  ended: false,
  seeking: true,
  error: null,
  skipped: 0,
}

/** Where frames are shown on the page, and whence they come. */
export type Staging = {
  readonly className: string
  readonly mount: (host: HTMLElement, opened: Opened) => Mounted
  readonly frames: (opened: Opened, channel: number) => Frames
  /** The channels that it can show. */
  readonly shows: (channel: Channel) => boolean
  /** What stands beside the controls. */
  readonly beside?: (opened: Opened) => ReactNode
  /** What stands above the time line. */
  readonly above?: (opened: Opened, channel: number, seek: (position: number) => void) => ReactNode
}

type Mounted = Screen & {
  /** Of a terminal: whether its channel had one. */
  readonly setTerminal?: (isTerminal: boolean) => void
  readonly dispose: () => void
}

const terminals: Staging = {
  className: 'stage-terminal',
  mount: (host) => mountScreen(host),
  frames: ({ replay }) => replay,
  shows: () => true,
}

/** Where the address says that somebody wants to look, in nanoseconds: `?at=` in seconds. */
function askedPosition(): number | undefined {
  const text = new URLSearchParams(window.location.search).get('at') ?? ''
  return /^\d{1,7}(?:\.\d)?$/.test(text) ? Number(text) * 1e9 : undefined
}

/** The screen, its controls, the time line and the marks. */
export function Stage({
  opened,
  isLive,
  staging = terminals,
  notes,
}: {
  readonly opened: Opened
  readonly isLive: boolean
  readonly staging?: Staging
  /** Missing: nothing is noted here. */
  readonly notes?: Notes
}) {
  const host = useRef<HTMLDivElement>(null)
  const frame = useRef<HTMLElement>(null)
  const [playback, setPlayback] = useState<Playback | null>(null)
  const [screen, setScreen] = useState<Mounted | null>(null)
  const [found, setFound] = useState<Survey | null>(null)
  const [helping, setHelping] = useState(false)
  const shown = useMemo(() => opened.channels.filter(staging.shows), [opened, staging])
  const first = shown.find(({ terminal }) => terminal) ?? shown[0]

  useEffect(() => {
    if (host.current === null) return
    const mounted = staging.mount(host.current, opened)
    const frames = staging.frames(opened, first?.channel ?? 0)
    const made = new Playback(frames, mounted, opened.duration, first?.channel ?? 0)
    mounted.setTerminal?.(first?.terminal ?? true)
    setScreen(mounted)
    setPlayback(made)
    made.seek(opened.replay.structure.cut?.from ?? 0)
    made.play()
    const asked = askedPosition()
    made.seek(asked ?? 0)
    // Whoever came to look at one moment looks at it.
    if (asked === undefined) made.play()
    return () => {
      made.dispose()
      mounted.dispose()
      setPlayback(null)
      setScreen(null)
    }
  }, [opened, first, staging])

  useEffect(() => {
    const abort = new AbortController()
    survey(opened.replay, opened.source, opened.duration, abort.signal).then(setFound, () => undefined)
    return () => abort.abort()
  }, [opened])

  const state = useSyncExternalStore(
    playback?.subscribe ?? (() => () => undefined),
    () => playback?.state() ?? resting,
  )
  const marks = useMemo(() => shownMarks(opened.marks, found, notes?.list), [opened, found, notes])
  const help = useCallback(() => setHelping(true), [])
  const acts = useActs(playback, marks, frame, help)
  usePlayerKeys(playback, acts)
  useEffect(() => {
    if (state.playing) opened.onPlaying?.()
  }, [state.playing, opened])

  const seek = useCallback((position: number) => playback?.seek(position), [playback])
  const channel = opened.channels.find((one) => one.channel === state.channel)
  const choose = (value: string) => {
    const next = opened.channels.find((one) => String(one.channel) === value)
    if (next === undefined || playback === null) return
    screen?.setTerminal?.(next.terminal)
    playback.setChannel(next.channel)
  }
  return (
    <div className="stage-and-marks">
      <section className="stage" ref={frame} aria-label="Player">
        <div className="stage-screen">
          <div ref={host} className={staging.className} data-testid="screen" data-seeking={state.seeking} />
          {state.skipped > 0 && state.playing ? (
            <div className="stage-note">skipped {span(Math.max(1, Math.round(state.skipped / 1e9)))}</div>
          ) : null}
          {state.ended ? <div className="stage-note">{endOf(opened, isLive)}</div> : null}
          {found !== null && !found.printed.has(state.channel) ? (
            <p className="stage-silent">Nothing was printed{opened.channels.length > 1 ? ' here' : ''}.</p>
          ) : null}
        </div>
        <Problem error={state.error} title="The recording cannot be shown beyond this place" />
        {staging.above?.(opened, first?.channel ?? 0, seek)}
        <TimeLine
          position={state.position}
          duration={opened.duration}
          marks={marks}
          found={found}
          onSeek={seek}
        />
        <div className="controls">
          <Button
            variant="primary"
            icon={state.playing ? <PauseIcon /> : <PlayIcon />}
            aria-label={state.playing ? 'Pause' : 'Play'}
            onClick={() => playback?.toggle()}
          />
          <span className="controls-time mono" data-testid="position">
            {clock(state.position / 1e9)} / {clock(opened.duration / 1e9)}
          </span>
          <FormSelect
            aria-label="Speed"
            className="controls-speed"
            value={String(state.speed)}
            onChange={(_event, value) => playback?.setSpeed(Number(value))}
          >
            {speeds.map((speed) => (
              <FormSelectOption key={speed} value={String(speed)} label={`${speed}×`} />
            ))}
          </FormSelect>
          <Switch
            id="skip-idle"
            label="Skip idle"
            isChecked={state.skipIdle}
            onChange={(_event, checked) => playback?.setSkipIdle(checked)}
          />
          {shown.length > 1 ? (
            <FormSelect
              aria-label="Channel"
              className="controls-channel"
              value={String(state.channel)}
              onChange={(_event, value) => choose(value)}
            >
              {shown.map(({ channel: number, title }) => (
                <FormSelectOption
                  key={number}
                  value={String(number)}
                  label={`${number}: ${visible(title).slice(0, 60)}`}
                />
              ))}
            </FormSelect>
          ) : null}
          <div className="controls-end">
            {staging.beside?.(opened)}
            {notes === undefined ? null : (
              <NoteButton
                notes={notes}
                position={() => playback?.state().position ?? 0}
                onOpen={() => playback?.pause()}
              />
            )}
            <Button
              variant="plain"
              icon={<BackwardIcon />}
              aria-label="Previous mark"
              onClick={() => acts.mark(-1)}
            />
            <Button
              variant="plain"
              icon={<ForwardIcon />}
              aria-label="Next mark"
              onClick={() => acts.mark(1)}
            />
            <Button variant="plain" icon={<QuestionCircleIcon />} aria-label="Keys" onClick={acts.help} />
            <Button
              variant="plain"
              icon={<ExpandIcon />}
              aria-label="Full screen"
              onClick={acts.fullScreen}
            />
          </div>
        </div>
        {channel !== undefined && !channel.terminal && !channel.desktop ? (
          <p className="quiet small">
            This channel had no terminal: {visible(channel.title)}. Files and exit codes are among the marks.
          </p>
        ) : null}
      </section>
      <MarkList marks={marks} position={state.position} onSeek={seek} />
      {helping ? <KeysHelp onClose={() => setHelping(false)} /> : null}
    </div>
  )
}

/** What the end of it means. */
function endOf({ isOpenEnded }: Opened, isLive: boolean): string {
  if (!isOpenEnded) return 'end of the recording'
  return isLive ? 'recorded so far' : 'the recording breaks off here'
}

function useActs(
  playback: Playback | null,
  marks: readonly Shown[],
  frame: { readonly current: HTMLElement | null },
  help: () => void,
) {
  return useMemo(
    () => ({
      help: () => {
        // A dialog lies in the page, which full screen hides.
        if (document.fullscreenElement !== null) void document.exitFullscreen()
        help()
      },
      fullScreen: () => {
        // A browser that does not let it shows the page as before.
        const change =
          document.fullscreenElement === null ? frame.current?.requestFullscreen() : document.exitFullscreen()
        change?.catch(() => undefined)
      },
      mark: (direction: 1 | -1) => {
        if (playback === null) return
        const { position } = playback.state()
        const next =
          direction === 1
            ? marks.find((mark) => mark.at > position + 1e6)
            : marks.findLast((mark) => mark.at < position - 1e9)
        if (next !== undefined) playback.seek(next.at)
      },
    }),
    [playback, marks, frame, help],
  )
}
