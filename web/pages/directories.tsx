import { Button, Checkbox, Content, FormGroup, Label } from '@patternfly/react-core'
import { useState } from 'react'
import type {
  DirectoryDetail,
  DirectoryMapping,
  DirectoryTest,
  DirectoryView,
  SyncAnswer,
  SyncChange,
} from '../../vault/contract.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange, useUser } from '../shell/me.ts'
import { DirectoryForm } from './directory-form.tsx'
import { useDirectories } from './lists.ts'

type Doing =
  | { readonly kind: 'add' }
  | { readonly kind: 'change' | 'groups' | 'sync' | 'remove' | 'people'; readonly directory: DirectoryView }

/** What a group of a directory may give. */
const mappedRoles: DirectoryMapping['roles'] = ['operator', 'approver', 'supervisor']

const addressOf = ({ settings }: DirectoryView) => (settings.kind === 'ldap' ? settings.url : settings.issuer)

/** Where people come from who are not this installation's alone. */
export function Directories() {
  const directories = useDirectories()
  const isAdmin = useUser().roles.includes('admin')
  const [doing, setDoing] = useState<Doing | null>(null)
  const [tested, setTested] = useState<Tested | null>(null)
  const close = () => setDoing(null)
  const add = isAdmin ? <Button onClick={() => setDoing({ kind: 'add' })}>Add a directory</Button> : undefined
  return (
    <Page
      title="Directories"
      about="Active Directory, LDAP and providers of OpenID Connect: people sign in there, and by a second factor that is ours. With a directory away, local users sign in as ever."
      actions={add}
    >
      <div aria-live="polite">{tested === null ? null : <TestResult tested={tested} />}</div>
      <Listing<DirectoryView>
        name="Directories"
        query={directories}
        keyOf={({ id }) => id}
        text={(row) => [row.name, addressOf(row), row.fault ?? ''].join(' ')}
        columns={[
          {
            title: 'Directory',
            cell: (row) => (
              <>
                <strong>
                  <Name of={row.name} />
                </strong>
                <div className="quiet small mono">{visible(addressOf(row))}</div>
              </>
            ),
          },
          { title: 'State', cell: (row) => <State of={row} /> },
          {
            title: 'Groups',
            fit: 'whole',
            cell: ({ mappings }) =>
              mappings.length === 0 ? <span className="quiet">none yet</span> : mappings.length,
          },
          { title: 'Users', fit: 'whole', cell: ({ people }) => people },
          {
            title: 'Actions',
            actions: true,
            cell: (row) => (
              <>
                <Act text="Users" of={row} onDo={() => setDoing({ kind: 'people', directory: row })} />
                {isAdmin ? (
                  <>
                    <Act text="Groups" of={row} onDo={() => setDoing({ kind: 'groups', directory: row })} />
                    {row.settings.kind === 'ldap' ? (
                      <Act
                        text="Synchronise"
                        of={row}
                        onDo={() => setDoing({ kind: 'sync', directory: row })}
                      />
                    ) : null}
                    <TestButton of={row} onTested={setTested} />
                    <Act text="Change" of={row} onDo={() => setDoing({ kind: 'change', directory: row })} />
                    <Act text="Remove" of={row} onDo={() => setDoing({ kind: 'remove', directory: row })} />
                  </>
                ) : null}
              </>
            ),
          },
        ]}
        empty={{
          title: 'No directory yet',
          body: (
            <>
              All users are local. Add a directory or a provider of OpenID Connect here, or with{' '}
              <code>tagout directory add corp</code> (<code>add-oidc</code>), and say what its groups give.
            </>
          ),
          ...(add === undefined ? {} : { action: add }),
        }}
      />
      {doing?.kind === 'add' ? <DirectoryForm directory={null} onClose={close} /> : null}
      {doing?.kind === 'change' ? <DirectoryForm directory={doing.directory} onClose={close} /> : null}
      {doing?.kind === 'groups' ? <Groups name={doing.directory.name} onClose={close} /> : null}
      {doing?.kind === 'sync' ? <Synchronise directory={doing.directory} onClose={close} /> : null}
      {doing?.kind === 'people' ? <People directory={doing.directory} onClose={close} /> : null}
      {doing?.kind === 'remove' ? <RemoveDirectory directory={doing.directory} onClose={close} /> : null}
    </Page>
  )
}

function Act(props: { readonly text: string; readonly of: DirectoryView; readonly onDo: () => void }) {
  return (
    <Button
      size="sm"
      variant="secondary"
      onClick={props.onDo}
      aria-label={`${props.text} of ${props.of.name}`}
    >
      {props.text}
    </Button>
  )
}

