import type { EndReason } from '../../vault/contract.ts'
import { recorderCalls } from '../../vault/contract.ts'
import type { SessionId, WatchId } from '../../vault/kernel/id.ts'
import { done, refuse } from '../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../vault/kernel/rpc.ts'
import { fetchCertificate } from '../broker/desktop/open-rdp.ts'
import { lookAtCertificate } from '../../vault/tls/look.ts'
import { fetchHostKeys } from '../broker/ssh/fetch-host-key.ts'

/** What a worker does with its sessions on the vault's word. Undefined and false: it does not carry that one. */
export type Carried = {
  readonly cut: (session: SessionId, reason: EndReason, message: string) => boolean
  readonly freeze: (
    session: SessionId,
    frozen: boolean,
    order: { readonly by: string; readonly reason: string; readonly waits: boolean },
    hands: WatchId | null,
  ) => boolean
  readonly extend: (session: SessionId, endsAt: string) => boolean
  readonly message: (session: SessionId, by: string, text: string) => number | undefined
}

/** What a worker shows to watchers. */
export type Shown = { readonly cut: (watch: WatchId, message: string) => boolean }

/**
 * Answers what the vault asks of a worker: cut, freeze or extend a session, write to its user, fetch a target's host keys. The
 * SSH server may not be there yet.
 */
export function workerDispatch(
  carried: () => Carried | undefined,
  shown: () => Shown | undefined = () => undefined,
): Dispatch {
  const notCarried = refuse('not_found', 'this worker does not carry that session')
  return (method) => {
    if (method === 'session.cut')
      return async (params) => {
        const call = recorderCalls['session.cut'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a session.cut')
        const { session, reason, message } = call.data
        return carried()?.cut(session, reason, message) === true ? done(null) : notCarried
      }
    if (method === 'session.freeze')
      return async (params) => {
        const call = recorderCalls['session.freeze'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a session.freeze')
        const { session, frozen, hands, ...order } = call.data
        return carried()?.freeze(session, frozen, order, hands ?? null) === true ? done(null) : notCarried
      }
    if (method === 'session.extend')
      return async (params) => {
        const call = recorderCalls['session.extend'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a session.extend')
        return carried()?.extend(call.data.session, call.data.endsAt) === true ? done(null) : notCarried
      }
    if (method === 'watch.cut')
      return async (params) => {
        const call = recorderCalls['watch.cut'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a watch.cut')
        return shown()?.cut(call.data.watch, call.data.message) === true
          ? done(null)
          : refuse('not_found', 'this worker does not show that')
      }
    if (method === 'session.message')
      return async (params) => {
        const call = recorderCalls['session.message'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a session.message')
        const { session, by, text } = call.data
        const terminals = carried()?.message(session, by, text)
        return terminals === undefined ? notCarried : done({ terminals })
      }
    if (method === 'host-key.fetch')
      return async (params) => {
        const call = recorderCalls['host-key.fetch'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a host-key.fetch')
        return fetchHostKeys(call.data.host, call.data.port)
      }
    if (method === 'certificate.fetch')
      return async (params) => {
        const call = recorderCalls['certificate.fetch'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a certificate.fetch')
        const { host, port, protocol, security } = call.data
        return protocol === 'rdp'
          ? fetchCertificate(host, port, security ?? 'nla')
          : lookAtCertificate(protocol, host, port)
      }
    return undefined
  }
}

/** Calls come as the input itself or, like the vault's own verbs, as `{ input }`. */
function unwrap(params: unknown): unknown {
  return typeof params === 'object' && params !== null && 'input' in params ? params.input : params
}
