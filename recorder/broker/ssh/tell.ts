import type { ServerChannel } from 'ssh2'
import { sendEof, sendExit } from '../../../vault/ssh/library.ts'

/** The exit code of a channel that the gateway refused or ended: the one that ssh itself uses for its own errors. */
export const gatewayExitCode = 255

/**
 * Tells the user one sentence, gives exit status 255 and closes the channel. Resolves when the sentence was taken by
 * the client, or after `within` milliseconds.
 *
 * With a terminal the sentence goes to it, else to standard error.
 */
export function tell(
  channel: ServerChannel,
  hasTerminal: boolean,
  text: string | undefined,
  within: number,
): Promise<void> {
  return new Promise((resolve) => {
    let isOver = false
    const over = () => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      try {
        sendEof(channel)
        sendExit(channel, { code: gatewayExitCode })
        channel.close()
      } catch {
        // The connection is gone.
      }
      resolve()
    }
    const timer = setTimeout(over, within)
    channel.on('error', over)
    channel.on('close', over)
    // What the client still sends is of no use any more.
    channel.resume()
    try {
      if (text === undefined) over()
      else if (hasTerminal) channel.write(`\r\ntagout: ${text}\r\n`, over)
      else channel.stderr.write(`tagout: ${text}\n`, over)
    } catch {
      over()
    }
  })
}
