import { Button, Checkbox, Content, FormGroup, Label } from '@patternfly/react-core'
import { useState } from 'react'
import type { Enrolment, Role, UserView, VerbAnswer } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { useImport } from '../import/use-import.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { OneTimeLink } from '../parts/one-time-link.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { UserBadge } from '../parts/state.tsx'
import { When } from '../parts/when.tsx'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { SignInsDialog } from './sign-ins.tsx'
import { MailDialog } from './user-mail.tsx'
import { SamePersonDialog } from './user-same-person.tsx'
import { KeysDialog } from './keys.tsx'
import { AuditLink } from './audit-link.tsx'
import { useUsers } from './lists.ts'
import { TakeOff } from './offboarding.tsx'
import { ReachLink } from './reach-link.tsx'

const meanings: Readonly<Record<Role, string>> = {
  admin: 'Looks after users, safes, targets and accounts',
  approver: 'Lets people in, and cuts their sessions',
  supervisor: 'Watches, holds, ends and takes over live sessions, in safes where they may supervise',
  observer: 'Watches live sessions, in safes where they may observe, and does nothing else',
  operator: 'Works on machines with a grant',
  vendor: 'Works on exactly the machines of their grants',
  'security-officer':
    'Reads users, policy, vendors and the audit log, reviews break-glass and ends sessions, and does nothing else',
  auditor: 'Replays recordings and reads the audit log, and does nothing else',
}

/** Roles that go with no other. */
const alone: readonly Role[] = ['observer', 'security-officer', 'auditor']

type Doing =
  | { readonly kind: 'add' }
  | {
      readonly kind: 'roles' | 'keys' | 'mail' | 'same' | 'sign-ins' | 'disable' | 'enable' | 'enrol' | 'off'
      readonly user: UserView
    }
  | { readonly kind: 'link'; readonly name: string; readonly enrolment: Enrolment }

