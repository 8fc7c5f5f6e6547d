import { Refused } from '../api.ts'
import { Note } from './note.tsx'
import { ShowFactor } from './show-factor.tsx'
import { StepUp } from './step-up.tsx'
import { sentence } from './wording.ts'

/** Says what was refused or went wrong, and what to do next. */
export function Problem({
  error,
  title,
  again,
}: {
  readonly error: unknown
  readonly title?: string
  /** Does what was refused once more. */
  readonly again?: () => void
}) {
  if (error === null || error === undefined) return null
  const message = error instanceof Error ? error.message : 'something went wrong'
  const next = error instanceof Refused ? error.next : undefined
  const instance = error instanceof Refused ? error.instance : undefined
  return (
    <Note
      variant={error instanceof Refused && error.status < 500 ? 'warning' : 'danger'}
      title={title ?? sentence(message)}
      role="alert"
    >
      {title === undefined ? null : <p>{sentence(message)}</p>}
      {next === undefined ? null : <p>{sentence(next)}</p>}
      {error instanceof Refused && error.code === 'step_up' ? <StepUp key={message} /> : null}
      {error instanceof Refused && error.code === 'stale_factor' ? (
        <ShowFactor key={message} refused={error} {...(again === undefined ? {} : { then: again })} />
      ) : null}
      {instance === undefined ? null : (
        <p>
          Id for the log: <code>{instance}</code>
        </p>
      )}
    </Note>
  )
}
