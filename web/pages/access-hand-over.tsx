import { Button, Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { HandOverView, LeaseView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange } from '../shell/me.ts'
import { sessionsIn } from './lease-words.tsx'

/** Offers one's own lease to a colleague. */
export function HandOver(props: {
  readonly account: string
  readonly lease: LeaseView
  readonly onClose: () => void
}) {
  const { account, lease, onClose } = props
  const change = useChange()
  const [user, setUser] = useState('')
  return (
    <Dialog
      title={`Hand ${visible(account)} over`}
      action="Offer it"
      ready={user.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', '/api/hand-overs', { lease: lease.id, user: user.trim() }))
        onClose()
      }}
    >
      <Content component="p">
        It stays yours until they take it, within 15 minutes and with a code of their own. Nobody comes
        between, also not who waits.{' '}
        {lease.sessions === 0
          ? ''
          : `Your ${sessionsIn(lease.sessions)} on it ${lease.sessions === 1 ? 'ends' : 'end'} then: save what you do first.`}
      </Content>
      <Field
        label="To"
        name="user"
        value={user}
        onChange={setUser}
        autoFocus
        hint="A colleague’s user name. They must have access to this account of their own"
      />
    </Dialog>
  )
}

/** What one has offered, with the way to take it back. */
export function Offered({ offer }: { readonly offer: HandOverView }) {
  const change = useChange()
  const [error, setError] = useState<unknown>(null)
  return (
    <>
      <Content component="p">
        Offered to <strong>{visible(offer.to)}</strong> until <Moment at={offer.expiresAt} />.{' '}
        <Button
          variant="link"
          isInline
          onClick={() =>
            void change(() => ask('DELETE', at`/api/hand-overs/${offer.id}`)).then(
              () => setError(null),
              setError,
            )
          }
          aria-label={`Take it back: ${offer.account}`}
        >
          Take it back
        </Button>
      </Content>
      <Problem error={error} />
    </>
  )
}

/** What colleagues offer, each to be taken or declined. */
export function Offers({ offers }: { readonly offers: readonly HandOverView[] }) {
  const change = useChange()
  const [error, setError] = useState<unknown>(null)
  const [taking, setTaking] = useState<HandOverView | null>(null)
  return (
    <div aria-live="polite">
      {offers.map((offer) => (
        <Note
          key={offer.id}
          variant="info"
          title={`${visible(offer.from)} wants to hand ${visible(offer.account)} over to you`}
          className="gap-below"
        >
          You can take it until <Moment at={offer.expiresAt} />. Their sessions on it end then.
          <div className="row gap-above">
            <Button size="sm" onClick={() => setTaking(offer)} aria-label={`Take it over: ${offer.account}`}>
              Take it over
            </Button>
            <Button
              variant="secondary"
              size="sm"
              onClick={() =>
                void change(() => ask('DELETE', at`/api/hand-overs/${offer.id}`)).then(
                  () => setError(null),
                  setError,
                )
              }
              aria-label={`Decline ${offer.account}`}
            >
              Decline
            </Button>
          </div>
        </Note>
      ))}
      <Problem error={error} />
      {taking === null ? null : <Take offer={taking} onClose={() => setTaking(null)} />}
    </div>
  )
}

function Take({ offer, onClose }: { readonly offer: HandOverView; readonly onClose: () => void }) {
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Take ${visible(offer.account)} over from ${visible(offer.from)}?`}
      action="Take it over"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'handover.accept', { handOver: offer.id }, {})
        await change(() => ask('POST', at`/api/hand-overs/${offer.id}/accept`, body))
        onClose()
      }}
    >
      <Content component="p">
        It is yours at once{offer.exclusive ? ', and nobody else’s' : ''}. Their sessions on it end within
        three seconds; both names are in the audit log.
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
