import { Button, Checkbox, Content, FormGroup } from '@patternfly/react-core'
import { useState } from 'react'
import type { Action, GrantView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at } from '../api.ts'
import { useImport } from '../import/use-import.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { GrantBadge } from '../parts/state.tsx'
import { Moment } from '../parts/when.tsx'
import { span, visible } from '../parts/wording.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useAccounts, useGrants, useUsers } from './lists.ts'

const meanings: Readonly<Record<Action, string>> = {
  shell: 'Work in a terminal',
  exec: 'Run single commands. Implies moving files, both ways: a command can do that.',
  'sftp-read': 'Fetch files',
  'sftp-write': 'Put files',
  elevate: 'Have the secret for sudo, su or enable typed, where the account has one. Goes with shell.',
  forward: 'Reach other machines through the target with ssh -L, and only these',
}

const spans = [3600, 4 * 3600, 8 * 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600]

/** Who may use which account, for what, and how long. */
export function Grants() {
  const grants = useGrants()
  const user = useUser()
  const [adding, setAdding] = useState(false)
  const [revoking, setRevoking] = useState<GrantView | null>(null)
  const importing = useImport('grants')
  const add = (
    <div className="row">
      <Button onClick={() => setAdding(true)}>Add a grant</Button>
      {importing.button}
    </div>
  )
  const grantsOthers = hasRole(user, 'admin', 'approver')
  return (
    <Page
      title="Grants"
      about="A grant lets one user use one account for a time. Revoking it ends its sessions within three seconds."
      actions={grantsOthers ? add : null}
    >
      <Listing
        name="Grants"
        query={grants}
        keyOf={({ id }) => id}
        text={(row) => [row.user, row.account, row.state, row.grantedBy, row.reason].join(' ')}
        columns={[
          { title: 'State', fit: 'whole', cell: (row) => <GrantBadge state={row.state} /> },
          { title: 'User', cell: (row) => <Name of={row.user} /> },
          {
            title: 'Account',
            cell: (row) => (
              <span className="mono">
                <Name of={row.account} />
              </span>
            ),
          },
          { title: 'May', cell: (row) => <May grant={row} /> },
          {
            title: 'From and to',
            fit: 'whole',
            times: true,
            cell: (row) => (
              <>
                <div>
                  <Moment at={row.notBefore} /> to
                </div>
                <Moment at={row.notAfter} />
                <div className="quiet small">
                  sessions of {span(row.maxSessionSeconds)} at most{row.mode === 'exclusive' ? ', alone' : ''}
                </div>
              </>
            ),
          },
          {
            title: 'Granted by',
            cell: (row) => (
              <>
                {whoText(visible(row.grantedBy))}
                {row.reason === '' ? null : <div className="quiet small">{visible(row.reason)}</div>}
              </>
            ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (row) =>
              row.state === 'active' || row.state === 'future' ? (
                <Button
                  size="sm"
                  variant="danger"
                  onClick={() => setRevoking(row)}
                  aria-label={`Revoke ${row.account} of ${row.user}`}
                >
                  Revoke
                </Button>
              ) : null,
          },
        ]}
        empty={{
          title: 'No grants yet',
          body: (
            <>
              Let somebody in, here or with{' '}
              <code>tagout grant add bob press-3/engineer --for 4h --allow shell</code>.
            </>
          ),
          ...(grantsOthers ? { action: add } : {}),
        }}
      />
      {adding ? <AddGrant onClose={() => setAdding(false)} /> : null}
      {revoking === null ? null : <Revoke grant={revoking} onClose={() => setRevoking(null)} />}
      {importing.dialog}
    </Page>
  )
}

function May({ grant }: { readonly grant: GrantView }) {
  const others = grant.actions.filter((action) => action !== 'forward')
  return (
    <>
      {others.join(', ')}
      {grant.forwards.map(({ host, port, record }) => (
        <div key={`${host} ${port}`} className="small">
          forward to{' '}
          <span className="mono">
            <Name of={`${host}:${port}`} />
          </span>
          {record === 'stream' ? ', recorded whole' : ''}
        </div>
      ))}
    </>
  )
}

/** Destinations as they were typed; the vault says what is wrong with one. */
function destinations(text: string, record: string) {
  return text
    .trim()
    .split(/[\s,]+/)
    .map((place) => {
      const colon = place.lastIndexOf(':')
      return { host: place.slice(0, Math.max(colon, 0)), port: Number(place.slice(colon + 1)), record }
    })
}

function AddGrant({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const users = useUsers()
  const accounts = useAccounts()
  const [user, setUser] = useState('')
  const [account, setAccount] = useState('')
  const [forSeconds, setForSeconds] = useState(String(4 * 3600))
  const [actions, setActions] = useState<readonly Action[]>(['shell'])
  const [mode, setMode] = useState('shared')
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  const [places, setPlaces] = useState('')
  const [record, setRecord] = useState('counts')
  const isOwn = user === useUser().name
  return (
    <Dialog
      wide
      title="Add a grant"
      action="Grant"
      ready={
        user !== '' &&
        account !== '' &&
        actions.length > 0 &&
        (!actions.includes('forward') || places.trim() !== '') &&
        (!isOwn || isCode(code))
      }
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('POST', '/api/grants', {
            user,
            account,
            actions,
            ...(actions.includes('forward') ? { forwards: destinations(places, record) } : {}),
            forSeconds: Number(forSeconds),
            mode,
            ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
            ...(isOwn ? { totpCode: code } : {}),
          }),
        )
        onClose()
      }}
    >
      <Choice
        label="User"
        name="user"
        value={user}
        onChange={setUser}
        options={[
          { value: '', label: 'Choose a user' },
          ...(users.data ?? [])
            .filter(({ state, roles }) => state !== 'disabled' && !roles.includes('auditor'))
            .map(({ name }) => ({ value: name, label: name })),
        ]}
      />
      <Choice
        label="Account"
        name="account"
        value={account}
        onChange={setAccount}
        options={[
          { value: '', label: 'Choose an account' },
          ...(accounts.data ?? []).map(({ name }) => ({ value: name, label: name })),
        ]}
      />
      <Choice
        label="For"
        name="forSeconds"
        value={forSeconds}
        onChange={setForSeconds}
        options={spans.map((seconds) => ({ value: String(seconds), label: span(seconds) }))}
        hint="From now on"
      />
      <FormGroup label="May" role="group" fieldId="actions">
        {(Object.keys(meanings) as Action[]).map((action) => (
          <Checkbox
            key={action}
            id={`action-${action}`}
            label={action}
            description={meanings[action]}
            isChecked={actions.includes(action)}
            onChange={(_event, checked) =>
              setActions(checked ? [...actions, action] : actions.filter((other) => other !== action))
            }
          />
        ))}
      </FormGroup>
      {actions.includes('forward') ? (
        <>
          <Field
            label="Destinations"
            name="forwards"
            value={places}
            onChange={setPlaces}
            hint="As the target names them, host:port each, separated by blanks: plc-7:102 10.1.7.20:80"
          />
          <Choice
            label="Recorded of them"
            name="forwardRecord"
            value={record}
            onChange={setRecord}
            options={[
              { value: 'counts', label: 'Counts: when, how often and how many bytes' },
              { value: 'stream', label: 'Everything: the whole stream, to open as a packet capture' },
            ]}
          />
        </>
      ) : null}
      <Choice
        label="Together with others"
        value={mode}
        onChange={setMode}
        options={[
          { value: 'shared', label: 'Shared: others may be on the account at the same time' },
          { value: 'exclusive', label: 'Exclusive: one user at a time' },
        ]}
      />
      <Field
        label="Reason"
        name="reason"
        required={false}
        value={reason}
        onChange={setReason}
        hint="Work order, or what it is for"
      />
      {isOwn ? <FreshCode code={code} onChange={setCode} /> : null}
    </Dialog>
  )
}

function Revoke({ grant, onClose }: { readonly grant: GrantView; readonly onClose: () => void }) {
  const change = useChange()
  return (
    <Dialog
      title="Revoke this grant?"
      action="Revoke"
      danger
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/grants/${grant.id}/revoke`))
        onClose()
      }}
    >
      <Content component="p">
        {grant.user} can no longer use <span className="mono">{grant.account}</span>. Sessions under this
        grant are cut within three seconds; what runs on the machine may stop half way.
      </Content>
    </Dialog>
  )
}
