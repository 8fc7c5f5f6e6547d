import { useMemo } from 'react'
import { clock } from '../parts/wording.ts'
import { kindNames, type Shown } from './marks.ts'
import type { Survey } from './survey.ts'

/** Where in the recording it stands, how busy it was, and its marks. One can point, drag, or use the keyboard. */
export function TimeLine(props: {
  readonly position: number
  readonly duration: number
  readonly marks: readonly Shown[]
  readonly found: Survey | null
  readonly onSeek: (position: number) => void
}) {
  const { position, duration, marks, found } = props
  const seconds = duration / 1e9
  const ticks = useMemo(() => {
    // Marks closer than a pixel or two are one tick; the list beside has them all.
    const seen = new Set<string>()
    return marks.filter(({ at, kind }) => {
      const place = `${kind}-${Math.round((at / Math.max(1, duration)) * 600)}`
      if (kind === 'title' || kind === 'channel' || seen.has(place)) return false
      seen.add(place)
      return true
    })
  }, [marks, duration])
  const share = (at: number) => `${Math.min(100, (at / Math.max(1, duration)) * 100)}%`
  return (
    <div className="time-line">
      <div className="time-line-track" aria-hidden="true">
        {found === null ? null : (
          <svg className="activity" viewBox={`0 0 ${found.activity.length} 1`} preserveAspectRatio="none">
            {found.activity.map((height, index) =>
              height === 0 ? null : (
                <rect key={index} x={index} y={1 - height} width={1.02} height={height} />
              ),
            )}
          </svg>
        )}
        <div className="time-line-played" style={{ width: share(position) }} />
        {ticks.map(({ key, at, kind, text }) => (
          <span
            key={key}
            className={`tick tick-${kind}`}
            style={{ left: share(at) }}
            title={`${clock(at / 1e9)} ${kindNames[kind]}: ${text}`}
          />
        ))}
        <span className="time-line-head" style={{ left: share(position) }} />
      </div>
      <input
        type="range"
        className="time-line-range"
        aria-label="Position"
        aria-valuetext={`${clock(position / 1e9)} of ${clock(seconds)}`}
        min={0}
        max={Math.max(0.001, seconds)}
        step="any"
        value={position / 1e9}
        onChange={(event) => props.onSeek(Number(event.currentTarget.value) * 1e9)}
      />
    </div>
  )
}
