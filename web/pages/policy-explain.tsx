import { Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { PolicyAnswer } from '../../vault/contract.ts'
import { allowedActions } from '../../vault/contract/words.ts'
import { ask } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { Moment } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { useAccounts, useUsers } from './lists.ts'

/** Asks whether somebody may use an account, now or at another time, and shows everything that decides it. */
export function PolicyExplain({ onClose }: { readonly onClose: () => void }) {
  const users = useUsers()
  const accounts = useAccounts()
  const [user, setUser] = useState('')
  const [account, setAccount] = useState('')
  const [action, setAction] = useState('shell')
  const [moment, setMoment] = useState('')
  const [source, setSource] = useState('')
  const [to, setTo] = useState('')
  const [target, setTarget] = useState('')
  const forward = action === 'forward' ? destinationOf(to) : undefined
  const [answer, setAnswer] = useState<PolicyAnswer | null>(null)
  const at = moment === '' ? null : new Date(moment)
  const isMoment = at === null || !Number.isNaN(at.getTime())
  const change = (set: (value: string) => void) => (value: string) => {
    setAnswer(null)
    set(value)
  }
  const choices = (first: string, names: readonly string[]) => [
    { value: '', label: first },
    ...names.map((name) => ({ value: name, label: name })),
  ]
  return (
    <Dialog
      wide
      title="May they?"
      description="Says what the vault would answer, and everything that decides it. Nothing is opened."
      action="Say"
      {...(answer === null ? {} : { closing: 'Close' })}
      ready={user !== '' && account !== '' && isMoment && (action !== 'forward' || forward !== undefined)}
      onClose={onClose}
      act={async () =>
        setAnswer(
          await ask<PolicyAnswer>('POST', '/api/policy/explain', {
            user,
            account,
            action,
            ...(forward === undefined ? {} : { forward }),
            ...(target === '' ? {} : { target }),
            ...(at === null ? {} : { at: at.toISOString() }),
            ...(source.trim() === '' ? {} : { source: source.trim() }),
          }),
        )
      }
    >
      {answer === null ? null : <Answer answer={answer} />}
      <Choice
        label="User"
        name="user"
        value={user}
        onChange={change(setUser)}
        options={choices(
          'Choose a user',
          (users.data ?? []).map(({ name }) => name),
        )}
      />
      <Choice
        label="Account"
        name="account"
        value={account}
        onChange={change(setAccount)}
        options={choices(
          'Choose an account',
          (accounts.data ?? []).map(({ name }) => name),
        )}
      />
      <Choice
        label="To do"
        name="action"
        value={action}
        onChange={change(setAction)}
        options={allowedActions.map((name) => ({ value: name, label: name }))}
      />
      {action === 'forward' ? (
        <Field
          label="Forwarding to"
          name="forward"
          value={to}
          onChange={change(setTo)}
          mono
          hint="host:port, an IPv6 address in brackets"
        />
      ) : null}
      <Choice
        label="On the target"
        name="target"
        value={target}
        onChange={change(setTarget)}
        options={choices(
          'Its own',
          (accounts.data ?? []).find(({ name }) => name === account)?.boundTo ?? [],
        )}
      />
      <Field
        label="At"
        name="at"
        type="datetime-local"
        required={false}
        value={moment}
        onChange={change(setMoment)}
        hint="Left out: now"
      />
      <Field
        label="From the address"
        name="source"
        required={false}
        value={source}
        onChange={change(setSource)}
        hint="Left out: from where the rules want"
      />
    </Dialog>
  )
}

function destinationOf(text: string): { readonly host: string; readonly port: number } | undefined {
  const parts = /^(\[[^\]]+\]|[^:[\]]+):(\d{1,5})$/.exec(text.trim())
  const [, host = '', port] = parts ?? []
  return parts === null ? undefined : { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function Answer({ answer }: { readonly answer: PolicyAnswer }) {
  return (
    <div role="status">
      <Note variant={answer.allowed ? 'success' : 'warning'} title={sentence(visible(answer.sentence))}>
        {answer.next === null ? null : <p>{sentence(visible(answer.next))}</p>}
        {answer.endsAt === null ? null : (
          <p>
            A session would end <Moment at={answer.endsAt} /> at the latest
            {answer.exclusive ? ', and the account is theirs alone' : ''}.
          </p>
        )}
      </Note>
      {answer.steps.length === 0 ? (
        <Content component="p">No grant and no rule is about them and this account.</Content>
      ) : (
        <dl className="facts gap-above">
          {answer.steps.map(({ what, effect, holds, text }) => (
            <div key={what} className="facts-row">
              <dt>{visible(what)}</dt>
              <dd>
                {effect === 'nothing' ? '' : `${effect}, ${holds ? 'holds' : 'does not hold'}: `}
                {visible(text)}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  )
}
