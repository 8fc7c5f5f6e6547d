import { Checkbox, Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { AccessView, LeaseView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/field.tsx'
import { Moment } from '../parts/when.tsx'
import { span, visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { HeldUntil, sessionsIn } from './lease-words.tsx'

const times = [1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600]

/** Grants and rules that let the user in now. */
export function waysIn(access: AccessView): readonly {
  readonly end: string | null
  readonly exclusive: boolean
}[] {
  return [
    ...access.grants
      .filter(({ state }) => state === 'active')
      .map(({ notAfter, mode }) => ({ end: notAfter, exclusive: mode === 'exclusive' })),
    ...access.rules
      .filter(({ unmet }) => unmet === null)
      .map(({ until, exclusive }) => ({ end: until, exclusive })),
  ]
}

/** When the last of what lets the user in now ends; null: not by itself. */
function lastEnd(access: AccessView): string | null {
  const ends = waysIn(access).map(({ end }) => end)
  return ends.includes(null) ? null : ends.reduce((a, b) => ((a ?? '') > (b ?? '') ? a : b), null)
}

/** Is the account the user's alone, whatever lets them in now? */
export function isAlone(access: AccessView): boolean {
  return waysIn(access).every(({ exclusive }) => exclusive)
}

/** Takes an account for a time: it stays the user's also while they are not connected. */
export function CheckOut({ access, onClose }: { readonly access: AccessView; readonly onClose: () => void }) {
  const change = useChange()
  const end = lastEnd(access)
  const left = end === null ? Number.POSITIVE_INFINITY : (Date.parse(end) - Date.now()) / 1000
  const [seconds, setSeconds] = useState(left > 3600 ? '3600' : '')
  const must = isAlone(access) || access.lease?.exclusive === true
  const [alone, setAlone] = useState(must)
  return (
    <Dialog
      title={`Check out ${visible(access.account)}`}
      action="Check out"
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('POST', '/api/leases', {
            account: access.account,
            exclusive: alone,
            ...(seconds === '' ? {} : { forSeconds: Number(seconds) }),
          }),
        )
        onClose()
      }}
    >
      <Content component="p">
        It is yours until then, also while you are not connected. Sessions that you begin now end with it at
        the latest. Check it in when you have done: others may wait.
      </Content>
      <Choice
        label="For"
        name="forSeconds"
        value={seconds}
        onChange={setSeconds}
        options={[
          ...times.filter((time) => time < left).map((time) => ({ value: String(time), label: span(time) })),
          {
            value: '',
            label: end === null ? 'as long as you may' : `as long as you may (${span(Math.max(60, left))})`,
          },
        ]}
      />
      <Checkbox
        id="check-out-alone"
        label="Nobody else may use it meanwhile"
        isChecked={alone}
        isDisabled={must}
        onChange={(_event, checked) => setAlone(checked)}
        description={
          isAlone(access)
            ? 'Your grant is exclusive: it cannot be shared.'
            : 'Possible while nobody else holds it. They read that you have it, and until when.'
        }
      />
    </Dialog>
  )
}

/** Gives an account back, after saying what becomes of the sessions that run. */
export function CheckIn(props: {
  readonly account: string
  readonly lease: LeaseView
  readonly onClose: () => void
}) {
  const { account, lease, onClose } = props
  const change = useChange()
  return (
    <Dialog
      title={`Check in ${visible(account)}?`}
      action="Check in"
      onClose={onClose}
      act={async () => {
        await change(() => ask('DELETE', at`/api/leases/${lease.id}`))
        onClose()
      }}
    >
      <Content component="p">
        {lease.sessions === 0
          ? 'It is free for others at once. Your grant stays: you may take it again.'
          : `Your ${sessionsIn(lease.sessions)} ${lease.sessions === 1 ? 'goes' : 'go'} on, and the account is free when the last of them ends. To free it now, end them first.`}
      </Content>
    </Dialog>
  )
}

/** How it stands with an account: free, held by oneself, or by whom until when. */
export function Standing({ access }: { readonly access: AccessView }) {
  const { lease, others } = access
  const alone = others.find(({ exclusive }) => exclusive)
  if (alone !== undefined)
    return (
      <Content component="p">
        <strong>Held by {visible(alone.user)} alone</strong>, <HeldUntil lease={alone} />. Ask them to check
        it in, or wait for it.
      </Content>
    )
  return (
    <Content component="p">
      {lease === null ? (
        others.length === 0 ? (
          <strong>Free.</strong>
        ) : null
      ) : (
        <>
          <strong>You hold it{lease.exclusive ? ' alone' : ''}</strong>
          {lease.until !== null && Date.parse(lease.until) > Date.now() ? (
            <>
              {' '}
              until <Moment at={lease.until} />
            </>
          ) : null}
          {lease.sessions === 0 ? '' : `, with ${sessionsIn(lease.sessions)}`}.
        </>
      )}
      {others.length === 0
        ? null
        : ` Shared with ${others.map(({ user }) => visible(user)).join(', ')}${isAlone(access) ? ': your grant is exclusive, so you wait for them to leave' : ''}.`}
    </Content>
  )
}

/** Does somebody else's lease keep the user out now? */
export function isKeptOut(access: AccessView): boolean {
  const { lease, others } = access
  return others.some(({ exclusive }) => exclusive || isAlone(access) || lease?.exclusive === true)
}
