import { useEffect, useRef, useState } from 'react'
import { clock } from '../parts/wording.ts'
import { kindNames, type MarkKind, type Shown } from './marks.ts'

const kinds: readonly MarkKind[] = [
  'note',
  'command',
  'file',
  'clipboard',
  'policy',
  'hidden',
  'title',
  'channel',
]
const maxListed = 1_000

/** Every mark with its time: choose one to go there. The one that was passed last is marked, and kept in view. */
export function MarkList(props: {
  readonly marks: readonly Shown[]
  readonly position: number
  readonly onSeek: (at: number) => void
}) {
  const [hidden, setHidden] = useState<readonly MarkKind[]>(['title'])
  const list = useRef<HTMLOListElement>(null)
  const present = kinds.filter((kind) => props.marks.some((mark) => mark.kind === kind))
  const listed = props.marks.filter(({ kind }) => !hidden.includes(kind))
  const now = listed.findLastIndex(({ at }) => at <= props.position)
  const from = Math.max(0, Math.min(now - maxListed / 2, listed.length - maxListed))
  const current = listed[now]?.key

  useEffect(() => {
    if (current === undefined || list.current === null) return
    const item = list.current.querySelector<HTMLElement>('[aria-current="true"]')
    if (item !== null) list.current.scrollTop = item.offsetTop - list.current.clientHeight / 2
  }, [current])

  return (
    <section className="mark-list" aria-label="Marks">
      <h2>Marks</h2>
      <div className="mark-kinds">
        {present.map((kind) => (
          <button
            key={kind}
            type="button"
            className={`mark-kind tick-${kind}`}
            aria-pressed={!hidden.includes(kind)}
            onClick={() =>
              setHidden(hidden.includes(kind) ? hidden.filter((one) => one !== kind) : [...hidden, kind])
            }
          >
            {kindNames[kind]}
          </button>
        ))}
      </div>
      {listed.length === 0 ? <p className="quiet small">No marks in this recording.</p> : null}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <ol ref={list} tabIndex={0} aria-label="Marks in order of time">
        {listed.slice(from, from + maxListed).map(({ key, at, kind, text }) => (
          <li key={key}>
            <button
              type="button"
              className="mark"
              aria-current={key === current}
              onClick={() => props.onSeek(at)}
              title={text}
            >
              <span className="mark-time">{clock(at / 1e9)}</span>
              <span className={`mark-dot tick-${kind}`} aria-hidden="true" />
              <span className="mark-text">
                <span className="pf-v6-screen-reader">{kindNames[kind]}: </span>
                {text}
              </span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  )
}
