import { type DesktopProtocol, isDesktop, type Permit } from '../../../vault/contract.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import type { TargetCredential } from '../../../vault/ssh/target.ts'
import { type Failure, refusedCredential, unreachable } from '../../../vault/ssh/target-failure.ts'
import { needUnverified, notLetIn, type Opener, plainParameters, textOf } from './desktop-login.ts'
import { GuacdConnection, type GuacdPlace, GuacdRefusal } from './guacd-connection.ts'
import { openRdp } from './open-rdp.ts'
import { openTelnet } from './open-telnet.ts'

export type DesktopLogin =
  | {
      readonly kind: 'connected'
      readonly desktop: GuacdConnection
      readonly oldAlgorithms: readonly []
      readonly notices: readonly []
    }
  | ({ readonly kind: 'failed'; readonly notices: readonly [] } & Failure)

/**
 * Has guacd connect to the permit's target and log in there.
 *
 * SECURITY: the one way to a Secret of these protocols. It is disposed of before this resolves. guacd is told what to
 * connect to and how, and nothing else: no files, no recording of its own, the clipboard where the grant allows it.
 */
export async function openDesktop(
  guacd: GuacdPlace | undefined,
  permit: Permit,
  credential: TargetCredential,
  withinMs: number,
): Promise<DesktopLogin> {
  const { target } = permit
  const failed = (failure: Failure): DesktopLogin => ({ kind: 'failed', notices: [], ...failure })
  try {
    if (!isDesktop(target.protocol))
      throw new Fault('protocol', `a target of ${target.protocol} is no desktop`)
    if (credential.kind !== 'password') throw new Fault('protocol', 'a desktop takes a password alone')
    if (guacd === undefined) return failed(off)
    const opened = await openers[target.protocol](guacd, permit, credential.secret, withinMs)
    if (!(opened instanceof GuacdConnection)) return failed(opened)
    return { kind: 'connected', desktop: opened, oldAlgorithms: [], notices: [] }
  } catch (error) {
    if (error instanceof Fault && error.code === 'timeout')
      return failed(unreachable(target.name, `did not answer within ${Math.round(withinMs / 1000)} s`))
    if (error instanceof Fault && error.code === 'closed') return failed(off)
    throw error
  } finally {
    if (credential.kind === 'password') credential.secret[Symbol.dispose]()
  }
}

const openVnc: Opener = async (guacd, permit, password, withinMs) => {
  const { target, account } = permit
  const unapproved = needUnverified(permit)
  if (unapproved !== undefined) return unapproved
  try {
    return await GuacdConnection.begin(
      guacd,
      {
        kind: 'new',
        protocol: 'vnc',
        parameters: {
          hostname: target.host,
          port: String(target.port),
          username: account.login,
          password: textOf(password),
          // A later guacd would make a panel's screen as large as the user's window.
          'disable-display-resize': 'true',
          ...plainParameters(permit),
        },
      },
      withinMs,
    )
  } catch (error) {
    if (!(error instanceof GuacdRefusal)) throw error
    return notLetIn.includes(error.status)
      ? refusedCredential(target.name, account.login)
      : unreachable(
          target.name,
          'could not be reached, or refused the stored password: VNC does not tell which',
          'check that its VNC server runs, then have an administrator check the password',
        )
  }
}

const openers: Readonly<Record<DesktopProtocol, Opener>> = {
  vnc: openVnc,
  rdp: openRdp,
  telnet: openTelnet,
}

const off: Failure = {
  reason: 'target unreachable',
  message: 'desktops are off: guacd does not answer',
  next: 'tell the administrator of the gateway, who sees more with tagout doctor',
}
