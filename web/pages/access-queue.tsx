import { Button, Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { AccessView, WaitView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { isAlone, isKeptOut } from './access-lease.tsx'

/** One's place in the queue for an account that others hold; or the way into it. */
export function Waiting(props: { readonly access: AccessView; readonly wait: WaitView | undefined }) {
  const { access, wait } = props
  const change = useChange()
  const [error, setError] = useState<unknown>(null)
  const act = (does: () => Promise<unknown>) => change(does).then(() => setError(null), setError)
  const join = () =>
    act(() => ask('POST', '/api/queue', { account: access.account, exclusive: isAlone(access) }))
  const leave = (id: WaitView['id']) => act(() => ask('DELETE', at`/api/queue/${id}`))
  if (wait === undefined)
    return (
      <>
        {isKeptOut(access) ? (
          <p>
            <Button
              variant="link"
              isInline
              onClick={() => void join()}
              aria-label={`Wait for it: ${access.account}`}
            >
              Wait for it
            </Button>{' '}
            <span className="quiet">You are told when it is your turn, and it is kept for you.</span>
          </p>
        ) : null}
        <Problem error={error} />
      </>
    )
  const leaveIt = (
    <Button
      variant="link"
      isInline
      onClick={() => void leave(wait.id)}
      aria-label={`Leave the queue for ${access.account}`}
    >
      Leave the queue
    </Button>
  )
  return (
    <div aria-live="polite">
      {wait.keptUntil === null ? (
        <Content component="p">
          <strong>You wait for it{wait.place === null ? '' : `, as number ${wait.place}`}.</strong> {leaveIt}
        </Content>
      ) : (
        <Note variant="success" title={`${visible(access.account)} is kept for you`} className="gap-below">
          Until <Moment at={wait.keptUntil} />: connect or check it out. Then whoever waits next has it.{' '}
          {leaveIt}
        </Note>
      )}
      <Problem error={error} />
    </div>
  )
}
