import { Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { AccountView, ElevationKind } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/field.tsx'
import { useChange } from '../shell/me.ts'
import { useAccounts } from './lists.ts'

const meanings: Readonly<Record<ElevationKind, string>> = {
  sudo: 'sudo: asks for a password as [sudo] password for …',
  su: 'su: becomes another account of the machine',
  enable: 'enable: on switches and routers',
}

/** Names whose secret is typed at the prompt of sudo, su or enable, when the user asks for it. */
export function Elevation({
  account,
  onClose,
}: {
  readonly account: AccountView
  readonly onClose: () => void
}) {
  const change = useChange()
  const accounts = useAccounts()
  const [kind, setKind] = useState<string>(account.elevation?.kind ?? '')
  const [secret, setSecret] = useState(account.elevation?.account ?? account.name)
  const fitting = (accounts.data ?? []).filter(
    ({ boundTo, credential }) => credential?.kind === 'password' && boundTo.includes(account.target),
  )
  return (
    <Dialog
      title={`Elevation of ${account.name}`}
      action={kind === '' ? 'Take it back' : 'Store'}
      ready={kind === '' ? account.elevation !== null : secret !== ''}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('PUT', at`/api/accounts/${account.id}/elevation`, {
            elevation: kind === '' ? null : { kind, account: secret },
          }),
        )
        onClose()
      }}
    >
      <Content component="p">
        Who has a grant with <code>elevate</code> types <code>~e</code> and Enter when the machine asks. The
        secret is typed for them, only where nothing that is typed shows, and is not recorded.
      </Content>
      <Choice
        label="Asked for by"
        name="kind"
        value={kind}
        onChange={setKind}
        options={[
          { value: '', label: 'Nothing: not elevated' },
          ...(Object.keys(meanings) as ElevationKind[]).map((one) => ({ value: one, label: meanings[one] })),
        ]}
      />
      {kind === '' ? null : (
        <Choice
          label="Secret of"
          name="elevation"
          value={secret}
          onChange={setSecret}
          options={[
            { value: '', label: 'Choose an account of this machine' },
            ...fitting.map(({ name }) => ({ value: name, label: name })),
          ]}
          hint="An account with a password that is bound to the same machine"
        />
      )}
    </Dialog>
  )
}
