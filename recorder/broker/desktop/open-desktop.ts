import { type DesktopProtocol, isDesktop, type Permit } from '../../../vault/contract.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import type { TargetCredential } from '../../../vault/ssh/target.ts'
import { type Failure, refusedCredential, unreachable } from '../../../vault/ssh/target-failure.ts'
import { needUnverified, notLetIn, type Opener, plainParameters, textOf, unreached } from './desktop-login.ts'
import { GuacdConnection, type GuacdPlace, GuacdRefusal } from './guacd-connection.ts'
import { greetingOf } from './guacd-door.ts'
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
      : await whyNotVnc(permit)
  }
}

/** Milliseconds for a machine of which guacd says nothing to show whether it is there. */
const lookWithin = 3_000

/** guacd tells a wrong password of VNC from a machine that is off by nothing: who answers at its address is looked at. */
async function whyNotVnc({ target, account }: Permit): Promise<Failure> {
  const check = 'check that its VNC server runs, and its port'
  let greeting: string
  try {
    greeting = await greetingOf(target.host, target.port, lookWithin)
  } catch (error) {
    return unreached(target.name, error as NodeJS.ErrnoException, check)
  }
  if (!greeting.startsWith('RFB ')) return unreachable(target.name, 'answers, and does not speak VNC', check)
  return {
    ...refusedCredential(target.name, account.login),
    message: `${target.name} answers, and did not let ${account.login} in: it refused the stored password, or takes nobody more now`,
    next: 'ask an administrator to check the password; after several wrong ones many machines let nobody in for a while',
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
