import type { HostKeySeen, RotatedProtocol } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { reachTls } from './connect.ts'
import { seenCertificate } from './seen-certificate.ts'

/** The certificate that a target presents which opens no session. Logs in to nothing. */
export async function lookAtCertificate(
  protocol: RotatedProtocol,
  host: string,
  port: number,
): Promise<Outcome<readonly HostKeySeen[]>> {
  using looked = new DisposableStack()
  const over = new AbortController()
  looked.defer(() => over.abort())
  const reached = await reachTls(protocol, { name: `${host}:${port}`, host, port }, over.signal)
  return reached.kind === 'open'
    ? done([seenCertificate(reached.certificate)])
    : refuse('unavailable', reached.why, 'check its address, that it is on, and that it is set up for TLS')
}
