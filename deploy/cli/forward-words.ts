import type { SessionView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { misuse } from './complaint.ts'

type Forwarding = Pick<SessionView, 'account' | 'forward'>

/** The account of a session or recording; of a forwarding, where to as well: `jump-1/service to plc-7:102`. */
export function accountCell(row: Forwarding & { readonly breakGlass?: string | null }): string {
  const { account, forward, breakGlass = null } = row
  return `${account}${forward === null ? '' : ` to ${forward.to}`}${breakGlass === null ? '' : ' (break-glass)'}`
}

/** Where a forwarding went, and what it carried as far as that is known; nothing of any other session. */
export function forwardFacts({ forward }: Forwarding): readonly (readonly [string, string])[] {
  if (forward === null) return []
  const { to, connections, bytesUp, bytesDown } = forward
  const carried =
    connections === null
      ? ''
      : `: ${count(connections, 'connection')}, ${count(bytesUp ?? 0, 'byte')} there, ${bytesDown ?? 0} back`
  return [['forwarding to', `${to}${carried}`]]
}

/** `host:port` as it is typed at an option, an IPv6 address in brackets. */
export function parseDestination(
  option: string,
  text: string,
): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  if (host === '')
    throw misuse(`${option}: ${JSON.stringify(text)} is not a destination`, 'write host:port, like plc-7:102')
  return { host, port: Number(port) }
}
