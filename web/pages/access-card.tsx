import {
  Button,
  Card,
  CardBody,
  CardTitle,
  Content,
  Label,
  ToggleGroup,
  ToggleGroupItem,
} from '@patternfly/react-core'
import { OutlinedStarIcon, StarIcon } from '@patternfly/react-icons'
import { useState } from 'react'
import type {
  AccessView,
  Action,
  GrantView,
  HandOverView,
  HoldView,
  SessionView,
  VerbAnswer,
  WaitView,
} from '../../vault/contract.ts'
import { ask } from '../api.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { Command } from '../parts/command.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { GrantBadge } from '../parts/state.tsx'
import { Moment, When } from '../parts/when.tsx'
import { sentence, span, visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { HandOver, Offered } from './access-hand-over.tsx'
import { CheckIn, CheckOut, isKeptOut, Standing, waysIn } from './access-lease.tsx'
import { Waiting } from './access-queue.tsx'
import { EndBreakGlass } from './break-glass.tsx'
import { extendable, MoreTime } from './more-time.tsx'
import { desktopPath, nativeCommands, terminalPath, useSshPort } from './ssh-command.ts'

/** One account that the user may use. */
export function AccessCard(props: {
  readonly access: AccessView
  readonly user: string
  /** What keeps the user off its target now. */
  readonly hold: HoldView | undefined
  /** The user's own session on its target that somebody has frozen: no other opens beside it. */
  readonly frozen: SessionView | undefined
  /** The user's place in the queue for it. */
  readonly wait: WaitView | undefined
  /** What the user has offered to a colleague. */
  readonly handOver: HandOverView | undefined
}) {
  const { access, user, hold, frozen, wait, handOver } = props
  const { account, grants, lease, favourite } = access
  const change = useChange()
  const [error, setError] = useState<unknown>(null)
  const [doing, setDoing] = useState<'out' | 'in' | 'over' | 'time' | 'glass' | null>(null)
  const [ticket, setTicket] = useState<VerbAnswer<'ticket.issue'> | null>(null)
  const active = grants.filter(({ state }) => state === 'active')
  const isOpen = waysIn(access).length > 0
  const may = new Set([
    ...active.flatMap(({ actions }) => actions),
    ...access.rules.filter(({ unmet }) => unmet === null).flatMap(({ actions }) => actions),
  ])
  const grant = extendable(access)
  const glass = active.find(({ grantedBy }) => isGlass(grantedBy))
  const attempt = async (act: () => Promise<unknown>) => {
    setError(null)
    await act().catch(setError)
  }
  const issue = async () =>
    setTicket(await ask<VerbAnswer<'ticket.issue'>>('POST', '/api/tickets', { account }))
  const like = () => change(() => ask('PUT', '/api/favourites', { account, favourite: !favourite }))
  const kept = isKeptOut(access) || hold !== undefined || frozen !== undefined
  return (
    <Card>
      <CardTitle component="div" className="split">
        <h3 className="mono">
          <Name of={account} />
        </h3>
        <span className="row close">
          <GrantBadge state={isOpen ? 'active' : grants.length > 0 ? 'future' : 'closed'} />
          <Button
            variant="plain"
            size="sm"
            aria-label={`Favourite ${account}`}
            aria-pressed={favourite}
            icon={favourite ? <StarIcon /> : <OutlinedStarIcon />}
            onClick={() => attempt(like)}
          />
        </span>
      </CardTitle>
      <CardBody>
        {grants.map((grant) => (
          <Allowed key={grant.id} grant={grant} />
        ))}
        {access.rules.map((rule) => (
          <ByRule key={rule.name} rule={rule} />
        ))}
        {!isOpen ? null : (
          <>
            {hold === undefined ? <Standing access={access} /> : <HeldOff hold={hold} />}
            {frozen === undefined ? null : <Frozen session={frozen} />}
            {handOver === undefined ? null : <Offered offer={handOver} />}
            <Waiting access={access} wait={wait} />
            <Commands access={access} active={active} may={[...may]} user={user} />
            <div className="row gap-above">
              {may.has('shell') ? (
                <Button
                  variant="primary"
                  size="sm"
                  aria-label={`Connect to ${account} in the browser`}
                  {...(kept
                    ? { isDisabled: true }
                    : {
                        component: 'a' as const,
                        href: terminalPath(account),
                        target: '_blank',
                        rel: 'noopener',
                      })}
                >
                  Connect
                </Button>
              ) : null}
              {may.has('observe') ? (
                <Button
                  variant="primary"
                  size="sm"
                  aria-label={`Open the desktop of ${account}`}
                  {...(kept
                    ? { isDisabled: true }
                    : {
                        component: 'a' as const,
                        href: desktopPath(account),
                        target: '_blank',
                        rel: 'noopener',
                      })}
                >
                  Open desktop
                </Button>
              ) : null}
              <Button
                variant="secondary"
                size="sm"
                isDisabled={kept}
                onClick={() => setDoing('out')}
                aria-label={`Check out ${account}`}
              >
                {lease?.explicit === true ? 'Change the time' : 'Check out'}
              </Button>
              {lease === null ? null : (
                <Button
                  variant="secondary"
                  size="sm"
                  onClick={() => setDoing('in')}
                  aria-label={`Check in ${account}`}
                >
                  Check in
                </Button>
              )}
              {lease === null || handOver !== undefined ? null : (
                <Button
                  variant="secondary"
                  size="sm"
                  onClick={() => setDoing('over')}
                  aria-label={`Hand over ${account}`}
                >
                  Hand over
                </Button>
              )}
              {grant === undefined ? null : (
                <Button
                  variant="secondary"
                  size="sm"
                  onClick={() => setDoing('time')}
                  aria-label={`More time on ${account}`}
                >
                  More time
                </Button>
              )}
              {glass === undefined ? null : (
                <Button
                  variant="danger"
                  size="sm"
                  onClick={() => setDoing('glass')}
                  aria-label={`End break-glass on ${account}`}
                >
                  End break-glass
                </Button>
              )}
              {may.has('observe') ? null : (
                <Button variant="secondary" size="sm" onClick={() => attempt(issue)}>
                  One-time ticket
                </Button>
              )}
            </div>
          </>
        )}
        <Problem error={error} />
        {ticket === null ? null : (
          <div className="gap-above" role="status">
            <Command text={ticket.ticket} label="One-time ticket" />
            <Content component="small">
              Give it where ssh asks for a password or ticket. Works once, for this account, and expires{' '}
              <When at={ticket.expiresAt} />.
            </Content>
          </div>
        )}
      </CardBody>
      {doing === 'out' ? <CheckOut access={access} onClose={() => setDoing(null)} /> : null}
      {doing === 'in' && lease !== null ? (
        <CheckIn account={account} lease={lease} onClose={() => setDoing(null)} />
      ) : null}
      {doing === 'time' && grant !== undefined ? (
        <MoreTime grant={grant} onClose={() => setDoing(null)} />
      ) : null}
      {doing === 'glass' && glass !== undefined ? (
        <EndBreakGlass user={user} account={account} grant={glass.id} onClose={() => setDoing(null)} />
      ) : null}
      {doing === 'over' && lease !== null ? (
        <HandOver account={account} lease={lease} onClose={() => setDoing(null)} />
      ) : null}
    </Card>
  )
}

/** Why the user may not connect although their grant holds, until when, and whom to ask. */
function HeldOff({ hold }: { readonly hold: HoldView }) {
  const who = whoText(visible(hold.heldBy))
  return (
    <Note
      variant="warning"
      title={`You are kept off ${visible(hold.target)} by ${who}`}
      className="gap-below"
    >
      Until <Moment at={hold.until} />
      {hold.reason === '' ? '' : `: ${visible(hold.reason)}`}. To connect before, ask {who} to release it.
    </Note>
  )
}

/** Why the user may not connect beside their frozen session. */
function Frozen({ session }: { readonly session: SessionView }) {
  const who = session.freeze === null ? 'somebody' : whoText(visible(session.freeze.by))
  const reason = session.freeze?.reason ?? ''
  return (
    <Note
      variant="warning"
      title={`Your session on ${visible(session.account)} is frozen by ${who}`}
      className="gap-below"
    >
      {reason === '' ? '' : `${sentence(visible(reason))} `}Nothing else connects to {visible(session.target)}{' '}
      meanwhile. Wait until it goes on, or ask {who}.
    </Note>
  )
}

/** Let in by themselves? No user has a name with a space. */
const isGlass = (grantedBy: string) => grantedBy.startsWith('break-glass ')

function Allowed({ grant }: { readonly grant: GrantView }) {
  return (
    <Content component="p">
      {isGlass(grant.grantedBy) ? (
        <>
          <Label color="red" isCompact>
            break-glass
          </Label>{' '}
        </>
      ) : null}
      {grant.state === 'future' ? (
        <>
          Begins <When at={grant.notBefore} />:{' '}
        </>
      ) : null}
      {grant.actions.join(', ')}
      {grant.mode === 'exclusive' ? ', exclusively' : ''}. Until <Moment at={grant.notAfter} />, sessions of{' '}
      {span(grant.maxSessionSeconds)} at most.
      {grant.reason === '' ? null : <span className="quiet"> {visible(grant.reason)}</span>}
    </Content>
  )
}

/** What a rule of the policy lets the user do, or why it does not now and whom to ask. */
function ByRule({ rule }: { readonly rule: AccessView['rules'][number] }) {
  if (rule.unmet !== null)
    return (
      <Content component="p">
        {sentence(visible(rule.unmet))}
        {rule.contact === null ? null : ` Ask ${visible(rule.contact)}.`}
      </Content>
    )
  return (
    <Content component="p">
      {rule.actions.join(', ')}
      {rule.exclusive ? ', exclusively' : ''}, by the rule “{rule.name}”
      {rule.until === null ? (
        '.'
      ) : (
        <>
          . Until <Moment at={rule.until} />.
        </>
      )}
    </Content>
  )
}

/** The exact command of each native client that the grants and rules allow. */
function Commands(props: {
  readonly access: AccessView
  readonly active: readonly GrantView[]
  readonly may: readonly Action[]
  readonly user: string
}) {
  const port = useSshPort()
  const commands = nativeCommands(
    props.user,
    props.access.account,
    props.may,
    props.active.flatMap(({ forwards }) => forwards),
    port,
  )
  const [client, setClient] = useState('')
  const chosen = commands.find((one) => one.client === client) ?? commands[0]
  if (chosen === undefined) return null
  return (
    <>
      {commands.length === 1 ? null : (
        <ToggleGroup aria-label={`Client for ${props.access.account}`} isCompact className="gap-below wraps">
          {commands.map((one) => (
            <ToggleGroupItem
              key={one.client}
              text={one.client}
              isSelected={one.client === chosen.client}
              onChange={() => setClient(one.client)}
            />
          ))}
        </ToggleGroup>
      )}
      <Command text={chosen.command} label={`${chosen.client} command for ${props.access.account}`} />
    </>
  )
}
