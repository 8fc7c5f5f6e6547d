import { Content } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { PasskeyView } from '../../vault/contract.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Name } from '../parts/name.tsx'
import { Problem } from '../parts/problem.tsx'
import { TwoStep } from '../parts/two-step.tsx'
import { When } from '../parts/when.tsx'
import { addPasskey } from '../sealed/passkeys.ts'
import { useChange, useUser } from '../shell/me.ts'

/** The passkeys of a user, to look at and to remove. */
export function PasskeyList({ user }: { readonly user: string }) {
  const change = useChange()
  const [error, setError] = useState<unknown>(null)
  const passkeys = useQuery({
    queryKey: ['passkeys', user],
    queryFn: () => get<readonly PasskeyView[]>(at`/api/users/${user}/passkeys`),
  })
  if (passkeys.data === undefined) return <Problem error={passkeys.error} />
  if (passkeys.data.length === 0) return <p className="quiet">No passkey yet.</p>
  return (
    <>
      <Problem error={error} />
      <ul className="plain-list" aria-label="Passkeys">
        {passkeys.data.map((passkey) => (
          <li key={passkey.id} className="split">
            <span>
              <strong>
                <Name of={passkey.name} />
              </strong>
              <div className="quiet small">
                good at <Name of={passkey.site} />, since <When at={passkey.createdAt} />, last used{' '}
                {passkey.lastUsedAt === null ? 'never' : <When at={passkey.lastUsedAt} />}
              </div>
            </span>
            <TwoStep
              text="Remove"
              confirm="Remove this passkey"
              label={`Remove passkey ${passkey.name}`}
              onDo={() => {
                setError(null)
                return change(() => ask('DELETE', at`/api/users/${user}/passkeys/${passkey.id}`)).catch(
                  setError,
                )
              }}
            />
          </li>
        ))}
      </ul>
    </>
  )
}

export function AddPasskey({ onClose }: { readonly onClose: () => void }) {
  const user = useUser()
  const change = useChange()
  const [name, setName] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title="Add a passkey"
      action="Make it"
      ready={name.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        await change(() => addPasskey(user.name, name.trim(), code))
        onClose()
      }}
    >
      <Content component="p">
        A passkey signs you in alone, and proves you where otherwise a code is asked for. It stays on this
        device, your phone or a security key, which asks for your finger, face or PIN.
      </Content>
      <Field
        label="Name"
        name="name"
        value={name}
        onChange={setName}
        autoFocus
        hint="Where it is: laptop, blue key"
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
