import { Button, Content, Label, Title } from '@patternfly/react-core'
import { useState } from 'react'
import type { HeldKind, LegalHoldView } from '../../vault/contract.ts'
import { heldKinds } from '../../vault/contract/words.ts'
import { count } from '../../vault/kernel/count.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange } from '../shell/me.ts'
import { useLegalHolds } from './lists.ts'

type Doing = { readonly kind: 'place' } | { readonly kind: 'lift' | 'keep'; readonly of: LegalHoldView }

/** What keeps recordings from being destroyed, whatever their age. */
export function LegalHolds() {
  const holds = useLegalHolds()
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  return (
    <section className="gap-above">
      <Title headingLevel="h2" size="lg">
        Legal holds
      </Title>
      <Listing<LegalHoldView>
        name="Legal holds"
        query={holds}
        keyOf={({ id }) => id}
        text={(row) => `${row.on.name} ${row.matter} ${row.reason} ${row.placedBy}`}
        tools={<Button onClick={() => setDoing({ kind: 'place' })}>Place a hold</Button>}
        columns={[
          {
            title: 'On',
            cell: (row) => (
              <>
                {visible(row.on.name)}
                <div className="quiet small">
                  the {row.on.kind}, {count(row.recordings, 'recording')}
                </div>
              </>
            ),
          },
          {
            title: 'Matter',
            fit: 'text',
            cell: (row) => (
              <>
                {visible(row.matter)}
                <div className="quiet small">{visible(row.reason)}</div>
              </>
            ),
          },
          {
            title: 'Placed',
            fit: 'text',
            cell: (row) => (
              <>
                <When at={row.placedAt} />, by {visible(row.placedBy)}
                {row.lift === null ? null : (
                  <div>
                    <Label isCompact color="orange">
                      {visible(row.lift.by)} wants it lifted
                    </Label>
                    <div className="quiet small">{visible(row.lift.reason)}</div>
                  </div>
                )}
              </>
            ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (of) => (
              <>
                <Act text="Lift" of={of} onDo={() => setDoing({ kind: 'lift', of })} />
                {of.lift === null ? null : (
                  <Act text="Keep" of={of} onDo={() => setDoing({ kind: 'keep', of })} />
                )}
              </>
            ),
          },
        ]}
        empty={{
          title: 'No legal hold is in force',
          body: 'Place one where a case, an accident or an authority needs recordings: they are not destroyed then, whatever their age, before two people lift it.',
          action: <Button onClick={() => setDoing({ kind: 'place' })}>Place a hold</Button>,
        }}
      />
      {doing?.kind === 'place' ? <Place onClose={close} /> : null}
      {doing?.kind === 'lift' ? <Lift of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'keep' ? <Keep of={doing.of} onClose={close} /> : null}
    </section>
  )
}

function Act(props: { readonly text: string; readonly of: LegalHoldView; readonly onDo: () => void }) {
  return (
    <Button
      size="sm"
      variant="secondary"
      onClick={props.onDo}
      aria-label={`${props.text}: the hold on ${visible(props.of.on.name)}`}
    >
      {props.text}
    </Button>
  )
}

const ofWhat: Readonly<Record<HeldKind, string>> = {
  recording: 'Recording (rec_…)',
  session: 'Session (ses_…)',
  person: 'Person',
  safe: 'Safe',
}

function Place({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const [kind, setKind] = useState<HeldKind>('person')
  const [of, setOf] = useState('')
  const [matter, setMatter] = useState('')
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title="Place a legal hold"
      action="Place it"
      ready={of !== '' && matter.trim() !== '' && reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        const body = { kind, of, matter: matter.trim(), reason: reason.trim() }
        await change(() => ask('POST', '/api/legal-holds', body))
        onClose()
      }}
    >
      <Choice
        label="On"
        name="kind"
        value={kind}
        onChange={(value) => setKind(heldKinds.find((one) => one === value) ?? 'person')}
        options={heldKinds.map((value) => ({ value, label: ofWhat[value] }))}
        hint="Of a person or a safe it holds what is recorded later, too"
      />
      <Field label="Which" name="of" value={of} onChange={setOf} />
      <Field
        label="Matter"
        name="matter"
        value={matter}
        onChange={setMatter}
        hint="The case that it is for"
      />
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
    </Dialog>
  )
}

type Asked = { readonly of: LegalHoldView; readonly onClose: () => void }

function Lift({ of, onClose }: Asked) {
  const change = useChange()
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Lift the hold on ${visible(of.on.name)}`}
      action={of.lift === null ? 'Ask for it' : 'Lift it'}
      danger
      ready={reason.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'legalhold.lift', { legalHold: of.id }, { reason: reason.trim() })
        await change(() => ask('POST', at`/api/legal-holds/${of.id}/lift`, body))
        onClose()
      }}
    >
      <Content component="p">
        {of.lift === null
          ? 'It takes two people: it holds until somebody else lifts it.'
          : `${visible(of.lift.by)} wants it lifted: ${visible(of.lift.reason)}. Nothing holds ${count(of.recordings, 'recording')} for ${visible(of.matter)} any more then.`}
      </Content>
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function Keep({ of, onClose }: Asked) {
  const change = useChange()
  return (
    <Dialog
      title={`Keep the hold on ${visible(of.on.name)}`}
      action="Keep it"
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/legal-holds/${of.id}/keep`))
        onClose()
      }}
    >
      <Content component="p">{visible(of.lift?.by ?? '')} wanted it lifted. It stays.</Content>
    </Dialog>
  )
}
