import { Button, Content, List, ListItem, Title } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'wouter'
import type { DestructionView, DueRecording, VerbAnswer } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Moment, When } from '../parts/when.tsx'
import { bytes, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useDestructions } from './lists.ts'

type Doing =
  | { readonly kind: 'ask'; readonly of: readonly DueRecording[] }
  | { readonly kind: 'approve' | 'withdraw'; readonly of: DestructionView }

/** Recordings past their time, and what two people have had destroyed. */
export function Destructions() {
  const due = useQuery({
    queryKey: ['due recordings'],
    queryFn: () => get<VerbAnswer<'destruction.due'>>('/api/destructions/due'),
    refetchInterval: 10_000,
    select: ({ recordings }) => recordings,
  })
  const asked = useDestructions()
  const user = useUser()
  const may = hasRole(user, 'admin', 'auditor')
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  return (
    <section className="gap-above">
      <Title headingLevel="h2" size="lg">
        Due
      </Title>
      <Listing<DueRecording>
        name="Due recordings"
        query={due}
        keyOf={({ id }) => id}
        text={(row) => `${row.user} ${row.account} ${row.safe} ${row.retentionClass}`}
        tools={(rows) =>
          may && rows.length > 0 ? (
            <Button variant="danger" onClick={() => setDoing({ kind: 'ask', of: rows })}>
              Have {count(rows.length, 'recording')} destroyed
            </Button>
          ) : null
        }
        columns={[
          {
            title: 'Recording',
            cell: (row) => (
              <>
                <Link href={`/recordings/${row.id}`}>
                  {visible(row.user)} on {visible(row.account)}
                </Link>
                <div className="quiet small">{visible(row.safe)}</div>
              </>
            ),
          },
          { title: 'Ended', fit: 'whole', times: true, cell: (row) => <Moment at={row.endedAt} /> },
          {
            title: 'Due since',
            fit: 'whole',
            cell: (row) => (
              <>
                <Moment at={row.dueAt} />
                <div className="quiet small">class {visible(row.retentionClass)}</div>
              </>
            ),
          },
          { title: 'Size', fit: 'whole', cell: (row) => bytes(row.sizeBytes) },
        ]}
        empty={{
          title: 'No recording is past its time',
          body: 'What is older than its class says, and under no legal hold, appears here. Nothing is destroyed by itself.',
        }}
      />
      <Title headingLevel="h2" size="lg" className="gap-above">
        Destruction
      </Title>
      <Listing<DestructionView>
        name="Destruction"
        query={asked}
        keyOf={({ id }) => id}
        text={(row) => `${row.askedBy} ${row.reason} ${row.state}`}
        columns={[
          {
            title: 'Recordings',
            cell: (row) => (
              <>
                {count(row.recordings.length, 'recording')}
                <div className="quiet small">
                  {row.state === 'open' ? 'wait for somebody else’s approval' : stateText(row)}
                </div>
              </>
            ),
          },
          {
            title: 'Asked by',
            fit: 'text',
            cell: (row) => (
              <>
                {visible(row.askedBy)}, <When at={row.askedAt} />
                <div className="quiet small">{visible(row.reason)}</div>
              </>
            ),
          },
          {
            title: 'Closed by',
            fit: 'text',
            cell: ({ closed }) =>
              closed === null ? null : (
                <>
                  {visible(closed.by)}, <When at={closed.at} />
                </>
              ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (of) =>
              may && of.state === 'open' ? (
                <>
                  {of.askedBy === user.name ? null : (
                    <Act text="Approve" of={of} onDo={() => setDoing({ kind: 'approve', of })} />
                  )}
                  <Act text="Withdraw" of={of} onDo={() => setDoing({ kind: 'withdraw', of })} />
                </>
              ) : null,
          },
        ]}
        empty={{
          title: 'Nobody has had a recording destroyed',
          body: 'It takes two people, one of them an auditor. What is destroyed leaves a signed tombstone.',
        }}
      />
      {doing?.kind === 'ask' ? <Ask of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'approve' ? <Approve of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'withdraw' ? <Withdraw of={doing.of} onClose={close} /> : null}
    </section>
  )
}

function stateText({ state, destroyed, recordings }: DestructionView): string {
  if (state === 'withdrawn') return 'withdrawn'
  return state === 'done' ? 'destroyed' : `${destroyed} of ${recordings.length} destroyed`
}

function Act(props: { readonly text: string; readonly of: DestructionView; readonly onDo: () => void }) {
  return (
    <Button
      size="sm"
      variant="secondary"
      onClick={props.onDo}
      aria-label={`${props.text}: ${count(props.of.recordings.length, 'recording')} asked for by ${visible(props.of.askedBy)}`}
    >
      {props.text}
    </Button>
  )
}

/** As many as one request takes. */
const most = 1_000

function Ask({ of, onClose }: { readonly of: readonly DueRecording[]; readonly onClose: () => void }) {
  const change = useChange()
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  const recordings = of.slice(0, most).map(({ id }) => id)
  return (
    <Dialog
      title={`Have ${count(recordings.length, 'recording')} destroyed`}
      action="Ask for it"
      danger
      ready={reason.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'destruction.ask', {}, { recordings, reason: reason.trim() })
        await change(() => ask('POST', '/api/destructions', body))
        onClose()
      }}
    >
      <Content component="p">
        Nothing happens before somebody else approves it; one of you two is an auditor, and neither is whom
        they show. The bytes and keys are gone then, here; a backup that has them, has them still.
      </Content>
      <Field
        label="Reason"
        name="reason"
        value={reason}
        onChange={setReason}
        hint="It is in the audit log and on their tombstones"
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

type Asked = { readonly of: DestructionView; readonly onClose: () => void }

function Approve({ of, onClose }: Asked) {
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Destroy ${count(of.recordings.length, 'recording')} for good`}
      action={of.recordings.length === 1 ? 'Destroy it' : 'Destroy them'}
      danger
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'destruction.approve', { destruction: of.id }, { digest: of.digest })
        await change(() => ask('POST', at`/api/destructions/${of.id}/approve`, body))
        onClose()
      }}
    >
      <Content component="p">
        {visible(of.askedBy)} asks for it: {visible(of.reason)}. Nobody takes it back from here on.
      </Content>
      <List>
        {of.recordings.slice(0, 20).map((id) => (
          <ListItem key={id}>
            <Link href={`/recordings/${id}`} className="mono small">
              {id}
            </Link>
          </ListItem>
        ))}
        {of.recordings.length > 20 ? <ListItem>and {of.recordings.length - 20} more</ListItem> : null}
      </List>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function Withdraw({ of, onClose }: Asked) {
  const change = useChange()
  return (
    <Dialog
      title="Withdraw it"
      action="Withdraw it"
      onClose={onClose}
      act={async () => {
        await change(() => ask('DELETE', at`/api/destructions/${of.id}`))
        onClose()
      }}
    >
      <Content component="p">{count(of.recordings.length, 'recording')} stay, and are due still.</Content>
    </Dialog>
  )
}