/** The people who sign in here. */
export function Users() {
  const users = useUsers()
  const me = useUser()
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  const importing = useImport('users')
  const isAdmin = hasRole(me, 'admin')
  const add = !isAdmin ? undefined : (
    <div className="row">
      <Button onClick={() => setDoing({ kind: 'add' })}>Add a user</Button>
      {importing.button}
    </div>
  )
  return (
    <Page title="Users" about="People who sign in to Tagout. Logins on machines are accounts." actions={add}>
      <Listing
        name="Users"
        query={users}
        keyOf={({ id }) => id}
        text={(row) => [row.name, ...row.roles, row.state, row.mail?.address ?? ''].join(' ')}
        columns={[
          {
            title: 'Name',
            cell: (row) => (
              <>
                <strong>
                  <Name of={row.name} />
                </strong>
                {row.company === undefined ? null : (
                  <div className="quiet small">
                    of <Name of={row.company} />
                  </div>
                )}
                {row.directory === undefined ? null : (
                  <div className="quiet small">
                    from <Name of={row.directory} />
                  </div>
                )}
                {row.mail === null ? null : (
                  <div className="quiet small">
                    <Name of={row.mail.address} />
                  </div>
                )}
                <div className="row close">
                  <AuditLink asked={{ person: row.name }} text="What they did" of={row.name} />
                  <ReachLink asked={{ noun: 'user', name: row.name }} text="What they reach" />
                  <Button
                    variant="link"
                    isInline
                    className="small"
                    onClick={() => setDoing({ kind: 'same', user: row })}
                    aria-label={`Who else they are: ${row.name}`}
                  >
                    Who else they are
                  </Button>
                </div>
              </>
            ),
          },
          {
            title: 'Roles',
            cell: (row) => (
              <div className="row close">
                {row.roles.map((role) => (
                  <Label key={role} isCompact variant="outline">
                    {role}
                  </Label>
                ))}
              </div>
            ),
          },
          { title: 'State', fit: 'whole', cell: (row) => <UserBadge state={row.state} /> },
          {
            title: 'Proofs',
            cell: (row) => {
              const proofs = [
                row.hasPassword
                  ? 'password'
                  : row.directory === undefined
                    ? ''
                    : `password of ${row.directory}`,
                row.hasTotp ? 'code' : '',
                row.passkeys > 0 ? `${row.passkeys} ${row.passkeys === 1 ? 'passkey' : 'passkeys'}` : '',
                row.recoveryCodes > 0
                  ? `${row.recoveryCodes} recovery ${row.recoveryCodes === 1 ? 'code' : 'codes'}`
                  : '',
                row.keys > 0 ? `${row.keys} SSH ${row.keys === 1 ? 'key' : 'keys'}` : '',
              ].filter((proof) => proof !== '')
              return proofs.length === 0 ? <span className="quiet">none yet</span> : proofs.join(', ')
            },
          },
          { title: 'Last sign-in', fit: 'whole', cell: (row) => <When at={row.lastLoginAt} /> },
          {
            title: 'Actions',
            actions: true,
            cell: (row) =>
              !isAdmin ? null : (
                <>
                  <Button
                    size="sm"
                    variant="secondary"
                    onClick={() => setDoing({ kind: 'keys', user: row })}
                    aria-label={`SSH keys of ${row.name}`}
                  >
                    Keys
                  </Button>
                  <Button
                    size="sm"
                    variant="secondary"
                    onClick={() => setDoing({ kind: 'mail', user: row })}
                    aria-label={`Mail address of ${row.name}`}
                  >
                    Mail
                  </Button>
                  {row.id === me.id ? null : (
                    <>
                      <Button
                        size="sm"
                        variant="secondary"
                        onClick={() => setDoing({ kind: 'sign-ins', user: row })}
                        aria-label={`Sign-ins of ${row.name}`}
                      >
                        Sign-ins
                      </Button>
                      <Button
                        size="sm"
                        variant="secondary"
                        onClick={() => setDoing({ kind: 'roles', user: row })}
                        aria-label={`Roles of ${row.name}`}
                      >
                        Roles
                      </Button>
                      <Button
                        size="sm"
                        variant="secondary"
                        onClick={() => setDoing({ kind: 'enrol', user: row })}
                        aria-label={`New link for ${row.name}`}
                      >
                        Link
                      </Button>
                      <Button
                        size="sm"
                        variant="link"
                        isDanger={row.state !== 'disabled'}
                        onClick={() =>
                          setDoing({ kind: row.state === 'disabled' ? 'enable' : 'disable', user: row })
                        }
                        aria-label={`${row.state === 'disabled' ? 'Enable' : 'Disable'} ${row.name}`}
                      >
                        {row.state === 'disabled' ? 'Enable' : 'Disable'}
                      </Button>
                    </>
                  )}
                </>
              ),
          },
        ]}
        empty={{
          title: 'No users yet',
          body: (
            <>
              Add somebody here, or with <code>tagout user add bob --role operator</code>.
            </>
          ),
          action: add,
        }}
      />
      {doing?.kind === 'add' ? (
        <AddUser onClose={close} onAdded={(name, enrolment) => setDoing({ kind: 'link', name, enrolment })} />
      ) : null}
      {doing?.kind === 'roles' ? <Roles user={doing.user} onClose={close} /> : null}
      {doing?.kind === 'keys' ? <KeysDialog user={doing.user.name} onClose={close} /> : null}
      {doing?.kind === 'sign-ins' ? <SignInsDialog user={doing.user} onClose={close} /> : null}
      {doing?.kind === 'mail' ? <MailDialog user={doing.user} onClose={close} /> : null}
      {doing?.kind === 'same' ? <SamePersonDialog user={doing.user} onClose={close} /> : null}
      {doing?.kind === 'disable' || doing?.kind === 'enable' ? (
        <Able
          user={doing.user}
          able={doing.kind === 'enable'}
          onOff={() => setDoing({ kind: 'off', user: doing.user })}
          onClose={close}
        />
      ) : null}
      {doing?.kind === 'off' ? (
        <TakeOff
          title={`Take ${doing.user.name} off?`}
          path={at`/api/users/${doing.user.id}/off`}
          onClose={close}
        >
          {`${doing.user.name} is signed out everywhere, and live sessions end within three seconds. Grants, requests, memberships of safes and SSH keys end, and each secret that they have seen is due to be rotated.`}
        </TakeOff>
      ) : null}
      {doing?.kind === 'enrol' ? (
        <NewLink
          user={doing.user}
          onClose={close}
          onMade={(enrolment) => setDoing({ kind: 'link', name: doing.user.name, enrolment })}
        />
      ) : null}
      {doing?.kind === 'link' ? (
        <OneTimeLink name={doing.name} enrolment={doing.enrolment} onClose={close} />
      ) : null}
      {importing.dialog}
    </Page>
  )
}

