import { once } from 'node:events'
import type { Client } from 'ssh2'
import { Secret } from '../../kernel/secret.ts'
import { logIn } from '../../ssh/target.ts'
import type { Credential, Place, Sent } from '../connector.ts'

/** A login over SSH, or why there is none. */
export type SshLogin = ({ readonly kind: 'open'; readonly client: Client } & AsyncDisposable) | NoLogin

export type NoLogin = {
  readonly kind: 'failed'
  readonly why: string
  /** The machine was asked, and said no. */
  readonly rejected: boolean
  readonly sent: Sent
}

/**
 * Logs in over SSH: to the pinned key alone, with old algorithms where they were allowed, the credential once.
 *
 * SECURITY: the same code that sessions log in with. What it waits for ends with the step's time.
 */
export async function sshLogin(at: Place, credential: Credential): Promise<SshLogin> {
  // A password is borrowed: what logs in disposes of what it is given.
  const own =
    credential.kind === 'password'
      ? {
          kind: 'password' as const,
          secret: credential.secret.expose((bytes) => new Secret(new Uint8Array(bytes))),
        }
      : credential
  const login = await logIn(at, own, at.withinMs)
  if (login.kind === 'failed')
    return {
      kind: 'failed',
      why: login.message,
      rejected: login.given && login.isRefused === true,
      sent: login.given,
    }
  const { client } = login
  const end = () => {
    client.end()
    login.socket.destroy()
  }
  at.signal.addEventListener('abort', end, { once: true })
  if (at.signal.aborted) end()
  return {
    kind: 'open',
    client,
    [Symbol.asyncDispose]: async () => {
      at.signal.removeEventListener('abort', end)
      const closed = login.socket.closed ? undefined : once(login.socket, 'close').catch(() => undefined)
      client.end()
      const timer = setTimeout(() => login.socket.destroy(), 2_000)
      await closed
      clearTimeout(timer)
    },
  }
}
