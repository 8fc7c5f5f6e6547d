import { Bullseye, Checkbox, Content, List, ListItem, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { RotationPlan, RotationRunView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { useSafes } from './lists.ts'

type Close = { readonly onClose: () => void }

/** Shows what would happen and what stands before it, then has it happen. */
export function Rotate({ account, onClose }: Close & { readonly account: string }) {
  const change = useChange()
  const plan = useQuery({
    queryKey: ['rotation plan', account],
    queryFn: async () => (await ask('GET', at`/api/accounts/${account}/rotation/plan`)) as RotationPlan,
    staleTime: 0,
  })
  const [reason, setReason] = useState('')
  const [despite, setDespite] = useState(false)
  const isByPeople = plan.data?.settings.grade === 'G3'
  const blocking = (plan.data?.obstacles ?? []).filter(({ kind }) => kind === 'dependants')
  const never = (plan.data?.obstacles ?? []).filter(
    ({ kind, until }) => until === null && kind !== 'dependants',
  )
  return (
    <Dialog
      title={`Rotate ${visible(account)}`}
      action={plan.data === undefined || never.length > 0 ? null : isByPeople ? 'Open its task' : 'Rotate it'}
      ready={blocking.length === 0 || despite}
      wide
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('POST', at`/api/accounts/${account}/rotate`, {
            ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
            ...(despite ? { despiteDependants: true } : {}),
          }),
        )
        onClose()
      }}
    >
      {plan.error === null ? null : <Problem error={plan.error} />}
      {plan.isPending ? (
        <Bullseye>
          <Spinner aria-label="Looking what would happen" />
        </Bullseye>
      ) : null}
      {plan.data === undefined ? null : <Plan plan={plan.data} />}
      {blocking.length === 0 ? null : (
        <Checkbox
          id="despite"
          label="The other places that hold the secret are looked after"
          isChecked={despite}
          onChange={(_event, checked) => setDespite(checked)}
        />
      )}
      <Field
        label="Reason"
        name="reason"
        value={reason}
        onChange={setReason}
        required={false}
        hint="It is in the audit log"
      />
    </Dialog>
  )
}

function Plan({ plan }: { readonly plan: RotationPlan }) {
  const { steps, obstacles, earliest, logins, settings } = plan
  return (
    <>
      <Content component="p">
        {earliest === null
          ? 'It cannot begin yet.'
          : obstacles.length === 0
            ? 'It can begin now. What happens:'
            : 'It begins once nothing stands before it. What happens then:'}
      </Content>
      <List component="ol">
        {steps.map((step) => (
          <ListItem key={step}>{sentence(visible(step))}</ListItem>
        ))}
      </List>
      {obstacles.map((one) => (
        <Note
          key={one.kind}
          variant={one.until === null ? 'warning' : 'info'}
          title={sentence(visible(one.why))}
        >
          <p>
            {sentence(visible(one.next))}
            {one.until === null ? null : (
              <>
                {' '}
                Until <Moment at={one.until} />.
              </>
            )}
          </p>
        </Note>
      ))}
      {settings.dependants.length === 0 ? null : (
        <Note variant="info" title="The same secret is kept elsewhere too">
          <List>
            {settings.dependants.map((one) => (
              <ListItem key={one.place}>{visible(one.place)}</ListItem>
            ))}
          </List>
        </Note>
      )}
      <Content component="small">
        The machine may refuse {logins.left} more of {logins.of} logins before Tagout waits, so that nobody is
        locked out.
      </Content>
    </>
  )
}

/** A batch: the first alone, then the others. */
export function RotateMany({ accounts, onClose }: Close & { readonly accounts: readonly string[] }) {
  const change = useChange()
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title={`Rotate ${accounts.length} accounts`}
      action="Rotate them"
      ready={reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', '/api/rotations', { accounts, reason: reason.trim() }))
        onClose()
      }}
    >
      <Content component="p">
        {visible(accounts[0] ?? '')} goes first, alone. When it has gone well the others follow, five at a
        time; one that fails stops those that have not begun.
      </Content>
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
    </Dialog>
  )
}

/** Tries the present credential once, and changes nothing. */
export function Verify({ account, onClose }: Close & { readonly account: string }) {
  const change = useChange()
  return (
    <Dialog
      title={`Does ${visible(account)} still open?`}
      action="Verify"
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/accounts/${account}/verify`, {}))
        onClose()
      }}
    >
      <Content component="p">
        One login with what is kept, and out again. It finds a password that was changed by hand, or that a
        download or a restore has brought back. Nothing is changed.
      </Content>
    </Dialog>
  )
}

export function CancelRun({ run, onClose }: Close & { readonly run: RotationRunView }) {
  const change = useChange()
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title={`Give up the rotation of ${visible(run.account)}`}
      action="Give it up"
      danger
      ready={reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/rotations/${run.id}/cancel`, { reason: reason.trim() }))
        onClose()
      }}
    >
      <Content component="p">The machine has not heard of it yet: nothing is changed.</Content>
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
    </Dialog>
  )
}

export function RetryRun({ run, onClose }: Close & { readonly run: RotationRunView }) {
  const change = useChange()
  return (
    <Dialog
      title={`Try ${visible(run.account)} again`}
      action="Try again"
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/rotations/${run.id}/retry`, {}))
        onClose()
      }}
    >
      <Content component="p">
        Both credentials are tried on the machine, the new one first, as far as its lock-out allows. Nothing
        is changed there.
      </Content>
    </Dialog>
  )
}

/** Says that production runs: nothing of a safe is rotated by itself. */
export function HoldSafe({ onClose }: Close) {
  const change = useChange()
  const safes = useSafes()
  const [safe, setSafe] = useState('')
  const [reason, setReason] = useState('')
  const [until, setUntil] = useState('')
  return (
    <Dialog
      title="Production runs"
      action="Hold rotation"
      ready={safe !== '' && reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('PUT', at`/api/safes/${safe}/rotation-hold`, {
            reason: reason.trim(),
            ...(until === '' ? {} : { until: new Date(until).toISOString() }),
          }),
        )
        onClose()
      }}
    >
      <Content component="p">
        Nothing of the safe is rotated by itself meanwhile. What somebody asks for still is.
      </Content>
      <Choice
        label="Safe"
        name="safe"
        value={safe}
        onChange={setSafe}
        options={[
          { value: '', label: 'Choose a safe' },
          ...(safes.data ?? []).map(({ name }) => ({ value: name, label: name })),
        ]}
      />
      <Field
        label="What runs"
        name="reason"
        value={reason}
        onChange={setReason}
        hint="It is in the audit log"
      />
      <Field
        label="Until"
        name="until"
        type="datetime-local"
        value={until}
        onChange={setUntil}
        required={false}
        hint="Empty: until somebody lifts it"
      />
    </Dialog>
  )
}

export function UnholdSafe({ safe, onClose }: Close & { readonly safe: string }) {
  const change = useChange()
  return (
    <Dialog
      title={`Let rotation in ${visible(safe)} go on`}
      action="Lift the hold"
      onClose={onClose}
      act={async () => {
        await change(() => ask('DELETE', at`/api/safes/${safe}/rotation-hold`))
        onClose()
      }}
    >
      <Content component="p">What is due begins at once, as far as nothing else stands before it.</Content>
    </Dialog>
  )
}
