import type { Client as SshClient, ClientChannel } from 'ssh2'
import type { ChannelRequest } from './channel-request.ts'
import { type Exit, guardWindow, keepUntilClosed } from '../../../vault/ssh/library.ts'
import { printable } from '../../../vault/ssh/sentence.ts'

/** A channel at the target. `exit` is how its program ended, once that is known. */
export type BackChannel = { readonly channel: ClientChannel; readonly exit: () => Exit | undefined }

/** Opens on the target what the user asked for. Rejects when the target refuses it or is gone. */
export function openBackChannel(
  client: SshClient,
  request: ChannelRequest,
  onViolation: () => void,
): Promise<BackChannel> {
  return new Promise((resolve, reject) => {
    const opened = (error: Error | undefined, channel: ClientChannel) => {
      if (error !== undefined && error !== null) return reject(error)
      // Before anything else runs: data and exit may come in the same packet as the answer.
      let exit: Exit | undefined
      channel.on('exit', (code: number | null, signal?: string, coreDumped?: unknown, message?: string) => {
        exit =
          code === null
            ? {
                signal: printable(signal ?? 'SIGTERM').slice(0, 40),
                coreDumped: coreDumped === true,
                message: printable(message ?? '').slice(0, 200),
              }
            : { code }
      })
      channel.on('error', () => undefined)
      guardWindow(channel, onViolation)
      keepUntilClosed(channel)
      resolve({ channel, exit: () => exit })
    }
    const { terminal, env } = request
    try {
      switch (request.kind) {
        case 'shell':
          client.shell(terminal === undefined ? false : { ...terminal }, { env: { ...env } }, opened)
          return
        case 'exec':
          client.exec(
            request.command,
            { env: { ...env }, ...(terminal === undefined ? {} : { pty: { ...terminal } }) },
            opened,
          )
          return
        case 'sftp':
          client.subsys('sftp', opened)
      }
    } catch (error) {
      reject(error)
    }
  })
}

/**
 * Why the target did not open what the user asked for. A machine that takes one session at a time opens no second one
 * on a connection either (RFC 4254 §5.1).
 */
export function whyNotOpened(
  error: unknown,
  kind: ChannelRequest['kind'],
  session: { readonly liveChannels: number },
): string {
  const what = kind === 'exec' ? 'command' : kind
  const isOpening = error instanceof Error && 'reason' in error
  if (isOpening && session.liveChannels > 1)
    return `the target opens no ${what} beside what is open already: it may allow only so many sessions at a time: close the other one first`
  if (isOpening)
    return `the target let the login in, but opens no session for a ${what}: it may allow only so many at a time: see who else is on it, then try again`
  return `the target does not open a ${what}`
}
