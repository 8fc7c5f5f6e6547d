import { Button, Content, Label } from '@patternfly/react-core'
import { useState } from 'react'
import type { TaskView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Moment, When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { revealTask } from '../sealed/reveal.ts'
import { useChange, useUser } from '../shell/me.ts'
import { useSessions, useTasks } from './lists.ts'
import { type Shown, ShownSecret } from './reveal.tsx'

const states = {
  open: { text: 'open', colour: 'orange' },
  asked: { text: 'asks to see it', colour: 'orange' },
  approved: { text: 'may see it', colour: 'blue' },
  revealed: { text: 'sets it', colour: 'blue' },
  made: { text: 'says it is set', colour: 'blue' },
  done: { text: 'done', colour: 'green' },
  dropped: { text: 'given up', colour: 'grey' },
} as const

type Act = 'take' | 'approve' | 'reveal' | 'make' | 'sign' | 'release' | 'drop'

/** What people have to change by hand: who is next, and what they can do. */
export function Tasks({ mayAct }: { readonly mayAct: boolean }) {
  const tasks = useTasks()
  const user = useUser()
  const [doing, setDoing] = useState<{ readonly act: Act; readonly task: TaskView } | null>(null)
  const close = () => setDoing(null)
  if ((tasks.data ?? []).length === 0 && doing === null) return null
  return (
    <>
      <Content component="h2">Tasks for people</Content>
      <Listing<TaskView>
        name="Tasks"
        query={tasks}
        keyOf={({ id }) => id}
        text={(row) => `${row.account} ${row.place ?? ''} ${row.safe} ${row.state} ${row.changer ?? ''}`}
        empty={{ title: 'Nothing is open', body: 'What people have to change by hand is listed here.' }}
        columns={[
          {
            title: 'What',
            cell: (row) => (
              <>
                <span className="mono">
                  <Name of={row.account} />
                </span>
                <div className="quiet small">
                  {row.place === null ? visible(row.safe) : `its secret is kept in ${visible(row.place)} too`}
                </div>
              </>
            ),
          },
          {
            title: 'State',
            fit: 'text',
            cell: (row) => (
              <>
                <Label isCompact color={states[row.state].colour}>
                  {states[row.state].text}
                </Label>{' '}
                {row.changer === null ? null : visible(row.changer)}
                {row.next === null ? null : <div className="quiet small">{sentence(visible(row.next))}</div>}
                {row.note === '' ? null : <div className="small">{visible(row.note)}</div>}
              </>
            ),
          },
          {
            title: 'Due',
            fit: 'whole',
            times: true,
            cell: (row) => (
              <>
                {row.isOverdue ? (
                  <Label isCompact color="red">
                    overdue
                  </Label>
                ) : null}{' '}
                <Moment at={row.dueAt} />
                {row.pausedUntil === null ? null : (
                  <div className="quiet small">
                    quiet until <Moment at={row.pausedUntil} />
                  </div>
                )}
              </>
            ),
          },
          ...(mayAct
            ? [
                {
                  title: 'Actions',
                  actions: true as const,
                  cell: (row: TaskView) => (
                    <>
                      {actsOf(row, user.name).map(([act, text]) => (
                        <Button
                          key={act}
                          size="sm"
                          variant="secondary"
                          onClick={() => setDoing({ act, task: row })}
                          aria-label={`${text}: ${visible(row.place ?? row.account)}`}
                        >
                          {text}
                        </Button>
                      ))}
                    </>
                  ),
                },
              ]
            : []),
        ]}
      />
      <Content component="h2" className="gap-above">
        Accounts
      </Content>
      {doing === null ? null : <Doing {...doing} onClose={close} />}
    </>
  )
}

/** What is of use in a state; whether this person may, the vault says. */
function actsOf(task: TaskView, me: string): readonly (readonly [Act, string])[] {
  const drop = ['drop', 'Give up'] as const
  if (task.kind === 'place') return [['make', 'Done'], drop]
  const isMine = task.changer === me
  switch (task.state) {
    case 'open':
      return [['take', 'Take it'], drop]
    case 'asked':
      return isMine
        ? [['release', 'Let go'], drop]
        : [['approve', 'Let them see it'], ['release', 'Let go'], drop]
    case 'approved':
      return isMine ? [['reveal', 'Show it'], ['release', 'Let go'], drop] : [['release', 'Let go'], drop]
    case 'revealed':
      return isMine ? [['make', 'It is set'], ['release', 'Let go'], drop] : [drop]
    case 'made':
      return isMine || task.logsIn ? [drop] : [['sign', 'Sign'], drop]
    case 'done':
    case 'dropped':
      return []
  }
}

type Props = { readonly task: TaskView; readonly onClose: () => void }

function Doing({ act, ...props }: Props & { readonly act: Act }) {
  switch (act) {
    case 'take':
      return <Take {...props} />
    case 'approve':
      return <Approve {...props} />
    case 'reveal':
      return <Show {...props} />
    case 'make':
      return <Say {...props} />
    case 'sign':
      return <Say {...props} signs />
    case 'release':
      return <Release {...props} />
    case 'drop':
      return <Drop {...props} />
  }
}

function Take({ task, onClose }: Props) {
  const change = useChange()
  const user = useUser()
  const sessions = useSessions()
  const mine = (sessions.data ?? []).filter((one) => one.user === user.name && one.state === 'live')
  const [session, setSession] = useState('')
  return (
    <Dialog
      title={`Take the task of ${visible(task.account)}`}
      action="Take it"
      ready={session !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/rotation-tasks/${task.id}/take`, { session }))
        onClose()
      }}
    >
      <Content component="p">
        You set the new secret in a session that is recorded: on the machine, or where its tool runs. Somebody
        else lets you see it then.
      </Content>
      {mine.length === 0 ? (
        <Note variant="info" title="You have no session that runs now">
          <p>Connect first, under My access; then take the task.</p>
        </Note>
      ) : (
        <Choice
          label="Session"
          name="session"
          value={session}
          onChange={setSession}
          options={[
            { value: '', label: 'Choose a session' },
            ...mine.map((one) => ({ value: one.id, label: visible(`${one.account}, ${one.id}`) })),
          ]}
        />
      )}
    </Dialog>
  )
}

function Approve({ task, onClose }: Props) {
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Let ${visible(task.changer ?? '')} see the new secret of ${visible(task.account)}?`}
      action="Let them see it"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        await change(async () =>
          ask(
            'POST',
            at`/api/rotation-tasks/${task.id}/approve`,
            await proven(code, 'task.approve', { task: task.id }, {}),
          ),
        )
        onClose()
      }}
    >
      <Content component="p">
        They see it once, and set it in session <span className="mono">{visible(task.session ?? '')}</span>,
        which is recorded. You can look on, under Sessions.
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function Show({ task, onClose }: Props) {
  const change = useChange()
  const [code, setCode] = useState('')
  const [shown, setShown] = useState<Shown | null>(null)
  if (shown !== null) return <ShownSecret account={task.account} shown={shown} onClose={onClose} />
  return (
    <Dialog
      title={`Show the new secret of ${visible(task.account)}`}
      action="Show it"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => setShown(await change(() => revealTask(task.id, code)))}
    >
      <Content component="p">
        It is on the screen once, for half a minute: have the place ready where you set it. You are written
        into the exposure ledger.
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

/** Says that it is done, with evidence; as the second person it is signed. */
function Say({ task, onClose, signs }: Props & { readonly signs?: true }) {
  const change = useChange()
  const [note, setNote] = useState('')
  const [workOrder, setWorkOrder] = useState('')
  const [evidence, setEvidence] = useState('')
  const [code, setCode] = useState('')
  const what = task.place === null ? task.account : `${task.place} has the secret of ${task.account}`
  const body = {
    note: note.trim(),
    ...(workOrder.trim() === '' ? {} : { workOrder: workOrder.trim() }),
    ...(evidence.trim() === '' ? {} : { evidence: { name: evidence.trim() } }),
  }
  return (
    <Dialog
      title={signs === true ? `Sign that ${visible(what)} is changed` : `Done: ${visible(what)}`}
      action={signs === true ? 'Sign' : 'Say so'}
      ready={note.trim() !== '' && (signs !== true || isCode(code))}
      onClose={onClose}
      act={async () => {
        await change(async () =>
          signs === true
            ? ask(
                'POST',
                at`/api/rotation-tasks/${task.id}/sign`,
                await proven(code, 'task.sign', { task: task.id }, body),
              )
            : ask('POST', at`/api/rotation-tasks/${task.id}/make`, body),
        )
        onClose()
      }}
    >
      {signs === true ? (
        <Content component="p">
          {visible(task.madeBy ?? '')} said so <When at={task.madeAt} />: {visible(task.note)}. By your
          signature it becomes the secret that is used.
        </Content>
      ) : null}
      <LongField
        label={signs === true ? 'How you saw that it works' : 'What was done'}
        name="note"
        value={note}
        onChange={setNote}
        rows={2}
        hint="It is in the audit log"
      />
      <Field label="Work order" name="workOrder" value={workOrder} onChange={setWorkOrder} required={false} />
      <Field
        label="Evidence"
        name="evidence"
        value={evidence}
        onChange={setEvidence}
        required={false}
        hint="The name of a photo or a file that shows it"
      />
      {signs === true ? <FreshCode code={code} onChange={setCode} /> : null}
    </Dialog>
  )
}

function Release({ task, onClose }: Props) {
  const change = useChange()
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title={`Let go of the task of ${visible(task.account)}`}
      action="Let go"
      ready={reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/rotation-tasks/${task.id}/release`, { reason: reason.trim() }))
        onClose()
      }}
    >
      <Content component="p">Nothing is decided by it: somebody can take it again.</Content>
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
    </Dialog>
  )
}

function Drop({ task, onClose }: Props) {
  const change = useChange()
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Give up the task of ${visible(task.account)}`}
      action="Give it up"
      danger
      ready={reason.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = { reason: reason.trim() }
        await change(async () =>
          ask(
            'POST',
            at`/api/rotation-tasks/${task.id}/drop`,
            await proven(code, 'task.drop', { task: task.id }, body),
          ),
        )
        onClose()
      }}
    >
      <Content component="p">
        {task.place === null
          ? 'The present secret stays in use. Where the new one was seen, a login looks whether it was set, or somebody else says that it was not.'
          : 'Nobody is reminded of this place any more. It may still have the old secret.'}
      </Content>
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
