import { Button } from '@patternfly/react-core'
import { ExpandIcon, PauseIcon, PlayIcon } from '@patternfly/react-icons'
import { useEffect, useMemo, useRef, useState } from 'react'
import { Problem } from '../parts/problem.tsx'
import { clock } from '../parts/wording.ts'
import { touchKeyring } from '../sealed/keyring.ts'
import { openDesktopReplay, type DesktopReplay } from './desktop-replay.ts'
import { MarkList } from './mark-list.tsx'
import { shownMarks } from './marks.ts'
import type { Opened } from './open.ts'
import { TimeLine } from './time-line.tsx'

/** How often the position is read while it plays, in milliseconds. */
const readEvery = 200

/** The desktop of a recording, its controls, the time line and the marks. */
export default function DesktopStage({
  opened,
  isLive,
}: {
  readonly opened: Opened
  readonly isLive: boolean
}) {
  const host = useRef<HTMLDivElement>(null)
  const frame = useRef<HTMLElement>(null)
  const [replay, setReplay] = useState<DesktopReplay | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [position, setPosition] = useState(0)
  const [playing, setPlaying] = useState(false)
  const channel = opened.channels.find(({ desktop }) => desktop)?.channel ?? 0

  useEffect(() => {
    const room = host.current
    if (room === null) return
    let made: DesktopReplay | undefined
    let isGone = false
    openDesktopReplay(opened.replay, channel, room).then((value) => {
      if (isGone) return value[Symbol.dispose]()
      made = value
      setReplay(value)
      value.play()
      setPlaying(true)
    }, setError)
    return () => {
      isGone = true
      made?.[Symbol.dispose]()
      setReplay(null)
    }
  }, [opened, channel])

  useEffect(() => {
    if (replay === null) return
    const timer = setInterval(() => {
      setPosition(replay.position())
      setPlaying(replay.isPlaying())
      if (replay.isPlaying()) touchKeyring()
    }, readEvery)
    return () => clearInterval(timer)
  }, [replay])

  const marks = useMemo(() => shownMarks(opened.marks, null), [opened])
  const seek = (to: number) => {
    replay?.seek(to)
    setPosition(to)
  }
  const toggle = () => {
    if (replay === null) return
    if (replay.isPlaying()) replay.pause()
    else replay.play()
    setPlaying(replay.isPlaying())
  }
  const isAtEnd = replay !== null && !playing && position >= replay.end() - 1e6
  return (
    <div className="stage-and-marks">
      <section className="stage" ref={frame} aria-label="Player">
        <div className="stage-screen">
          <div ref={host} className="desktop-host" data-testid="screen" />
          {isAtEnd ? (
            <div className="stage-note">
              {!opened.isOpenEnded
                ? 'end of the recording'
                : isLive
                  ? 'recorded so far'
                  : 'the recording breaks off here'}
            </div>
          ) : null}
        </div>
        <Problem error={error} title="The recording cannot be shown" />
        <TimeLine position={position} duration={opened.duration} marks={marks} found={null} onSeek={seek} />
        <div className="controls">
          <Button
            variant="primary"
            icon={playing ? <PauseIcon /> : <PlayIcon />}
            aria-label={playing ? 'Pause' : 'Play'}
            isDisabled={replay === null}
            onClick={toggle}
          />
          <span className="controls-time mono" data-testid="position">
            {clock(position / 1e9)} / {clock(opened.duration / 1e9)}
          </span>
          <span className="controls-gap" />
          <Button
            variant="plain"
            icon={<ExpandIcon />}
            aria-label="Full screen"
            // A browser that does not let it shows the page as before.
            onClick={() => void frame.current?.requestFullscreen().catch(() => undefined)}
          />
        </div>
      </section>
      <MarkList marks={marks} position={position} onSeek={seek} />
    </div>
  )
}
