import { Button } from '@patternfly/react-core'
import { type FormEvent, useState } from 'react'
import { Choice, Field } from '../parts/field.tsx'
import { zone } from '../parts/wording.ts'
import { type Asked, askedNames } from './audit-found.ts'

const kinds = [
  { value: '', label: 'Everything' },
  { value: 'session', label: 'Sessions' },
  { value: 'request', label: 'Requests and approvals' },
  { value: 'grant', label: 'Grants' },
  { value: 'account.revealed', label: 'Secrets shown' },
  { value: 'lease', label: 'Check-outs' },
  { value: 'breakglass', label: 'Break-glass' },
  { value: 'login,ssh', label: 'Sign-ins' },
  { value: 'user,company,terms', label: 'People and companies' },
  { value: 'target,account,safe', label: 'Machines, accounts and safes' },
  { value: 'policy,switch', label: 'Policy and plant switches' },
  { value: 'recording', label: 'Recordings' },
  { value: 'vault,seal,custody,keys,backup', label: 'The vault' },
  { value: 'audit,auditor', label: 'Audit and auditors' },
  { value: 'refused,session.refused,login.refused', label: 'What was refused' },
]

/** What is looked for. `Enter` in any field looks. */
export function AuditFilter({
  asked,
  onAsk,
}: {
  readonly asked: Asked
  readonly onAsk: (asked: Asked) => void
}) {
  const [draft, setDraft] = useState<Asked>(asked)
  const set = (name: keyof Asked) => (value: string) => setDraft({ ...draft, [name]: value })
  const look = (event: FormEvent) => {
    event.preventDefault()
    onAsk(draft)
  }
  const field = (name: 'target' | 'person' | 'company' | 'account' | 'text', label: string) => (
    <Field label={label} name={name} value={draft[name] ?? ''} onChange={set(name)} required={false} />
  )
  const shown =
    draft.kinds === undefined || kinds.some(({ value }) => value === draft.kinds)
      ? kinds
      : [...kinds, { value: draft.kinds, label: draft.kinds }]
  return (
    <search>
      <form className="audit-filter" aria-label="Find entries" onSubmit={look}>
        {field('target', 'Machine')}
        {field('person', 'Person')}
        {field('company', 'Company')}
        {field('account', 'Account')}
        <Choice label="What" value={draft.kinds ?? ''} onChange={set('kinds')} options={shown} />
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
        {field('text', 'Words in it')}
        <div className="row">
          <Button type="submit">Find</Button>
          {askedNames.some((name) => asked[name] !== undefined) ? (
            <Button variant="link" onClick={() => onAsk({})}>
              Clear
            </Button>
          ) : null}
        </div>
      </form>
    </search>
  )
}

/** A moment as the browser's own field takes it: by the reader's clock, without a zone. */
export function localOf(iso: string | undefined): string {
  const at = new Date(iso ?? '')
  if (Number.isNaN(at.getTime())) return ''
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

export function isoOf(local: string): string {
  const at = new Date(local)
  return Number.isNaN(at.getTime()) ? '' : at.toISOString()
}
