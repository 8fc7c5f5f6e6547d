import { Button, ExpandableSection } from '@patternfly/react-core'
import { type FormEvent, useState } from 'react'
import { endReasons, shownStates, riskRules } from '../../vault/contract/words.ts'
import { Choice, Field } from '../parts/field.tsx'
import { sentence, zone } from '../parts/wording.ts'
import { isoOf, localOf } from './audit-filter.tsx'
import { ruleTexts } from './risk-words.ts'
import { type Asked, type AskedName, askedNames, filled } from './recordings-found.ts'

const options = (values: readonly string[], any: string) => [
  { value: '', label: any },
  ...values.map((value) => ({ value, label: sentence(value) })),
]

/** Less often asked for: shown when somebody wants them, or one of them is. */
const further: readonly AskedName[] = [
  ...(['account', 'safe', 'approver', 'workOrder', 'endReason', 'state', 'reviewer', 'risk'] as const),
]

/** What is looked for. `Enter` in any field looks. */
export function RecordingFilter({
  asked,
  seesReviews,
  onAsk,
}: {
  readonly asked: Asked
  /** Who reviewed what is told to those who see everything. */
  readonly seesReviews: boolean
  readonly onAsk: (asked: Asked) => void
}) {
  const [draft, setDraft] = useState<Asked>(asked)
  const [isOpen, setIsOpen] = useState(further.some((name) => asked[name] !== undefined))
  const set = (name: AskedName) => (value: string) => setDraft({ ...draft, [name]: value })
  const look = (event: FormEvent) => {
    event.preventDefault()
    onAsk(filled(draft))
  }
  const field = (name: AskedName, label: string) => (
    <Field label={label} name={name} value={draft[name] ?? ''} onChange={set(name)} required={false} />
  )
  const choice = (name: AskedName, label: string, values: readonly string[], any: string) => (
    <Choice
      label={label}
      name={name}
      value={draft[name] ?? ''}
      onChange={set(name)}
      options={options(values, any)}
      required={false}
    />
  )
  return (
    <search>
      <form aria-label="Find recordings" onSubmit={look}>
        <div className="audit-filter">
          {field('target', 'Machine')}
          {field('person', 'Person')}
          {field('company', 'Company')}
          {field('zone', 'Zone')}
          {(['since', 'until'] as const).map((name) => (
            <Field
              key={name}
              label={name === 'since' ? 'Since' : 'Until'}
              name={name}
              type="datetime-local"
              value={localOf(draft[name])}
              onChange={(value) => set(name)(isoOf(value))}
              hint={`In ${zone()}`}
              required={false}
            />
          ))}
          {seesReviews ? (
            <Choice
              label="Review"
              name="reviewed"
              value={draft.reviewed ?? ''}
              onChange={set('reviewed')}
              required={false}
              options={[
                { value: '', label: 'Reviewed or not' },
                { value: 'no', label: 'Not reviewed yet' },
                { value: 'yes', label: 'Reviewed' },
                { value: 'mine', label: 'Reviewed by me' },
              ]}
            />
          ) : null}
          <div className="row">
            <Button type="submit">Find</Button>
            {askedNames.some((name) => asked[name] !== undefined) ? (
              <Button variant="link" onClick={() => onAsk({})}>
                Clear
              </Button>
            ) : null}
          </div>
        </div>
        <ExpandableSection
          toggleText={isOpen ? 'Fewer conditions' : 'More conditions'}
          isExpanded={isOpen}
          onToggle={(_event, open) => setIsOpen(open)}
        >
          <div className="audit-filter">
            {field('account', 'Account')}
            {field('safe', 'Safe')}
            {field('approver', 'Let in by')}
            {field('workOrder', 'Work order')}
            {choice('endReason', 'Ended', endReasons, 'However it ended')}
            {choice('state', 'State', shownStates, 'Any state')}
            {seesReviews ? field('reviewer', 'Reviewed by') : null}
            {seesReviews ? (
              <Choice
                label="Marked"
                name="risk"
                value={draft.risk ?? ''}
                onChange={set('risk')}
                required={false}
                options={[
                  { value: '', label: 'Marked or not' },
                  { value: 'any', label: 'Marked by any rule' },
                  { value: 'open', label: 'Marked, and nobody has signed' },
                  ...riskRules.map((rule) => ({ value: rule, label: ruleTexts[rule] })),
                ]}
              />
            ) : null}
          </div>
        </ExpandableSection>
      </form>
    </search>
  )
}