function State({ of: { fault, lastSyncAt, syncMinutes, settings } }: { readonly of: DirectoryView }) {
  if (settings.kind === 'oidc') return <span className="quiet">asked at each sign-in</span>
  return (
    <>
      {fault !== null ? (
        <Label isCompact color="red">
          not read
        </Label>
      ) : lastSyncAt === null ? (
        <Label isCompact color="grey">
          not read yet
        </Label>
      ) : (
        <Label isCompact color="green">
          read
        </Label>
      )}
      <div className="quiet small">
        {fault === null ? null : <>{visible(fault)}; last read </>}
        {lastSyncAt === null ? fault === null ? null : 'never' : <When at={lastSyncAt} />}
        {syncMinutes === 0 ? ', by hand' : `, every ${syncMinutes} min`}
      </div>
    </>
  )
}

type Tested = { readonly name: string; readonly said: DirectoryTest | null; readonly error: unknown }

/** Speaks with it. */
function TestButton(props: {
  readonly of: DirectoryView
  readonly onTested: (tested: Tested | null) => void
}) {
  const { of, onTested } = props
  const [running, setRunning] = useState(false)
  const test = async () => {
    setRunning(true)
    onTested(null)
    await ask<DirectoryTest>('POST', at`/api/directories/${of.id}/test`).then(
      (said) => onTested({ name: of.name, said, error: null }),
      (error: unknown) => onTested({ name: of.name, said: null, error }),
    )
    setRunning(false)
  }
  return (
    <Button
      size="sm"
      variant="secondary"
      isLoading={running}
      isDisabled={running}
      onClick={() => void test()}
      aria-label={`Test ${of.name}`}
    >
      Test
    </Button>
  )
}

/** How a test went. */
function TestResult({ tested }: { readonly tested: Tested }) {
  if (tested.said === null) return <Problem error={tested.error} />
  const { milliseconds, people, groups, findings } = tested.said
  const isFine = findings.every(({ fine }) => fine)
  return (
    <Note
      isInline
      className="gap-below"
      variant={isFine ? 'success' : 'warning'}
      title={`${visible(tested.name)} answers, in ${milliseconds} ms${isFine ? '' : '; look at what is marked'}`}
    >
      {people === null ? null : (
        <p>
          It has {people} people, {groups.reduce((sum, { members }) => sum + members, 0)} in mapped groups.
        </p>
      )}
      <ul className="plain">
        {findings.map(({ about, fine, says }) => (
          <li key={about} className="row close">
            <Label isCompact color={fine ? 'green' : 'orange'}>
              {about}
            </Label>
            <span>{sentence(visible(says))}</span>
          </li>
        ))}
      </ul>
    </Note>
  )
}

