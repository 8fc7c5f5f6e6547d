import type { EndReason } from '../../vault/contract.ts'
import type { ServerMessage } from '../../recorder/live/protocol.ts'

export type Over = {
  readonly title: string
  /** What its message says beside. */
  readonly more: string | undefined
  readonly next: string
  readonly variant: 'info' | 'warning' | 'danger'
  readonly again: boolean
}

type Ended = Extract<ServerMessage, { kind: 'ended' }>

const texts: Readonly<Record<EndReason, Omit<Over, 'again' | 'more'> & { readonly again?: false }>> = {
  finished: { title: 'The session is finished', next: 'Connect again, or close this tab.', variant: 'info' },
  'closed by the user': {
    title: 'You have left the session',
    next: 'Connect again, or close this tab.',
    variant: 'info',
  },
  'closed by the target': {
    title: 'The target closed the connection',
    next: 'Look whether the machine restarts, then connect again.',
    variant: 'warning',
  },
  terminated: {
    title: 'The session was terminated',
    next: 'Ask whoever did so before you connect again.',
    variant: 'danger',
  },
  'user disabled': {
    title: 'Your user was disabled',
    next: 'Ask an administrator.',
    variant: 'danger',
    again: false,
  },
  'grant revoked': {
    title: 'Your grant was revoked',
    next: 'Ask for a new grant if you still need the machine.',
    variant: 'danger',
    again: false,
  },
  'time is up': {
    title: 'The time of this session is up',
    next: 'Connect again while your grant lasts, or ask for a new one.',
    variant: 'warning',
  },
  'vault sealed': {
    title: 'The vault was sealed',
    next: 'Wait until an administrator has unsealed it, then connect again.',
    variant: 'danger',
  },
  'recording failed': {
    title: 'The session could no longer be recorded',
    next: 'Tell the administrator of the gateway; connect again when recordings can be kept.',
    variant: 'danger',
  },
  'quota reached': {
    title: 'The recording of this session is full',
    next: 'Connect again: a new session has a new recording.',
    variant: 'warning',
  },
  'target unreachable': {
    title: 'The target does not answer any more',
    next: 'Check that the machine and its network are up, then connect again.',
    variant: 'danger',
  },
  'target refused the credential': {
    title: 'The target refused the login',
    next: 'Tell an administrator: the stored credential may be out of date.',
    variant: 'danger',
  },
  'target key changed': {
    title: 'The target showed another host key than the approved one',
    next: 'Tell an administrator: nobody connects until it is looked into.',
    variant: 'danger',
    again: false,
  },
  'vault away too long': {
    title: 'The vault has been away too long',
    next: 'Tell the administrator of the gateway, and connect again later.',
    variant: 'danger',
  },
  'shut down': {
    title: 'The gateway shuts down',
    next: 'Connect again in a minute.',
    variant: 'warning',
  },
  'protocol error': {
    title: 'The session ended with a fault',
    next: 'Connect again; if it happens again, tell the administrator of the gateway.',
    variant: 'danger',
  },
  'recorder crashed': {
    title: 'The recorder stopped',
    next: 'Connect again in a minute.',
    variant: 'danger',
  },
}

/**
 * What the message of a session's end says beyond its reason, which the title says: by whom it was terminated, and why.
 * Undefined: nothing.
 */
function moreOf({ message }: Ended, title: string): string | undefined {
  const more = message?.replace(/^your session was terminated(?: |$)/, '') ?? ''
  if (more === '' || more.toLowerCase() === title.toLowerCase()) return undefined
  return /^(?:this session ends because |the time of this session is up$)/.test(more) ? undefined : more
}

/** What a session's last message means, and what to do next. */
export function overOf(message: Ended): Over {
  const { again, ...text } = texts[message.reason]
  const exit =
    message.exit === undefined
      ? ''
      : 'code' in message.exit
        ? ` with exit code ${message.exit.code}`
        : ` by signal ${message.exit.signal}`
  return {
    ...text,
    title: message.reason === 'finished' ? `${text.title}${exit}` : text.title,
    more: moreOf(message, text.title),
    again: again ?? true,
  }
}
