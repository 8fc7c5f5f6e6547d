import type { ServerChannel, Session } from 'ssh2'
import { sizeOf } from './channel-request.ts'
import type { FrontChannel } from './front-channel.ts'
import { sendEof, sendExit } from '../../../vault/ssh/library.ts'
import { tell } from './tell.ts'
import type { Transport } from './transport.ts'

/** The user's end of a channel that an SSH client has opened. `requests` are what it asks beside its bytes. */
export function sshChannel(
  channel: ServerChannel,
  requests: Session,
  transport: Transport,
  hasTerminal: boolean,
): FrontChannel {
  return {
    input: channel,
    output: channel,
    errors: channel.stderr,
    flow: transport,
    listen: ({ resize, signal, gone }) => {
      requests.on('window-change', (accept, _reject, info) => {
        accept?.()
        resize(sizeOf(info))
      })
      requests.on('signal', (accept, reject, info) => (signal(info.name) ? accept?.() : reject?.()))
      requests.on('close', gone)
      channel.on('close', gone)
      channel.on('error', gone)
    },
    sendEof: () => sendEof(channel),
    finish: (exit) => {
      if (exit !== undefined) sendExit(channel, exit)
      sendEof(channel)
      channel.close()
    },
    tell: (text, _reason, within) => tell(channel, hasTerminal, text, within),
    notify: (text, _about, inject) => {
      if (hasTerminal) inject(Buffer.from(`\r\n*** tagout: ${text} ***\r\n`))
    },
  }
}
