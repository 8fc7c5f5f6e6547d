import { Button } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import type { RecordingFound } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { LongField } from '../parts/field.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { hasRole, useUser } from '../shell/me.ts'

/** Who has looked at the recording, what they say of it; an auditor who has not yet says so here. */
export function Reviews({ view }: { readonly view: RecordingFound }) {
  const user = useUser()
  const queries = useQueryClient()
  const [isAsking, setIsAsking] = useState(false)
  const [note, setNote] = useState('')
  const mayReview =
    hasRole(user, 'auditor') &&
    view.state !== 'recording' &&
    view.endedAt !== null &&
    view.user !== user?.name &&
    !view.reviews.some(({ by }) => by === user?.name)
  if (view.reviews.length === 0 && view.marks.length === 0 && !mayReview) return null
  return (
    <section aria-label="Reviews" className="integrity">
      <h2>Reviews</h2>
      {view.marks.map(({ id, why, review }) => (
        <p key={id} className="small">
          <strong>Marked:</strong> {visible(why)}.{' '}
          {review === null ? (
            <Link href={`/reviews?session=${view.session}`}>Nobody has signed for it yet</Link>
          ) : (
            `${visible(review.by)}: ${visible(review.note)}`
          )}
        </p>
      ))}
      {view.reviews.length === 0 ? <p className="quiet small">Nobody has reviewed it yet.</p> : null}
      {view.reviews.map(({ by, at: when, note: said }) => (
        <p key={by} className="small">
          <strong>{visible(by)}</strong>, <Moment at={when} />: {visible(said)}
        </p>
      ))}
      {mayReview ? (
        <Button variant="secondary" size="sm" onClick={() => setIsAsking(true)}>
          Mark as reviewed
        </Button>
      ) : null}
      {isAsking ? (
        <Dialog
          title="Mark as reviewed"
          description="Your name, the time and what you write are kept, and cannot be changed."
          action="Mark as reviewed"
          ready={note.trim() !== ''}
          onClose={() => setIsAsking(false)}
          act={async () => {
            await ask('POST', at`/api/recordings/${view.id}/review`, { note })
            await queries.invalidateQueries({ queryKey: ['recording', view.id] })
            setIsAsking(false)
          }}
        >
          <LongField label="What you saw" name="note" value={note} onChange={setNote} rows={3} />
        </Dialog>
      ) : null}
    </section>
  )
}
