import { Button, Checkbox, Content, Label } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { RetentionClassView, RetentionView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { Destructions } from './destructions.tsx'
import { LegalHolds } from './legal-holds.tsx'

/** A class has its name for an id. */
type Listed = RetentionClassView & { readonly id: string }

type Doing =
  | { readonly kind: 'set'; readonly of: RetentionClassView | null }
  | { readonly kind: 'give'; readonly of: RetentionClassView }
  | { readonly kind: 'remove'; readonly of: RetentionClassView }

/** For how long recordings are kept, and what keeps them longer. */
export function Retention() {
  const retention = useQuery({
    queryKey: ['retention'],
    queryFn: () => get<RetentionView>('/api/retention'),
    refetchInterval: 5_000,
  })
  const classes = useQuery({
    queryKey: ['retention'],
    queryFn: () => get<RetentionView>('/api/retention'),
    refetchInterval: 5_000,
    select: ({ classes: all }): readonly Listed[] => all.map((row) => ({ ...row, id: row.name })),
  })
  const isAdmin = hasRole(useUser(), 'admin')
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  const floor = retention.data?.floor ?? null
  return (
    <Page
      title="Retention"
      about="For how long recordings are kept, and what holds them longer. When their time is over nothing happens by itself: two people have them destroyed."
    >
      {retention.data === undefined ? null : (
        <p className="gap-below">
          {floor === null ? (
            <span className="quiet">
              No law or contract is noted by which everything is kept for a time: tagout retention floor.
            </span>
          ) : (
            <>
              Everything is kept {count(floor.days, 'day')} at least: {visible(floor.basis)}.
            </>
          )}
        </p>
      )}
      <Listing<Listed>
        name="Classes of retention"
        query={classes}
        keyOf={({ name }) => name}
        text={(row) => `${row.name} ${row.safes.join(' ')}`}
        tools={
          isAdmin ? (
            <Button onClick={() => setDoing({ kind: 'set', of: null })}>Add a class</Button>
          ) : undefined
        }
        columns={[
          { title: 'Class', cell: (row) => <Name of={row.name} /> },
          { title: 'Kept', fit: 'whole', cell: (row) => keptText(row.days) },
          {
            title: 'Safes',
            fit: 'text',
            cell: (row) =>
              row.safes.length === 0 ? (
                <span className="quiet">none</span>
              ) : (
                row.safes.map(visible).join(', ')
              ),
          },
          {
            title: 'Recordings',
            fit: 'whole',
            cell: (row) => (
              <>
                {row.recordings}
                {row.due === 0 ? null : (
                  <>
                    {' '}
                    <Label isCompact color="orange">
                      {row.due} due
                    </Label>
                  </>
                )}
              </>
            ),
          },
          {
            title: 'Set',
            fit: 'text',
            cell: ({ set, reason }) =>
              set === null ? (
                <span className="quiet">never</span>
              ) : (
                <>
                  <When at={set.at} />, by {visible(set.by)}
                  <div className="quiet small">{visible(reason)}</div>
                </>
              ),
          },
          ...(isAdmin
            ? [
                {
                  title: 'Actions',
                  actions: true as const,
                  cell: (of: RetentionClassView) => (
                    <>
                      <Act text="Change" of={of} onDo={() => setDoing({ kind: 'set', of })} />
                      <Act text="Give to a safe" of={of} onDo={() => setDoing({ kind: 'give', of })} />
                      {of.safes.length > 0 || of.name === 'standard' ? null : (
                        <Act text="Remove" of={of} onDo={() => setDoing({ kind: 'remove', of })} />
                      )}
                    </>
                  ),
                },
              ]
            : []),
        ]}
        empty={{ title: 'There are no classes', body: 'Recordings are kept for good.' }}
      />
      <LegalHolds />
      <Destructions />
      {doing?.kind === 'set' ? <SetClass of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'give' ? (
        <GiveClass of={doing.of} all={retention.data?.classes ?? []} onClose={close} />
      ) : null}
      {doing?.kind === 'remove' ? <RemoveClass of={doing.of} onClose={close} /> : null}
    </Page>
  )
}

function keptText(days: number | null): string {
  return days === null ? 'for good' : count(days, 'day')
}

function Act(props: { readonly text: string; readonly of: RetentionClassView; readonly onDo: () => void }) {
  return (
    <Button
      size="sm"
      variant="secondary"
      onClick={props.onDo}
      aria-label={`${props.text}: the class ${visible(props.of.name)}`}
    >
      {props.text}
    </Button>
  )
}

/** That recordings are kept for less than was said is said yes to; how many they are the vault tells who has not. */
function Shortens(props: { readonly checked: boolean; readonly onChange: (checked: boolean) => void }) {
  return (
    <Checkbox
      id="shortens"
      label="Also where this shortens how long recordings are kept that are there already"
      isChecked={props.checked}
      onChange={(_event, checked) => props.onChange(checked)}
    />
  )
}

function SetClass({ of, onClose }: { readonly of: RetentionClassView | null; readonly onClose: () => void }) {
  const change = useChange()
  const [name, setName] = useState(of?.name ?? '')
  const [days, setDays] = useState(of?.days?.toString() ?? '')
  const [reason, setReason] = useState('')
  const [shortens, setShortens] = useState(false)
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={of === null ? 'Add a class of retention' : `For how long ${visible(of.name)} keeps`}
      action="Save"
      ready={name !== '' && reason.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(
          code,
          'retention.set',
          { retentionClass: name },
          {
            days: days.trim() === '' ? null : Number(days),
            reason: reason.trim(),
            ...(shortens ? { shortens } : {}),
          },
        )
        await change(() => ask('PUT', at`/api/retention/classes/${name}`, body))
        onClose()
      }}
    >
      {of === null ? (
        <Field label="Class" name="retentionClass" value={name} onChange={setName} autoFocus />
      ) : null}
      <Field
        label="Days"
        name="days"
        inputMode="numeric"
        value={days}
        onChange={setDays}
        hint="Counted from the end of a session; empty: for good"
      />
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
      {of === null ? null : <Shortens checked={shortens} onChange={setShortens} />}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function GiveClass(props: {
  readonly of: RetentionClassView
  readonly all: readonly RetentionClassView[]
  readonly onClose: () => void
}) {
  const { of, onClose } = props
  const change = useChange()
  const others = props.all.flatMap((row) => (row.name === of.name ? [] : row.safes))
  const [safe, setSafe] = useState(others[0] ?? '')
  const [reason, setReason] = useState('')
  const [shortens, setShortens] = useState(false)
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Give the class ${visible(of.name)} to a safe`}
      action="Save"
      ready={safe !== '' && reason.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(
          code,
          'safe.retention',
          { safe },
          { retentionClass: of.name, reason: reason.trim(), ...(shortens ? { shortens } : {}) },
        )
        await change(() => ask('PUT', at`/api/safes/${safe}/retention`, body))
        onClose()
      }}
    >
      <Choice
        label="Safe"
        name="safe"
        value={safe}
        onChange={setSafe}
        options={others.map((name) => ({ value: name, label: name }))}
        hint={`Its recordings are kept ${keptText(of.days)} then, those that are there already too`}
      />
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
      <Shortens checked={shortens} onChange={setShortens} />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function RemoveClass({ of, onClose }: { readonly of: RetentionClassView; readonly onClose: () => void }) {
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Remove the class ${visible(of.name)}`}
      action="Remove"
      danger
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'retention.remove', { retentionClass: of.name }, {})
        await change(() => ask('DELETE', at`/api/retention/classes/${of.name}`, body))
        onClose()
      }}
    >
      <Content component="p">No safe has it.</Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
