import type { Permit } from '../../../vault/contract.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import type { TargetCredential } from '../ssh/target.ts'
import { type Failure, refusedCredential, unreachable } from '../ssh/target-failure.ts'
import { GuacdConnection, type GuacdPlace, GuacdRefusal } from './guacd-connection.ts'

export type DesktopLogin =
  | {
      readonly kind: 'connected'
      readonly desktop: GuacdConnection
      readonly oldAlgorithms: readonly []
      readonly notices: readonly []
    }
  | ({ readonly kind: 'failed'; readonly notices: readonly [] } & Failure)

/** What the Guacamole protocol calls "not let in": 0x301 and 0x303. */
const notLetIn = [0x301, 0x303]

/**
 * Has guacd connect to the permit's target and log in there.
 *
 * SECURITY: the one place of this protocol that looks into a Secret. It is disposed of before this resolves. guacd is
 * told what to connect to and how, and nothing else: no files, no clipboard, no recording of its own.
 */
export async function openDesktop(
  guacd: GuacdPlace | undefined,
  permit: Permit,
  credential: TargetCredential,
  withinMs: number,
): Promise<DesktopLogin> {
  const { target, account } = permit
  const failed = (failure: Failure): DesktopLogin => ({ kind: 'failed', notices: [], ...failure })
  try {
    // INVARIANT: no connection to a target whose identity nobody has approved, as one that cannot be verified here.
    if (target.pins.length === 0) throw new Fault('protocol', 'a target that nobody has approved')
    if (credential.kind !== 'password') throw new Fault('protocol', 'a desktop takes a password alone')
    if (guacd === undefined) return failed(off)
    const password = credential.secret.expose((bytes) => Buffer.from(bytes).toString('utf8'))
    const desktop = await GuacdConnection.begin(
      guacd,
      {
        kind: 'new',
        protocol: 'vnc',
        parameters: {
          hostname: target.host,
          port: String(target.port),
          username: account.login,
          password,
          'read-only': permit.actions.includes('interact') ? '' : 'true',
          'disable-copy': 'true',
          'disable-paste': 'true',
        },
      },
      withinMs,
    )
    return { kind: 'connected', desktop, oldAlgorithms: [], notices: [] }
  } catch (error) {
    if (error instanceof GuacdRefusal)
      return failed(
        notLetIn.includes(error.status)
          ? refusedCredential(target.name, account.login)
          : unreachable(
              target.name,
              'could not be reached, or refused the stored password: VNC does not tell which',
              'check that its VNC server runs, then have an administrator check the password',
            ),
      )
    if (error instanceof Fault && error.code === 'timeout')
      return failed(unreachable(target.name, `did not answer within ${Math.round(withinMs / 1000)} s`))
    if (error instanceof Fault && error.code === 'closed') return failed(off)
    throw error
  } finally {
    if (credential.kind === 'password') credential.secret[Symbol.dispose]()
  }
}

const off: Failure = {
  reason: 'target unreachable',
  message: 'desktops are off: guacd does not answer',
  next: 'tell the administrator of the gateway, who sees more with tagout doctor',
}
