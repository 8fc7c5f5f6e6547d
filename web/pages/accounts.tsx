import { Button, Content, Label, Radio } from '@patternfly/react-core'
import { useState } from 'react'
import type { AccountView } from '../../vault/contract.ts'
import { isDesktop, opensSessions, type Protocol } from '../../vault/contract/words.ts'
import { ask, at } from '../api.ts'
import { useImport } from '../import/use-import.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { When } from '../parts/when.tsx'
import { sealCredential, type TypedCredential } from '../sealed/intake.ts'
import { useChange } from '../shell/me.ts'
import { Elevation } from './account-elevation.tsx'
import { AccountFiles } from './account-files.tsx'
import { TypeIns } from './account-type-ins.tsx'
import { HeldAccounts } from './held-accounts.tsx'
import { useAccounts, useTargets } from './lists.ts'
import { useManages } from './may.ts'
import { Reveal } from './reveal.tsx'

type Doing =
  | { readonly kind: 'add' }
  | {
      readonly kind: 'secret' | 'elevation' | 'type-ins' | 'files' | 'reveal' | 'remove' | 'bind'
      readonly account: AccountView
    }

/** Logins on targets, and what the vault holds of them. */
export function Accounts() {
  const accounts = useAccounts()
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  const importing = useImport('accounts')
  const manages = useManages()
  const add = !manages() ? null : (
    <div className="row">
      <Button onClick={() => setDoing({ kind: 'add' })}>Add an account</Button>
      {importing.button}
    </div>
  )
  return (
    <Page
      title="Accounts"
      about="A login on a target, with the secret that opens it. Sessions use it; nobody needs to know it."
      actions={add}
    >
      <Listing
        name="Accounts"
        query={accounts}
        keyOf={({ id }) => id}
        text={(row) => [row.name, row.login, row.target, row.safe, row.holder?.user ?? ''].join(' ')}
        columns={[
          {
            title: 'Account',
            cell: (row) => (
              <strong className="mono">
                <Name of={row.name} />
              </strong>
            ),
          },
          { title: 'Safe', cell: (row) => <Name of={row.safe} /> },
          {
            title: 'Secret',
            cell: (row) =>
              row.credential === null ? (
                <Label color="orange" isCompact>
                  none yet
                </Label>
              ) : (
                <>
                  {row.credential.kind === 'password' ? 'password' : 'SSH key'}, version{' '}
                  {row.credential.version}, <When at={row.credential.at} />
                  {row.elevation === null ? null : (
                    <div className="quiet small">
                      {row.elevation.kind}: <Name of={row.elevation.account} />
                    </div>
                  )}
                  {row.typeIns.length === 0 ? null : (
                    <div className="quiet small">
                      types: <Name of={row.typeIns.join(', ')} />
                    </div>
                  )}
                  {row.files === null ? null : (
                    <div className="quiet small">
                      files: <Name of={row.files} />
                    </div>
                  )}
                </>
              ),
          },
          {
            title: 'Bound to',
            cell: (row) =>
              row.boundTo.length === 0 ? (
                <>
                  not bound{' '}
                  <Button
                    variant="link"
                    isInline
                    onClick={() => setDoing({ kind: 'bind', account: row })}
                    aria-label={`Bind ${row.name}`}
                  >
                    Bind
                  </Button>
                </>
              ) : (
                <Name of={row.boundTo.join(', ')} />
              ),
          },
          {
            title: 'In use by',
            cell: (row) =>
              row.holder === null ? (
                <span className="quiet">nobody</span>
              ) : (
                <>
                  <Name of={row.holder.user} />
                  {row.holder.exclusive ? ', alone' : ''}
                </>
              ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (row) => (
              <>
                {manages(row.safe) ? (
                  <>
                    <Button
                      size="sm"
                      variant="secondary"
                      onClick={() => setDoing({ kind: 'secret', account: row })}
                      aria-label={`New secret of ${row.name}`}
                    >
                      New secret
                    </Button>
                    {isDesktop(row.protocol) ? (
                      <>
                        <Button
                          size="sm"
                          variant="secondary"
                          onClick={() => setDoing({ kind: 'type-ins', account: row })}
                          aria-label={`Linked secrets of ${row.name}`}
                        >
                          Linked secrets
                        </Button>
                        <Button
                          size="sm"
                          variant="secondary"
                          onClick={() => setDoing({ kind: 'files', account: row })}
                          aria-label={`Files of ${row.name}`}
                        >
                          Files
                        </Button>
                      </>
                    ) : !opensSessions(row.protocol) ? null : (
                      <Button
                        size="sm"
                        variant="secondary"
                        onClick={() => setDoing({ kind: 'elevation', account: row })}
                        aria-label={`Elevation of ${row.name}`}
                      >
                        Elevation
                      </Button>
                    )}
                  </>
                ) : null}
                <Button
                  size="sm"
                  variant="secondary"
                  isDisabled={row.credential === null}
                  onClick={() => setDoing({ kind: 'reveal', account: row })}
                  aria-label={`Reveal ${row.name}`}
                >
                  Reveal
                </Button>
                {manages(row.safe) ? (
                  <Button
                    size="sm"
                    variant="link"
                    isDanger
                    onClick={() => setDoing({ kind: 'remove', account: row })}
                    aria-label={`Remove ${row.name}`}
                  >
                    Remove
                  </Button>
                ) : null}
              </>
            ),
          },
        ]}
        empty={{
          title: 'No accounts yet',
          body: manages() ? (
            <>
              Add the login that a machine is worked on with, here or with{' '}
              <code>tagout account add press-3/engineer --password-stdin</code>.
            </>
          ) : (
            'You see the accounts of safes that you are a member of. Ask an administrator to make you one.'
          ),
          ...(add === null ? {} : { action: add }),
        }}
      />
      <HeldAccounts />
      {doing?.kind === 'add' ? <AddAccount onClose={close} /> : null}
      {doing?.kind === 'secret' ? <NewSecret account={doing.account} onClose={close} /> : null}
      {doing?.kind === 'elevation' ? <Elevation account={doing.account} onClose={close} /> : null}
      {doing?.kind === 'type-ins' ? <TypeIns account={doing.account} onClose={close} /> : null}
      {doing?.kind === 'files' ? <AccountFiles account={doing.account} onClose={close} /> : null}
      {doing?.kind === 'reveal' ? <Reveal account={doing.account} onClose={close} /> : null}
      {doing?.kind === 'bind' ? <Bind account={doing.account} onClose={close} /> : null}
      {doing?.kind === 'remove' ? <Remove account={doing.account} onClose={close} /> : null}
      {importing.dialog}
    </Page>
  )
}

function useTypedCredential(protocol: Protocol) {
  const takesNoKey = protocol !== 'ssh'
  const [chosen, setKind] = useState<'password' | 'ssh-key'>('password')
  const kind = takesNoKey ? 'password' : chosen
  const [password, setPassword] = useState('')
  const [file, setFile] = useState('')
  const [passphrase, setPassphrase] = useState('')
  const typed: TypedCredential =
    kind === 'password'
      ? { kind, password }
      : { kind, file: file.endsWith('\n') ? file : `${file}\n`, passphrase }
  const fields = (
    <>
      {takesNoKey ? null : (
        <div className="row">
          <Radio
            id="kind-password"
            name="kind"
            label="Password"
            isChecked={kind === 'password'}
            onChange={() => setKind('password')}
          />
          <Radio
            id="kind-key"
            name="kind"
            label="SSH private key"
            isChecked={kind === 'ssh-key'}
            onChange={() => setKind('ssh-key')}
          />
        </div>
      )}
      {kind === 'password' ? (
        <Field
          label="Password of the account"
          type="password"
          value={password}
          onChange={setPassword}
          autoComplete="off"
          hint={`${protocol === 'vnc' ? 'VNC takes the first 8 characters of it, and no more; for a panel that asks for none, give any word. ' : ''}Sealed in this browser to the vault: the console's server cannot read it.`}
        />
      ) : (
        <>
          <LongField
            label="Private key file"
            value={file}
            onChange={setFile}
            mono
            rows={6}
            placeholder="-----BEGIN OPENSSH PRIVATE KEY-----"
            hint="Sealed in this browser to the vault. The vault signs with it and never gives it away."
          />
          <Field
            label="Passphrase of the key"
            type="password"
            required={false}
            value={passphrase}
            onChange={setPassphrase}
            autoComplete="off"
          />
        </>
      )}
    </>
  )
  return { typed, fields, ready: kind === 'password' ? password !== '' : file.trim() !== '' }
}

function loginHint(protocol: Protocol): string {
  if (protocol === 'vnc') return 'Most panels know no names: a word by which people find it, such as operator'
  return protocol === 'rdp'
    ? 'As the machine knows it: operator, or PLANT\\operator of a domain'
    : 'As the machine knows it: engineer'
}

function AddAccount({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const targets = useTargets()
  const [target, setTarget] = useState('')
  const [login, setLogin] = useState('')
  const protocol = targets.data?.find(({ name }) => name === target)?.protocol ?? 'ssh'
  const { typed, fields, ready } = useTypedCredential(protocol)
  return (
    <Dialog
      wide
      title="Add an account"
      action="Add"
      ready={target !== '' && login !== '' && ready}
      onClose={onClose}
      act={async () => {
        const credential = await sealCredential(`${target}/${login}`, typed)
        await change(() => ask('POST', '/api/accounts', { target, login, credential }))
        onClose()
      }}
    >
      <Choice
        label="Target"
        name="target"
        value={target}
        onChange={setTarget}
        options={[
          { value: '', label: 'Choose a target' },
          ...(targets.data ?? []).map((one) => ({ value: one.name, label: one.name })),
        ]}
        {...(targets.data?.length === 0 ? { hint: 'Add a target first.' } : {})}
      />
      <Field
        label="Login name"
        name="login"
        value={login}
        onChange={setLogin}
        mono
        hint={loginHint(protocol)}
      />
      {fields}
    </Dialog>
  )
}

function NewSecret({ account, onClose }: { readonly account: AccountView; readonly onClose: () => void }) {
  const change = useChange()
  const targets = useTargets()
  const protocol = targets.data?.find(({ name }) => name === account.target)?.protocol ?? 'ssh'
  const { typed, fields, ready } = useTypedCredential(protocol)
  return (
    <Dialog
      wide
      title={`New secret of ${account.name}`}
      action="Store"
      ready={ready}
      onClose={onClose}
      act={async () => {
        const credential = await sealCredential(account.name, typed)
        await change(() => ask('PUT', at`/api/accounts/${account.id}/secret`, { credential }))
        onClose()
      }}
    >
      <Content component="p">
        This stores what the machine accepts already; it changes nothing on the machine. Sessions that begin
        from now on use it.
      </Content>
      {fields}
    </Dialog>
  )
}

function Bind({ account, onClose }: { readonly account: AccountView; readonly onClose: () => void }) {
  const change = useChange()
  return (
    <Dialog
      title={`Bind ${account.name} again?`}
      action="Bind"
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/accounts/${account.id}/bind`))
        onClose()
      }}
    >
      <Note variant="warning" title="Its secret will go to the machine as it is known now">
        The target&apos;s address or key has changed since this account was bound. Bind only when you know
        that {account.target} is still the machine you mean.
      </Note>
    </Dialog>
  )
}

function Remove({ account, onClose }: { readonly account: AccountView; readonly onClose: () => void }) {
  const change = useChange()
  const [typed, setTyped] = useState('')
  return (
    <Dialog
      title={`Remove ${account.name}?`}
      action="Remove"
      danger
      ready={typed === account.name}
      onClose={onClose}
      act={async () => {
        await change(() => ask('DELETE', at`/api/accounts/${account.id}`))
        onClose()
      }}
    >
      <Content component="p">
        The vault forgets its secrets, all versions. If nobody else knows the password, nobody can log in
        afterwards.
      </Content>
      <Field label={`Type ${account.name} to confirm`} value={typed} onChange={setTyped} autoFocus mono />
    </Dialog>
  )
}
