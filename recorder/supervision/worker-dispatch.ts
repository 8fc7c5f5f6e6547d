import type { EndReason } from '../../vault/contract.ts'
import { recorderCalls } from '../../vault/contract.ts'
import type { SessionId } from '../../vault/kernel/id.ts'
import { done, refuse } from '../../vault/kernel/outcome.ts'
import type { Dispatch } from '../../vault/kernel/rpc.ts'
import { fetchHostKeys } from '../broker/ssh/fetch-host-key.ts'

/** Answers what the vault asks of a worker: cut a session, fetch a target's host keys. */
export function workerDispatch(front: {
  readonly cut: (session: SessionId, reason: EndReason, message: string) => boolean
}): Dispatch {
  return (method) => {
    if (method === 'session.cut')
      return async (params) => {
        const call = recorderCalls['session.cut'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a session.cut')
        const { session, reason, message } = call.data
        return front.cut(session, reason, message)
          ? done(null)
          : refuse('not_found', 'this worker does not carry that session')
      }
    if (method === 'host-key.fetch')
      return async (params) => {
        const call = recorderCalls['host-key.fetch'].safeParse(unwrap(params))
        if (!call.success) return refuse('invalid', 'not a host-key.fetch')
        return fetchHostKeys(call.data.host, call.data.port)
      }
    return undefined
  }
}

/** Calls come as the input itself or, like the vault's own verbs, as `{ input }`. */
function unwrap(params: unknown): unknown {
  return typeof params === 'object' && params !== null && 'input' in params ? params.input : params
}
