import { Button, Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { GrantView } from '../../vault/contract.ts'
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
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { ActionChoices, allowedOf, atFirst, type Chosen, forSessions, isChosen, May } from './grant-parts.tsx'
import { useAccounts, useGrants, useUsers } from './lists.ts'
import { useLetsIn } from './may.ts'

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
  const letsIn = useLetsIn()
  const grantsOthers = hasRole(user, 'admin', 'approver') && letsIn()
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
          { title: 'May', cell: (row) => <May of={row} /> },
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
          body: grantsOthers ? (
            <>
              Let somebody in, here or with{' '}
              <code>tagout grant add bob press-3/engineer --for 4h --allow shell</code>.
            </>
          ) : (
            'Whoever lets you in is shown here. Ask for it under My access.'
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

function AddGrant({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const users = useUsers()
  const accounts = useAccounts()
  const [user, setUser] = useState('')
  const [account, setAccount] = useState('')
  const [forSeconds, setForSeconds] = useState(String(4 * 3600))
  const of = accounts.data?.find(({ name }) => name === account)
  const [picked, setChosen] = useState<Chosen>()
  const chosen = picked ?? atFirst(of)
  const [mode, setMode] = useState('shared')
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  const isOwn = user === useUser().name
  return (
    <Dialog
      wide
      title="Add a grant"
      action="Grant"
      ready={user !== '' && account !== '' && isChosen(chosen) && (!isOwn || isCode(code))}
      onClose={onClose}
      act={async () => {
        const wanted = {
          user,
          account,
          ...allowedOf(chosen),
          forSeconds: Number(forSeconds),
          mode: mode === 'exclusive' ? ('exclusive' as const) : ('shared' as const),
          ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
        }
        const body = isOwn ? await proven(code, 'grant.add', {}, wanted) : wanted
        await change(() => ask('POST', '/api/grants', body))
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
        onChange={(name) => {
          setAccount(name)
          setChosen(undefined)
        }}
        options={[
          { value: '', label: 'Choose an account' },
          ...forSessions(accounts.data).map(({ name }) => ({ value: name, label: name })),
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
      <ActionChoices label="May" account={of} chosen={chosen} onChange={setChosen} />
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
