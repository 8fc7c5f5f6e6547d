import { Button, Content, Title } from '@patternfly/react-core'
import { useState } from 'react'
import type { LeaseView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { Name } from '../parts/name.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment, When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { useChange, useUser } from '../shell/me.ts'
import { HeldUntil, sessionsIn } from './lease-words.tsx'
import { useLeases, useQueue } from './lists.ts'

/** Who holds which account now, with the way to take it from them. Nothing where nobody does. */
export function HeldAccounts() {
  const user = useUser()
  const leases = useLeases()
  const [taking, setTaking] = useState<LeaseView | null>(null)
  if (leases.data === undefined || leases.data.length === 0) return null
  return (
    <section aria-labelledby="held" className="held-off">
      <Title headingLevel="h2" size="lg" id="held">
        Held now
      </Title>
      <ul className="holds">
        {leases.data.map((lease) => (
          <li key={lease.id}>
            <span>
              <span className="mono">
                <Name of={lease.account} />
              </span>{' '}
              by <Name of={lease.user} />
              {lease.exclusive ? ', alone' : ''}, since <When at={lease.since} />, <HeldUntil lease={lease} />
            </span>
            {lease.user === user.name ? null : (
              <Button
                variant="link"
                isDanger
                size="sm"
                onClick={() => setTaking(lease)}
                aria-label={`Check in ${lease.account} of ${lease.user}`}
              >
                Check in
              </Button>
            )}
          </li>
        ))}
      </ul>
      <Queues />
      {taking === null ? null : <TakeBack lease={taking} onClose={() => setTaking(null)} />}
    </section>
  )
}

function TakeBack({ lease, onClose }: { readonly lease: LeaseView; readonly onClose: () => void }) {
  const change = useChange()
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title={`Take ${visible(lease.account)} from ${visible(lease.user)}?`}
      action="Check it in"
      danger
      ready={reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('DELETE', at`/api/leases/${lease.id}`, { reason: reason.trim() }))
        onClose()
      }}
    >
      <Content component="p">
        {lease.sessions === 0
          ? 'They are not connected. The account is free at once.'
          : `Their ${sessionsIn(lease.sessions)} ${lease.sessions === 1 ? 'is' : 'are'} cut within three seconds, and what runs on the machine may stop half way. Then the account is free.`}{' '}
        Their grant stays: they may take the account again. To keep them off, terminate their session with a
        hold, or revoke the grant.
      </Content>
      <Field
        label="Reason"
        name="reason"
        value={reason}
        onChange={setReason}
        autoFocus
        hint="Told to the holder in their session, and written in the audit log"
      />
    </Dialog>
  )
}

/** Who waits for which account, in their order, with the way to take somebody out. */
function Queues() {
  const queue = useQueue()
  const change = useChange()
  const [error, setError] = useState<unknown>(null)
  const waits = queue.data ?? []
  if (waits.length === 0) return null
  return (
    <>
      <Title headingLevel="h3" size="md" id="queue">
        Waiting
      </Title>
      <ul className="holds" aria-labelledby="queue">
        {waits.map((wait) => (
          <li key={wait.id}>
            <span>
              {wait.place === null ? '' : `${wait.place}. `}
              <Name of={wait.user} /> for{' '}
              <span className="mono">
                <Name of={wait.account} />
              </span>
              {wait.exclusive ? ', alone' : ''}, since <When at={wait.since} />
              {wait.keptUntil === null ? null : (
                <>
                  , kept for them until <Moment at={wait.keptUntil} />
                </>
              )}
            </span>
            <Button
              variant="link"
              size="sm"
              onClick={() =>
                change(() => ask('DELETE', at`/api/queue/${wait.id}`)).then(() => setError(null), setError)
              }
              aria-label={`Take out ${wait.user}, who waits for ${wait.account}`}
            >
              Take out
            </Button>
          </li>
        ))}
      </ul>
      <Problem error={error} />
    </>
  )
}
