import { Label } from '@patternfly/react-core'
import type {
  CompanyView,
  GrantView,
  ShownState,
  RequestView,
  SessionView,
  UserView,
} from '../../vault/contract.ts'

/** What state things are in, by colour and by word. */
export function RecordingBadge({ state }: { readonly state: ShownState }) {
  switch (state) {
    case 'destroyed':
      return (
        <Label color="grey" isCompact>
          destroyed
        </Label>
      )
    case 'missing':
      return (
        <Label status="danger" isCompact>
          missing
        </Label>
      )
    case 'recording':
      return (
        <Label color="red" isCompact>
          recording
        </Label>
      )
    case 'complete':
      return (
        <Label color="green" isCompact>
          complete
        </Label>
      )
    case 'incomplete':
      return (
        <Label color="orange" isCompact>
          incomplete
        </Label>
      )
    case 'tampered':
      return (
        <Label status="danger" isCompact>
          tampered
        </Label>
      )
  }
}

export function SessionBadge({
  session: { state, freeze },
}: {
  readonly session: Pick<SessionView, 'state' | 'freeze'>
}) {
  if (state === 'frozen')
    return (
      <Label status="warning" isCompact>
        {freeze?.waits === true ? 'waits' : freeze?.isHeld === true ? 'frozen' : 'freezing'}
      </Label>
    )
  const colour = state === 'live' ? 'red' : state === 'opening' ? 'blue' : 'grey'
  return (
    <Label color={colour} isCompact>
      {state}
    </Label>
  )
}

export function RequestBadge({ state }: { readonly state: RequestView['state'] }) {
  const colour =
    state === 'open' ? 'blue' : state === 'approved' ? 'green' : state === 'denied' ? 'red' : 'grey'
  return (
    <Label color={colour} isCompact>
      {state === 'open' ? 'waiting' : state}
    </Label>
  )
}

/** The state of a grant, or that the rules that would let somebody in do not now. */
export function GrantBadge({ state }: { readonly state: GrantView['state'] | 'closed' }) {
  const colour = state === 'active' ? 'green' : state === 'future' ? 'blue' : 'grey'
  return (
    <Label color={colour} isCompact>
      {state}
    </Label>
  )
}

export function CompanyBadge({ state }: { readonly state: CompanyView['state'] }) {
  return (
    <Label color={state === 'active' ? 'green' : state === 'ended' ? 'orange' : 'grey'} isCompact>
      {state === 'ended' ? 'contract ended' : state}
    </Label>
  )
}

export function UserBadge({ state }: { readonly state: UserView['state'] }) {
  const colour = state === 'active' ? 'green' : state === 'enrolling' ? 'blue' : 'grey'
  return (
    <Label color={colour} isCompact>
      {state}
    </Label>
  )
}
