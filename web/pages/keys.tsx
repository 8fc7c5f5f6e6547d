import { Content } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { VerbAnswer } from '../../vault/contract.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { LongField } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Problem } from '../parts/problem.tsx'
import { TwoStep } from '../parts/two-step.tsx'
import { When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange } from '../shell/me.ts'

/** The SSH keys by which a user proves who they are. */
export function KeyList({ user }: { readonly user: string }) {
  const change = useChange()
  const [error, setError] = useState<unknown>(null)
  const keys = useQuery({
    queryKey: ['keys', user],
    queryFn: () => get<VerbAnswer<'user.key.list'>>(at`/api/users/${user}/keys`),
  })
  return (
    <>
      <Problem error={error ?? keys.error} />
      {keys.data?.length === 0 ? <Content component="p">No SSH key yet.</Content> : null}
      <ul className="key-list" aria-label={`SSH keys of ${user}`}>
        {(keys.data ?? []).map((key) => (
          <li key={key.id} className="split">
            <span>
              <span className="mono small">{key.fingerprint}</span>
              <div className="quiet small">
                {visible(key.type)} {visible(key.comment)}, added <When at={key.createdAt} />
              </div>
            </span>
            <TwoStep
              text="Remove"
              confirm="Remove this key"
              label={`Remove key ${visible(key.comment)}`}
              onDo={() => {
                setError(null)
                return change(() => ask('DELETE', at`/api/users/${user}/keys/${key.id}`)).catch(setError)
              }}
            />
          </li>
        ))}
      </ul>
    </>
  )
}

export function AddKey({ user, onClose }: { readonly user: string; readonly onClose: () => void }) {
  const change = useChange()
  const [publicKey, setPublicKey] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      wide
      title={`Add an SSH key of ${user}`}
      action="Add"
      ready={publicKey.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'user.key.add', { user }, { publicKey: publicKey.trim() })
        await change(() => ask('POST', at`/api/users/${user}/keys`, body))
        onClose()
      }}
    >
      <LongField
        label="Public key"
        name="publicKey"
        value={publicKey}
        onChange={setPublicKey}
        mono
        placeholder="ssh-ed25519 AAAA… bob@laptop"
        hint="The content of the .pub file. Never the private one."
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

/** Keys of somebody else, for an administrator. */
export function KeysDialog({ user, onClose }: { readonly user: string; readonly onClose: () => void }) {
  const change = useChange()
  const [publicKey, setPublicKey] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      wide
      title={`SSH keys of ${user}`}
      action="Add this key"
      ready={publicKey.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'user.key.add', { user }, { publicKey: publicKey.trim() })
        await change(() => ask('POST', at`/api/users/${user}/keys`, body))
        setPublicKey('')
        setCode('')
      }}
    >
      <KeyList user={user} />
      <LongField
        label="Another public key"
        name="publicKey"
        value={publicKey}
        onChange={setPublicKey}
        required={false}
        mono
        rows={3}
        placeholder="ssh-ed25519 AAAA… bob@laptop"
      />
      {publicKey.trim() === '' ? null : <FreshCode code={code} onChange={setCode} />}
    </Dialog>
  )
}
