import { useEffect, useRef, useState } from 'react'
import { type DesktopKeyframe, type Replay, readKeyframe } from '../../recorder/replay/index.ts'
import { clock } from '../parts/wording.ts'
import { drawing } from './desktop-screen.ts'
import { maskedParts, type Part } from './masked-parts.ts'

/** So many are shown, of so many pixels' width. */
const most = 8
const width = 160

type Thumbnail = { readonly at: number; readonly picture: Pictured }
/** A small picture, and where nothing of it is recorded, in per cent. */
type Pictured = { readonly canvas: HTMLCanvasElement; readonly masked: readonly Part[] }

/** What a desktop looked like at some moments of the recording, to go there. Nothing where it has no keyframes. */
export function Thumbnails(props: {
  readonly replay: Replay
  readonly keyframes: readonly DesktopKeyframe[]
  readonly channel: number
  readonly onSeek: (position: number) => void
}) {
  const { replay, keyframes, channel } = props
  const [found, setFound] = useState<readonly Thumbnail[]>([])
  const [hasFailed, setFailed] = useState(false)
  useEffect(() => {
    let isGone = false
    setFound([])
    setFailed(false)
    const make = async () => {
      for (const keyframe of spread(keyframes)) {
        const picture = await draw(replay, keyframe, channel)
        if (isGone) return
        if (picture !== undefined) setFound((before) => [...before, { at: keyframe.at, picture }])
      }
    }
    make().catch(() => {
      if (!isGone) setFailed(true)
    })
    return () => {
      isGone = true
    }
  }, [replay, keyframes, channel])
  if (hasFailed)
    return (
      <p className="small quiet">
        The small pictures could not be made: go by the time line. Whether the recording is whole stands
        above.
      </p>
    )
  if (found.length === 0) return null
  return (
    <div className="thumbnails" role="group" aria-label="Pictures of this recording">
      {found.map(({ at, picture }) => (
        <button
          key={at}
          type="button"
          className="thumbnail"
          aria-label={`Go to ${clock(at / 1e9)}${picture.masked.length === 0 ? '' : ', a part of the screen is not recorded'}`}
          onClick={() => props.onSeek(at)}
        >
          <Picture of={picture} />
          <span className="mono small">{clock(at / 1e9)}</span>
        </button>
      ))}
    </div>
  )
}

function Picture({ of }: { readonly of: Pictured }) {
  const place = useRef<HTMLSpanElement>(null)
  useEffect(() => place.current?.replaceChildren(of.canvas), [of])
  return (
    <span className="thumbnail-picture">
      <span ref={place} />
      {of.masked.map((part) => (
        <span
          key={Object.values(part).join(' ')}
          className="thumbnail-masked"
          title="not recorded"
          style={part}
        />
      ))}
    </span>
  )
}

/** Some of them, evenly over the recording. */
function spread(keyframes: readonly DesktopKeyframe[]): readonly DesktopKeyframe[] {
  if (keyframes.length <= most) return keyframes
  const step = (keyframes.length - 1) / (most - 1)
  return Array.from({ length: most }, (_, at) => keyframes[Math.round(at * step)]).filter(
    (one) => one !== undefined,
  )
}

async function draw(
  replay: Replay,
  keyframe: DesktopKeyframe,
  channel: number,
): Promise<Pictured | undefined> {
  const whole = await readKeyframe(replay.seek(keyframe.at), keyframe, channel)
  if (whole === undefined) return undefined
  const on = drawing()
  on.draw(whole.bytes)
  await Promise.race([on.drawn(), new Promise((resolve) => setTimeout(resolve, 2_000))])
  const from = on.display.flatten()
  const small = document.createElement('canvas')
  small.width = width
  small.height = Math.max(1, Math.round((width * from.height) / Math.max(1, from.width)))
  small.getContext('2d')?.drawImage(from, 0, 0, small.width, small.height)
  const masked = maskedParts(replay.header.target.mask, from)
  on.close()
  return { canvas: small, masked }
}