/** What its groups give. */
function Groups({ name, onClose }: { readonly name: string; readonly onClose: () => void }) {
  const directories = useDirectories()
  const change = useChange()
  const directory = directories.data?.find((one) => one.name === name)
  const [group, setGroup] = useState('')
  const [roles, setRoles] = useState<DirectoryMapping['roles']>(['operator'])
  const [policyGroup, setPolicyGroup] = useState('')
  const [code, setCode] = useState('')
  if (directory === undefined) return null
  return (
    <Dialog
      title={`Groups of ${name}`}
      action={roles.length === 0 ? 'Take the group away' : 'Set what it gives'}
      closing="Close"
      wide
      ready={group !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const wanted = { group, roles: [...roles], policyGroup: policyGroup === '' ? null : policyGroup }
        const body = await proven(code, 'directory.map', { directory: directory.id }, wanted)
        await change(() => ask('PUT', at`/api/directories/${directory.id}/groups`, body))
        setGroup('')
        setPolicyGroup('')
        setCode('')
      }}
    >
      {directory.mappings.length === 0 ? (
        <Content component="p">None gives anything yet: nobody of {name} is a user.</Content>
      ) : (
        <ul className="plain">
          {directory.mappings.map((mapping) => (
            <li key={mapping.group} className="row close">
              <span className="mono">{visible(mapping.group)}</span>
              {mapping.roles.map((role) => (
                <Label key={role} isCompact variant="outline">
                  {role}
                </Label>
              ))}
              {mapping.policyGroup === null ? null : (
                <Label isCompact>group {visible(mapping.policyGroup)}</Label>
              )}
              <Button
                variant="link"
                size="sm"
                aria-label={`Change ${mapping.group}`}
                onClick={() => {
                  setGroup(mapping.group)
                  setRoles(mapping.roles)
                  setPolicyGroup(mapping.policyGroup ?? '')
                }}
              >
                Change
              </Button>
            </li>
          ))}
        </ul>
      )}
      <Field
        label="Group"
        name="group"
        value={group}
        onChange={setGroup}
        mono
        hint="As the directory names it: CN=OT Operators,OU=Groups,DC=plant,DC=example"
      />
      <FormGroup label="Its members are" role="group" fieldId="mapped-roles">
        {mappedRoles.map((role) => (
          <Checkbox
            key={role}
            id={`mapped-${role}`}
            label={role}
            isChecked={roles.includes(role)}
            onChange={(_event, checked) =>
              setRoles(checked ? [...roles, role] : roles.filter((other) => other !== role))
            }
          />
        ))}
      </FormGroup>
      <Field
        label="Group of the policy"
        name="policyGroup"
        value={policyGroup}
        onChange={setPolicyGroup}
        required={false}
        hint="That they are in, too: line-3"
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

const acts: Readonly<Record<SyncChange['does'], string>> = {
  add: 'added',
  change: 'changed',
  off: 'turned off',
  back: 'back, and still off',
  renamed: 'renamed',
  skip: 'left as is',
}

/** Shows what would be done, then does it. */
function Synchronise({
  directory,
  onClose,
}: {
  readonly directory: DirectoryView
  readonly onClose: () => void
}) {
  const change = useChange()
  const [plan, setPlan] = useState<SyncAnswer | null>(null)
  const going = plan?.changes.filter(({ does }) => does === 'off').length ?? 0
  return (
    <Dialog
      title={`Have users follow ${directory.name}`}
      action={
        plan === null ? 'See what it would do' : plan.applied || plan.changes.length === 0 ? null : 'Do this'
      }
      closing={plan === null ? 'Cancel' : 'Close'}
      danger={going > 0}
      wide
      onClose={onClose}
      act={async () => {
        const path = at`/api/directories/${directory.id}/sync`
        setPlan(
          plan === null
            ? await ask<SyncAnswer>('POST', path, { dryRun: true })
            : await change(() => ask<SyncAnswer>('POST', path, { yes: true })),
        )
      }}
    >
      {plan === null ? (
        <Content component="p">
          Members of mapped groups become users; who is disabled there, or in none of them any more, is taken
          off, with their sessions. You see it first.
        </Content>
      ) : (
        <>
          <Content component="p">
            {plan.people} people in its groups.{' '}
            {plan.changes.length === 0
              ? 'All users are as it says.'
              : plan.applied
                ? 'This was done:'
                : 'This would be done:'}
          </Content>
          <ul>
            {plan.changes.map(({ does, user, what }) => (
              <li key={`${does} ${user}`}>
                <strong>{visible(user)}</strong> {acts[does]}: {visible(what)}
              </li>
            ))}
          </ul>
          {plan.applied && plan.changes.some(({ does }) => does === 'add') ? (
            <Note isInline variant="info" title="Who was added needs a link from you">
              Users, New link: with it they set up their second factor.
            </Note>
          ) : null}
        </>
      )}
    </Dialog>
  )
}

function People({ directory, onClose }: { readonly directory: DirectoryView; readonly onClose: () => void }) {
  const [detail, setDetail] = useState<DirectoryDetail | null>(null)
  return (
    <Dialog
      title={`Users of ${directory.name}`}
      action={detail === null ? 'Show them' : null}
      closing="Close"
      wide
      onClose={onClose}
      act={async () => setDetail(await get<DirectoryDetail>(at`/api/directories/${directory.id}`))}
    >
      {detail === null ? (
        <Content component="p">
          {directory.people} {directory.people === 1 ? 'user follows' : 'users follow'} it.
        </Content>
      ) : (
        <ul>
          {detail.users.map((user) => (
            <li key={user.user}>
              <strong>{visible(user.user)}</strong>
              {user.login === user.user ? '' : ` (${visible(user.login)} there)`}:{' '}
              {user.roles.join(', ') || 'no role'}; {user.state}
              {user.entry === 'present' ? '' : `, ${user.entry} there`}
            </li>
          ))}
          {detail.users.length === 0 ? <li>Nobody yet.</li> : null}
        </ul>
      )}
      {detail === null || detail.unknownPolicyGroups.length === 0 ? null : (
        <Note
          isInline
          variant="warning"
          title={`The policy has no group ${detail.unknownPolicyGroups.join(', ')}`}
        >
          Write it into the policy, without members if they all come from here.
        </Note>
      )}
    </Dialog>
  )
}

function RemoveDirectory({
  directory,
  onClose,
}: {
  readonly directory: DirectoryView
  readonly onClose: () => void
}) {
  const change = useChange()
  const [code, setCode] = useState('')
  const [withPeople, setWithPeople] = useState(false)
  return (
    <Dialog
      title={`Remove ${directory.name}`}
      action="Remove it"
      danger
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(
          code,
          'directory.remove',
          { directory: directory.id },
          withPeople ? { withPeople } : {},
        )
        await change(() => ask('POST', at`/api/directories/${directory.id}/remove`, body))
        onClose()
      }}
    >
      <Checkbox
        id="with-people"
        label={`Take its ${directory.people} ${directory.people === 1 ? 'user' : 'users'} off with it`}
        description="Their sessions, grants, keys and memberships end"
        isChecked={withPeople}
        onChange={(_event, checked) => setWithPeople(checked)}
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