function RoleBoxes(props: {
  readonly roles: readonly Role[]
  readonly onChange: (roles: readonly Role[]) => void
}) {
  return (
    <FormGroup label="Roles" role="group" fieldId="roles">
      {(Object.keys(meanings) as Role[]).map((role) => (
        <Checkbox
          key={role}
          id={`role-${role}`}
          label={role}
          description={meanings[role]}
          isChecked={props.roles.includes(role)}
          // What cannot be held with what is ticked: the vault would say so too.
          isDisabled={
            !props.roles.includes(role) &&
            props.roles.length > 0 &&
            [role, ...props.roles].some((one) => alone.includes(one))
          }
          onChange={(_event, checked) =>
            props.onChange(checked ? [...props.roles, role] : props.roles.filter((other) => other !== role))
          }
        />
      ))}
    </FormGroup>
  )
}

function AddUser(props: {
  readonly onClose: () => void
  readonly onAdded: (name: string, enrolment: Enrolment) => void
}) {
  const change = useChange()
  const [name, setName] = useState('')
  const [roles, setRoles] = useState<readonly Role[]>(['operator'])
  const [code, setCode] = useState('')
  return (
    <Dialog
      title="Add a user"
      action="Add"
      ready={name !== '' && roles.length > 0 && isCode(code)}
      onClose={props.onClose}
      act={async () => {
        const body = await proven(code, 'user.add', {}, { name, roles })
        const added = await change(() => ask<VerbAnswer<'user.add'>>('POST', '/api/users', body))
        props.onAdded(added.user.name, added.enrolment)
      }}
    >
      <Field
        label="Name"
        name="name"
        value={name}
        onChange={setName}
        autoFocus
        hint="What they sign in with: bob"
      />
      <RoleBoxes roles={roles} onChange={setRoles} />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function Roles({ user, onClose }: { readonly user: UserView; readonly onClose: () => void }) {
  const change = useChange()
  const [roles, setRoles] = useState<readonly Role[]>(user.roles)
  const [code, setCode] = useState('')
  const isMore = roles.some((role) => !user.roles.includes(role))
  return (
    <Dialog
      title={`Roles of ${user.name}`}
      action="Set roles"
      ready={roles.length > 0 && (!isMore || isCode(code))}
      onClose={onClose}
      act={async () => {
        const wanted = { roles }
        const body = isMore ? await proven(code, 'user.roles', { user: user.id }, wanted) : wanted
        await change(() => ask('PUT', at`/api/users/${user.id}/roles`, body))
        onClose()
      }}
    >
      <RoleBoxes roles={roles} onChange={setRoles} />
      {isMore ? <FreshCode code={code} onChange={setCode} /> : null}
    </Dialog>
  )
}

function Able(props: {
  readonly user: UserView
  readonly able: boolean
  readonly onOff: () => void
  readonly onClose: () => void
}) {
  const change = useChange()
  const { user, able, onClose } = props
  return (
    <Dialog
      title={`${able ? 'Enable' : 'Disable'} ${user.name}?`}
      action={able ? 'Enable' : 'Disable'}
      danger={!able}
      aside={
        able ? null : (
          <Button variant="secondary" onClick={props.onOff}>
            Take off for good…
          </Button>
        )
      }
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/users/${user.id}/${able ? 'enable' : 'disable'}`))
        onClose()
      }}
    >
      <Content component="p">
        {able
          ? user.hasPassword
            ? `${user.name} can sign in and connect again, with the grants that still run.`
            : `${user.name} was taken off, or never signed in: afterwards make a new link, with which they set password and second factor.`
          : `${user.name} is signed out everywhere, and live sessions end within three seconds. Nothing is deleted.`}
      </Content>
    </Dialog>
  )
}

function NewLink(props: {
  readonly user: UserView
  readonly onClose: () => void
  readonly onMade: (enrolment: Enrolment) => void
}) {
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`A new link for ${props.user.name}?`}
      action="Make the link"
      ready={isCode(code)}
      onClose={props.onClose}
      act={async () => {
        const body = await proven(code, 'user.enrol', { user: props.user.id }, {})
        props.onMade(await change(() => ask<Enrolment>('POST', at`/api/users/${props.user.id}/enrol`, body)))
      }}
    >
      <Content component="p">
        When it is used, it replaces the password and the second factor. Sessions of {props.user.name} are
        marked for seven days, because somebody else made the link.
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
