import { away, exactMoment, moment } from './wording.ts'

/** A moment: how far away, and exactly on pointing at it. */
export function When({ at }: { readonly at: string | null }) {
  if (at === null) return <span className="quiet">never</span>
  return (
    <time dateTime={at} title={exactMoment(at)}>
      {away(at)}
    </time>
  )
}

/** A moment written out, with its zone on pointing at it. */
export function Moment({ at }: { readonly at: string | null }) {
  if (at === null) return <span className="quiet">not yet</span>
  return (
    <time dateTime={at} title={exactMoment(at)}>
      {moment(at)}
    </time>
  )
}
