import { Fragment } from 'react'
import { visible } from './wording.ts'

/** As long as this a piece stays whole in the narrowest column; a longer one may break wherever it must. */
const longestWhole = 15

/** The name of a user, safe, target or account, or an address: it breaks after `/` and `@`, and not at its hyphens or dots. */
export function Name({ of: name }: { readonly of: string }) {
  let end = 0
  return (visible(name).match(/[^/@]*[/@]+|[^/@]+/g) ?? []).map((piece) => {
    end += piece.length
    return (
      <Fragment key={end}>
        {end === piece.length ? null : <wbr />}
        <span className={piece.length > longestWhole ? '' : 'piece'}>{piece}</span>
      </Fragment>
    )
  })
}
