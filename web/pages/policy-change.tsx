import { Button, Content, Form, Spinner } from '@patternfly/react-core'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { PolicyPlan, PolicyView } from '../../vault/contract.ts'
import {
  faultInFile,
  mostPolicyText,
  type PolicyFault,
  policyText,
  readPolicyText,
} from '../../vault/policy/file.ts'
import { ask, Refused } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { LongField } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { sentence } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { usePolicy } from './lists.ts'
import { PlanText } from './policy-requests.tsx'

type PolicyDocument = PolicyView['document']

/** What was looked at: a document that the vault has checked, and what it would change. */
type Looked = {
  readonly document: PolicyDocument
  readonly present: PolicyView
  readonly plan: PolicyPlan
}

/** Changes the policy: chosen as a file, pasted or edited here; looked at; then put in force, or asked for. */
export default function PolicyChangePage() {
  const user = useUser()
  const policy = usePolicy()
  return (
    <Page
      title="Change the policy"
      about="The whole policy as one file: what it does not hold is gone once it is in force. Nothing changes before you have seen what it does."
    >
      {hasRole(user, 'admin') ? null : (
        <Note variant="info" title="Administrators change the policy">
          <Link href="/policy">Read it under Policy</Link>
        </Note>
      )}
      <Problem error={policy.error} />
      {policy.isPending ? <Spinner aria-label="Reading the policy" /> : null}
      {policy.data === undefined || !hasRole(user, 'admin') ? null : <Change policy={policy.data} />}
    </Page>
  )
}

function Change({ policy }: { readonly policy: PolicyView }) {
  const [, go] = useLocation()
  const [text, setText] = useState(() => policyText(policy.document))
  const [looked, setLooked] = useState<Looked | null>(null)
  const [fault, setFault] = useState<PolicyFault | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [running, setRunning] = useState(false)
  const [confirming, setConfirming] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  const file = useRef<HTMLInputElement>(null)
  const seen = useRef<HTMLElement>(null)
  // What it does stands below the text: there is where to look next.
  useEffect(() => {
    if (looked !== null) seen.current?.focus()
  }, [looked])

  const change = (next: string) => {
    setText(next)
    setLooked(null)
    setFault(null)
    setError(null)
  }
  const isWrong = (found: PolicyFault) => {
    setFault(found)
    select(form.current, text, found.line)
  }
  const choose = async (chosen: File) => {
    const read = await textOf(chosen)
    if (typeof read === 'string') change(read)
    else setFault(read)
  }
  const look = async (event: FormEvent) => {
    event.preventDefault()
    if (running) return
    setLooked(null)
    setFault(null)
    setError(null)
    const read = readPolicyText(text)
    if (!('file' in read)) return isWrong(read)
    setRunning(true)
    try {
      const document = (read.file.document ?? {}) as PolicyDocument
      const present = await ask<PolicyView>('GET', '/api/policy')
      const plan = await ask<PolicyPlan>('POST', '/api/policy/plan', { document })
      setLooked({ document, present, plan })
    } catch (refused) {
      const found =
        refused instanceof Refused && refused.code === 'invalid'
          ? faultInFile(read.file, refused.message)
          : undefined
      if (found === undefined) setError(refused)
      else
        isWrong(
          refused instanceof Refused && refused.next !== undefined ? { ...found, next: refused.next } : found,
        )
    } finally {
      setRunning(false)
    }
  }
  const asks = policy.document.applyBy === 'two'
  return (
    <div className="blocks">
      <Form ref={form} onSubmit={look} noValidate>
        <div className="row">
          <input
            ref={file}
            type="file"
            hidden
            aria-label="Policy file"
            accept=".yaml,.yml,.txt,text/plain,application/yaml"
            onChange={(event) => {
              const chosen = event.currentTarget.files?.[0]
              // The same file can be chosen again once it is mended.
              event.currentTarget.value = ''
              if (chosen !== undefined) void choose(chosen)
            }}
          />
          <Button variant="secondary" onClick={() => file.current?.click()}>
            Choose a file
          </Button>
          <Button variant="link" onClick={() => saveFile('policy.yaml', text)}>
            Save it as a file
          </Button>
          <Button variant="link" onClick={() => change(policyText(policy.document))}>
            Back to what is in force
          </Button>
        </div>
        <LongField
          label="Policy"
          name="policy"
          value={text}
          onChange={change}
          rows={18}
          mono
          hint="YAML. Edit it here, or paste another. tagout policy --help explains every part."
          fault={fault === null ? undefined : faultText(fault)}
        />
        <div className="row">
          <Button
            type="submit"
            variant={looked === null ? 'primary' : 'secondary'}
            isLoading={running}
            isDisabled={running}
          >
            See what it changes
          </Button>
          <Link href="/policy">Back to the policy</Link>
        </div>
      </Form>
      <Problem error={error} />
      {looked === null ? null : (
        <section ref={seen} tabIndex={-1} className="look" aria-label="What it changes">
          <PlanText plan={looked.plan} present={looked.present.document} wanted={looked.document} />
          {looked.plan.changes.length === 0 ? (
            <Content component="p">This policy is in force already.</Content>
          ) : (
            <div>
              <Button onClick={() => setConfirming(true)}>{asks ? 'Ask for it' : 'Put it in force'}</Button>
            </div>
          )}
        </section>
      )}
      {looked !== null && confirming ? (
        <Confirm
          looked={looked}
          asks={asks}
          onClose={() => setConfirming(false)}
          onDone={() => go('/policy')}
        />
      ) : null}
    </div>
  )
}

