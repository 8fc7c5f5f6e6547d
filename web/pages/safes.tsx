import { Button, Checkbox, Content, FormGroup, Label, LabelGroup } from '@patternfly/react-core'
import { useState } from 'react'
import type { InputPolicy, Permission, SafeView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { When } from '../parts/when.tsx'
import { proven } from '../sealed/passkeys.ts'
import { span } from '../parts/wording.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useSafes, useUsers } from './lists.ts'
import { SafeCloseOut } from './safe-close-out.tsx'
import { SafeGlass } from './safe-glass.tsx'
import { SafeMail } from './safe-mail.tsx'

const inputPolicies: readonly { readonly value: InputPolicy; readonly label: string }[] = [
  { value: 'echoed', label: 'Echoed: what the machine shows; hidden typing by length alone' },
  { value: 'full', label: 'Full: every key, passwords typed by hand too' },
  { value: 'timing_only', label: 'Timing only: that something was typed, never what' },
]

const meanings: Readonly<Record<Permission, string>> = {
  use: 'Ask for accounts, and connect with a grant',
  reveal: 'See secrets in clear (each time with a code and a reason)',
  approve: 'Grant access to others, and answer their requests',
  supervise: 'Watch, freeze, write to, end and take over live sessions (supervisors only)',
  observe: 'Watch live sessions, and nothing else',
  manage: 'Change targets, accounts and secrets',
  replay: 'Replay recordings (auditors only)',
  'break-glass': 'Let themselves in at once in an emergency: people are alarmed, and it is reviewed',
}

/** What a person gives with a fresh code. */
const grave: readonly Permission[] = ['reveal', 'approve', 'supervise', 'observe', 'manage', 'break-glass']

/** Safes hold accounts, and say who may do what with them. */
export function Safes() {
  const safes = useSafes()
  const admin = hasRole(useUser(), 'admin')
  const [adding, setAdding] = useState(false)
  const [member, setMember] = useState<SafeView | null>(null)
  const [notice, setNotice] = useState<SafeView | null>(null)
  const [approvals, setApprovals] = useState<SafeView | null>(null)
  const [telling, setTelling] = useState<SafeView | null>(null)
  const [glass, setGlass] = useState<SafeView | null>(null)
  const [seen, setSeen] = useState<SafeView | null>(null)
  const [asking, setAsking] = useState<SafeView | null>(null)
  const add = (
    <Button onClick={() => setAdding(true)} isDisabled={!admin}>
      Add a safe
    </Button>
  )
  return (
    <Page
      title="Safes"
      about="A safe holds the accounts of a line or an area. Its members have permissions; its recordings follow its policy."
      actions={admin ? add : null}
    >
      <Listing
        name="Safes"
        query={safes}
        keyOf={({ id }) => id}
        text={({ name, members }) => [name, ...members.map(({ user }) => user)].join(' ')}
        columns={[
          {
            title: 'Name',
            cell: (row) => (
              <strong>
                <Name of={row.name} />
              </strong>
            ),
          },
          {
            title: 'Rules',
            fit: 'whole',
            cell: (row) => (
              <>
                <div>typed input: {row.inputPolicy.replace('_', ' ')}</div>
                <div>
                  who is watched: <span>{row.watchNotice ? 'told' : 'not told'}</span>
                </div>
                <div>
                  approvals:{' '}
                  {admin ? (
                    <Button
                      variant="link"
                      isInline
                      onClick={() => setApprovals(row)}
                      aria-label={`Approvals in ${row.name}: ${row.approvals}`}
                    >
                      {row.approvals}
                    </Button>
                  ) : (
                    row.approvals
                  )}
                </div>
                <div>
                  break-glass:{' '}
                  {admin ? (
                    <Button
                      variant="link"
                      isInline
                      onClick={() => setGlass(row)}
                      aria-label={`Break-glass in ${row.name}: ${glassText(row)}`}
                    >
                      {glassText(row)}
                    </Button>
                  ) : (
                    glassText(row)
                  )}
                </div>
                <div>
                  seen secrets:{' '}
                  {admin ? (
                    <Button
                      variant="link"
                      isInline
                      onClick={() => setSeen(row)}
                      aria-label={`Seen secrets of ${row.name}: rotated within ${row.exposureDays} days`}
                    >
                      {row.exposureDays} days
                    </Button>
                  ) : (
                    `${row.exposureDays} days`
                  )}
                </div>
                <div>
                  close-out:{' '}
                  {admin ? (
                    <Button
                      variant="link"
                      isInline
                      onClick={() => setAsking(row)}
                      aria-label={`Close-out in ${row.name}: ${row.closeOut}`}
                    >
                      {row.closeOut}
                    </Button>
                  ) : (
                    row.closeOut
                  )}
                </div>
              </>
            ),
          },
          { title: 'Targets', fit: 'whole', cell: (row) => row.targets },
          { title: 'Accounts', fit: 'whole', cell: (row) => row.accounts },
          {
            title: 'Members',
            fit: 'text',
            cell: (row) =>
              row.members.length === 0 ? (
                <span className="quiet">none</span>
              ) : (
                <LabelGroup numLabels={4} aria-label={`Members of ${row.name}`}>
                  {row.members.map(({ user, permissions }) => (
                    <Label key={user} isCompact>
                      {user}: {permissions.join(', ')}
                    </Label>
                  ))}
                </LabelGroup>
              ),
          },
          { title: 'Made', fit: 'whole', cell: (row) => <When at={row.createdAt} /> },
          {
            title: 'Actions',
            actions: true,
            cell: (row) =>
              admin ? (
                <>
                  <Button
                    variant="secondary"
                    size="sm"
                    onClick={() => setMember(row)}
                    aria-label={`Members of ${row.name}`}
                  >
                    Members
                  </Button>
                  <Button
                    variant="secondary"
                    size="sm"
                    onClick={() => setNotice(row)}
                    aria-label={`Watching in ${row.name}`}
                  >
                    Watching
                  </Button>
                  <Button
                    variant="secondary"
                    size="sm"
                    onClick={() => setTelling(row)}
                    aria-label={`Mail about ${row.name}`}
                  >
                    Mail
                  </Button>
                </>
              ) : null,
          },
        ]}
        empty={{
          title: 'No safes yet',
          body: (
            <>
              Make one for each line or area: <code>tagout safe add line-3</code>, or here.
            </>
          ),
          ...(admin ? { action: add } : {}),
        }}
      />
      {adding ? <AddSafe onClose={() => setAdding(false)} /> : null}
      {member === null ? null : <Members safe={member} onClose={() => setMember(null)} />}
      {notice === null ? null : <WatchNotice safe={notice} onClose={() => setNotice(null)} />}
      {glass === null ? null : <SafeGlass safe={glass} onClose={() => setGlass(null)} />}
      {seen === null ? null : <SeenSecrets safe={seen} onClose={() => setSeen(null)} />}
      {asking === null ? null : <SafeCloseOut safe={asking} onClose={() => setAsking(null)} />}
      {telling === null ? null : <SafeMail safe={telling} onClose={() => setTelling(null)} />}
      {approvals === null ? null : <Approvals safe={approvals} onClose={() => setApprovals(null)} />}
    </Page>
  )
}

function glassText({ breakGlass }: SafeView): string {
  return breakGlass === null ? 'none' : span(breakGlass.minutes * 60)
}

function AddSafe({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const [name, setName] = useState('')
  const [inputPolicy, setInputPolicy] = useState('echoed')
  return (
    <Dialog
      title="Add a safe"
      action="Add"
      ready={name !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', '/api/safes', { name, inputPolicy }))
        onClose()
      }}
    >
      <Field
        label="Name"
        name="name"
        value={name}
        onChange={setName}
        autoFocus
        hint="Such as line-3. Names are for good."
      />
      <Choice
        label="What is recorded of typed input"
        value={inputPolicy}
        onChange={setInputPolicy}
        options={inputPolicies}
        hint="Output is always recorded whole."
      />
    </Dialog>
  )
}

function Members({ safe, onClose }: { readonly safe: SafeView; readonly onClose: () => void }) {
  const change = useChange()
  const users = useUsers()
  const [user, setUser] = useState('')
  const [permissions, setPermissions] = useState<readonly Permission[]>([])
  const [code, setCode] = useState('')
  const held = (name: string) => safe.members.find((member) => member.user === name)?.permissions ?? []
  const isMore = permissions.some((one) => grave.includes(one) && !held(user).includes(one))
  const choose = (name: string) => {
    setUser(name)
    setPermissions(held(name))
  }
  return (
    <Dialog
      title={`Members of ${safe.name}`}
      action={permissions.length === 0 ? 'Take permissions away' : 'Set permissions'}
      ready={user !== '' && (!isMore || isCode(code))}
      onClose={onClose}
      act={async () => {
        const wanted = { permissions }
        const given = isMore
          ? await proven(code, 'safe.member.set', { safe: safe.name, user }, wanted)
          : wanted
        await change(() => ask('PUT', at`/api/safes/${safe.name}/members/${user}`, given))
        onClose()
      }}
    >
      <Choice
        label="User"
        name="user"
        value={user}
        onChange={choose}
        options={[
          { value: '', label: 'Choose a user' },
          ...(users.data ?? []).map(({ name }) => ({ value: name, label: name })),
        ]}
      />
      <FormGroup label="Permissions" role="group" fieldId="permissions">
        {(Object.keys(meanings) as Permission[]).map((permission) => (
          <Checkbox
            key={permission}
            id={`permission-${permission}`}
            label={permission}
            description={meanings[permission]}
            isChecked={permissions.includes(permission)}
            onChange={(_event, checked) =>
              setPermissions(
                checked ? [...permissions, permission] : permissions.filter((other) => other !== permission),
              )
            }
          />
        ))}
      </FormGroup>
      {isMore ? <FreshCode code={code} onChange={setCode} /> : null}
      <Content component="small">A user without any permission is no member.</Content>
    </Dialog>
  )
}

function WatchNotice({ safe, onClose }: { readonly safe: SafeView; readonly onClose: () => void }) {
  const change = useChange()
  const [shown, setShown] = useState(safe.watchNotice ? 'yes' : 'no')
  return (
    <Dialog
      title={`Watching in ${safe.name}`}
      action="Set"
      onClose={onClose}
      act={async () => {
        await change(() => ask('PUT', at`/api/safes/${safe.name}/watch-notice`, { shown: shown === 'yes' }))
        onClose()
      }}
    >
      <Choice
        label="When somebody watches a session of this safe, its user"
        name="shown"
        value={shown}
        onChange={setShown}
        options={[
          { value: 'yes', label: 'reads in their terminal who watches' },
          { value: 'no', label: 'is not told' },
        ]}
        hint="Who watched is in the audit log and in the recording either way. It holds for watches that begin from now on."
      />
    </Dialog>
  )
}

function Approvals({ safe, onClose }: { readonly safe: SafeView; readonly onClose: () => void }) {
  const change = useChange()
  const [needed, setNeeded] = useState(String(safe.approvals))
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Approvals in ${safe.name}`}
      action="Set"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'safe.approvals', { safe: safe.name }, { approvals: Number(needed) })
        await change(() => ask('PUT', at`/api/safes/${safe.name}/approvals`, body))
        onClose()
      }}
    >
      <Choice
        label="A request for one of its accounts is approved by"
        name="approvals"
        value={needed}
        onChange={setNeeded}
        options={[1, 2, 3, 4, 5].map((number) => ({
          value: String(number),
          label: number === 1 ? 'one person' : `${number} different people`,
        }))}
        hint="Never by who asks. It holds for requests that wait now, too."
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function SeenSecrets({ safe, onClose }: { readonly safe: SafeView; readonly onClose: () => void }) {
  const change = useChange()
  const [days, setDays] = useState(String(safe.exposureDays))
  const [reason, setReason] = useState('')
  const isNumber = /^[1-9]\d{0,2}$/.test(days)
  const isLater = isNumber && Number(days) > safe.exposureDays
  return (
    <Dialog
      title={`Seen secrets of ${safe.name}`}
      action="Set"
      ready={isNumber && Number(days) !== safe.exposureDays && (!isLater || reason.trim() !== '')}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('PUT', at`/api/safes/${safe.name}/exposure`, {
            days: Number(days),
            ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
          }),
        )
        onClose()
      }}
    >
      <Field
        label="Days within which a secret that somebody has seen is rotated"
        name="days"
        inputMode="numeric"
        value={days}
        onChange={setDays}
        autoFocus
        hint="1 to 366. It holds for secrets that were seen before, too, but not where a date of its own was set."
      />
      <Field
        label="Reason"
        name="reason"
        value={reason}
        onChange={setReason}
        required={isLater}
        hint={isLater ? 'Needed: it is later than before.' : undefined}
      />
    </Dialog>
  )
}
