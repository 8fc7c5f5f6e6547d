import { Checkbox, Content, FormGroup } from '@patternfly/react-core'
import { useState } from 'react'
import type { AccountView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { useAccounts } from './lists.ts'

/** Names the accounts whose passwords are typed into desktops of an account, when the user asks for it. */
export function TypeIns({
  account,
  onClose,
}: {
  readonly account: AccountView
  readonly onClose: () => void
}) {
  const change = useChange()
  const accounts = useAccounts()
  const [chosen, setChosen] = useState<readonly string[]>(account.typeIns)
  const fitting = (accounts.data ?? []).filter(
    ({ id, credential }) => credential?.kind === 'password' && id !== account.id,
  )
  return (
    <Dialog
      title={`Linked secrets of ${account.name}`}
      action="Store"
      onClose={onClose}
      act={async () => {
        await change(() => ask('PUT', at`/api/accounts/${account.id}/type-ins`, { secrets: chosen }))
        onClose()
      }}
    >
      <Content component="p">
        Who has a grant with <code>type-in</code> has them typed into the desktop, for a PLC or an HMI that an
        engineering tool asks a password of. What is typed can be read where the cursor is in the wrong place:
        to link a secret takes <code>manage</code> and <code>reveal</code> on its safe, and each use counts as
        seen.
      </Content>
      {fitting.length === 0 ? (
        <Content component="p">There is no other account with a password that you see.</Content>
      ) : (
        <FormGroup label="Passwords of" role="group" fieldId="secrets">
          {fitting.map(({ id, name, safe }) => (
            <Checkbox
              key={id}
              id={`secret-${id}`}
              name="secrets"
              label={visible(name)}
              description={`safe ${visible(safe)}`}
              isChecked={chosen.includes(name)}
              onChange={(_event, checked) =>
                setChosen(checked ? [...chosen, name] : chosen.filter((other) => other !== name))
              }
            />
          ))}
        </FormGroup>
      )}
    </Dialog>
  )
}