function Confirm(props: {
  readonly looked: Looked
  readonly asks: boolean
  readonly onClose: () => void
  readonly onDone: () => void
}) {
  const { plan, document } = props.looked
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={props.asks ? 'Ask for this policy?' : 'Put this policy in force?'}
      action={props.asks ? 'Ask for it' : 'Put it in force'}
      ready={isCode(code)}
      onClose={props.onClose}
      act={async () => {
        if (props.asks) {
          const body = await proven(code, 'policy.ask', {}, { document, expected: plan.from ?? '' })
          await change(() => ask('POST', '/api/policy/requests', body))
        } else {
          const body = await proven(code, 'policy.apply', {}, { document, expected: plan.from })
          await change(() => ask('PUT', '/api/policy', body))
        }
        props.onDone()
      }}
    >
      <Content component="p">
        {props.asks
          ? 'Another administrator is told, looks at what it changes and puts exactly that in force, within three days. Nothing changes before.'
          : consequence(plan)}
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

/** What happens at once when it is put in force. */
function consequence({ sessions, requests }: PolicyPlan): string {
  const ends = sessions.filter(({ change }) => change === 'ends').length
  const others = sessions.length - ends
  const parts = [
    ...(ends === 0
      ? []
      : [`${ends === 1 ? 'one session ends' : `${ends} sessions end`} within three seconds`]),
    ...(others === 0
      ? []
      : [`${others === 1 ? 'one ends sooner or waits' : `${others} end sooner or wait`}`]),
    ...(requests.length === 0
      ? []
      : [
          `of ${requests.length === 1 ? 'one open request' : `${requests.length} open requests`} more is wanted`,
        ]),
  ]
  return parts.length === 0
    ? 'No session ends, and no request waits for more.'
    : `${sentence(parts.join(', '))}`
}

function faultText({ line, fault, next }: PolicyFault): string {
  return `${line === undefined ? '' : `Line ${line}: `}${line === undefined ? sentence(fault) : `${fault}.`} ${sentence(next)}`
}

/** Puts the cursor where the fault is: the line is selected. */
function select(form: HTMLFormElement | null, text: string, line: number | undefined): void {
  const field = form?.querySelector('textarea')
  if (field === null || field === undefined) return
  field.focus()
  if (line === undefined) return
  const lines = text.split('\n')
  const from = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0)
  field.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0))
  // Browsers do not scroll to what a script selects.
  field.scrollTop = Math.max(0, (field.scrollHeight / lines.length) * (line - 4))
}

async function textOf(file: File): Promise<string | PolicyFault> {
  if (file.size > mostPolicyText)
    return { fault: 'this is larger than a policy is', next: 'choose a file below 1 MB' }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())
  } catch {
    return { fault: 'this file is not text in UTF-8', next: 'choose the YAML file of a policy' }
  }
}
