import { Button, Content, List, ListItem, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { UserView } from '../../vault/contract.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Name } from '../parts/name.tsx'
import { Problem } from '../parts/problem.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useUsers } from './lists.ts'

/** Which users are one person with somebody, and why; an administrator who is somebody else says so, and takes it back. */
export function SamePersonDialog({
  user,
  onClose,
}: {
  readonly user: UserView
  readonly onClose: () => void
}) {
  const change = useChange()
  const me = useUser()
  const users = useUsers()
  const known = useQuery({
    queryKey: ['user', user.id],
    queryFn: () => get<UserView>(at`/api/users/${user.id}`),
  })
  const [other, setOther] = useState('')
  const [isBack, setIsBack] = useState(false)
  const [code, setCode] = useState('')
  const others = known.data?.alsoIs ?? []
  const isMine = user.id === me.id || others.some((one) => one.user === me.name)
  const mayChange = hasRole(me, 'admin') && known.data !== undefined && !isMine
  const wasSaid = others.some(({ why }) => why === saidSo)
  const put = async (as: string | null) => {
    const body = await proven(code, 'user.samePerson', { user: user.id }, { as })
    await change(() => ask('PUT', at`/api/users/${user.id}/same-person`, body))
    setCode('')
  }
  if (isBack)
    return (
      <Dialog
        title={`Is ${user.name} nobody else?`}
        action="Take it back"
        danger
        ready={isCode(code)}
        onClose={() => setIsBack(false)}
        act={async () => {
          await put(null)
          setIsBack(false)
        }}
      >
        <Content component="p">
          What administrators have said of {visible(user.name)} is taken back: from then on they count as a
          person of their own, and may approve, watch and review what the others ask for or do. What shows by
          the mail address or the directory stays.
        </Content>
        <FreshCode code={code} onChange={setCode} />
      </Dialog>
    )
  return (
    <Dialog
      title={`Who else is ${user.name}?`}
      description="Users who are one person count once: where two people must act, none of them answers, watches or reviews for another."
      action={mayChange ? 'Say so' : null}
      {...(mayChange ? {} : { closing: 'Close' })}
      ready={other !== '' && isCode(code)}
      aside={
        mayChange && wasSaid ? (
          <Button variant="secondary" isDanger onClick={() => setIsBack(true)}>
            Take back what was said…
          </Button>
        ) : null
      }
      onClose={onClose}
      act={async () => {
        await put(other)
        setOther('')
      }}
    >
      {known.isPending ? (
        <Spinner size="md" aria-label={`Loading who else is ${user.name}`} />
      ) : known.data === undefined ? (
        <Problem error={known.error} />
      ) : others.length === 0 ? (
        <Content component="p">Nobody, as far as is known.</Content>
      ) : (
        <List aria-label={`Who else is ${user.name}`}>
          {others.map(({ user: name, why }) => (
            <ListItem key={name}>
              <Name of={name} /> <span className="quiet small">{visible(why)}</span>
            </ListItem>
          ))}
        </List>
      )}
      {mayChange ? (
        <>
          <Choice
            label="The same person as"
            name="as"
            value={other}
            onChange={setOther}
            options={[
              { value: '', label: 'Choose a user' },
              ...(users.data ?? [])
                .filter(({ id, name }) => id !== user.id && !others.some((one) => one.user === name))
                .map(({ name }) => ({ value: name, label: visible(name) })),
            ]}
            hint="The same mail address or entry of a directory shows by itself"
          />
          {other === '' ? null : <FreshCode code={code} onChange={setCode} />}
        </>
      ) : isMine && hasRole(me, 'admin') ? (
        <Content component="p">
          This is you: another administrator says who you are, or takes it back.
        </Content>
      ) : null}
    </Dialog>
  )
}

/** The vault's words for a link that an administrator made. */
const saidSo = 'an administrator has said so'
