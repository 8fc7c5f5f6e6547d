import { Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { AccountView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/field.tsx'
import { visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { useAccounts } from './lists.ts'

/** Names the account of SSH by whose login files go beside desktops of an account. */
export function AccountFiles({
  account,
  onClose,
}: {
  readonly account: AccountView
  readonly onClose: () => void
}) {
  const change = useChange()
  const accounts = useAccounts()
  const [chosen, setChosen] = useState(account.files ?? '')
  const fitting = (accounts.data ?? []).filter(
    ({ protocol, boundTo, credential }) => protocol === 'ssh' && boundTo.length > 0 && credential !== null,
  )
  return (
    <Dialog
      title={`Files of ${account.name}`}
      action="Store"
      ready={chosen !== (account.files ?? '')}
      onClose={onClose}
      act={async () => {
        const files = chosen === '' ? null : chosen
        await change(() => ask('PUT', at`/api/accounts/${account.id}/files`, { files }))
        onClose()
      }}
    >
      <Content component="p">
        Files go beside the desktop by SFTP, where its machine has an SSH server: as this account, for whoever
        has a grant of the desktop with <code>sftp-read</code> or <code>sftp-write</code>. It sees what the
        machine lets it see: take one that sees no more than it needs.
      </Content>
      <Choice
        label="By the login of"
        name="files"
        value={chosen}
        onChange={setChosen}
        options={[
          { value: '', label: 'nobody: no files go beside it' },
          ...fitting.map(({ name }) => ({ value: name, label: visible(name) })),
        ]}
      />
    </Dialog>
  )
}
