import { Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { NoticeChoice, UserView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { proven } from '../sealed/passkeys.ts'
import { useChange, useUser } from '../shell/me.ts'

/** Where a user is written to: one's own address, or an administrator's for somebody else. */
export function MailDialog({ user, onClose }: { readonly user: UserView; readonly onClose: () => void }) {
  const change = useChange()
  const isOwn = useUser().id === user.id
  const [address, setAddress] = useState(user.mail?.address ?? '')
  const [notices, setNotices] = useState<NoticeChoice>(user.mail?.notices ?? 'all')
  const [code, setCode] = useState('')
  const given = address.trim()
  const takesAway = given === ''
  return (
    <Dialog
      title={isOwn ? 'Your mail address' : `Mail address of ${user.name}`}
      action={takesAway ? 'Take the address away' : 'Set'}
      danger={takesAway}
      ready={(!takesAway || user.mail !== null) && isCode(code)}
      onClose={onClose}
      act={async () => {
        const wanted = takesAway ? { address: null } : { address: given, notices }
        const body = await proven(code, 'user.mail', { user: user.id }, wanted)
        await change(() => ask('PUT', at`/api/users/${user.id}/mail`, body))
        onClose()
      }}
    >
      <Field
        label="Address"
        name="address"
        value={address}
        onChange={setAddress}
        required={false}
        autoFocus
        hint="Empty: nobody writes. An address that was set before is told of the change."
      />
      <Choice
        label="Writes about"
        name="notices"
        value={notices}
        onChange={(value) => setNotices(value === 'security' ? 'security' : 'all')}
        options={[
          { value: 'all', label: 'everything that concerns this user' },
          { value: 'security', label: 'what concerns security alone' },
        ]}
      />
      <Content component="small">
        Access that is taken away, changed proofs and break-glass concern security: nobody switches those off.
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
