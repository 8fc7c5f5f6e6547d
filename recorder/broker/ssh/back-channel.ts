import type { Client as SshClient, ClientChannel } from 'ssh2'
import type { ChannelRequest } from './channel-request.ts'
import { type Exit, guardWindow, keepUntilClosed } from './library.ts'
import { printable } from './sentence.ts'

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
