import type { Envelope } from '../../vault/contract.ts'
import { lookEvery } from '../look.ts'
import type { AskVault } from '../vault-link.ts'
import type { NotifyConfig } from './config.ts'
import { makeMailer } from './mail.ts'
import type { Sent } from './sent.ts'
import { makePost } from './webhook.ts'

/** Milliseconds between two looks at what is due. */
const every = 1_000
/** How many are sent at once. */
const most = 10

export type SenderPorts = {
  readonly ask: AskVault
  readonly onFault: (error: unknown) => void
}

/**
 * Sends what the vault has written for people and for the webhook. The vault keeps what waits: this holds nothing, and
 * where it dies, another takes up what it had.
 */
export function startSender(config: NotifyConfig, consoleUrl: string, ports: SenderPorts): AsyncDisposable {
  const sendMail =
    config.mail === undefined ? undefined : makeMailer(config.mail, config.consoleUrl ?? consoleUrl)
  const sendWebhook = makePost({
    ...config.webhook,
    named: 'the webhook',
    setting: 'notify.webhook.loopback',
  })
  const mail =
    config.mail === undefined
      ? null
      : { server: `${config.mail.host}:${config.mail.port}`, from: config.mail.from }
  const send = (envelope: Envelope): Promise<Sent> => {
    if (envelope.channel === 'webhook') return sendWebhook(envelope)
    if (sendMail !== undefined) return sendMail(envelope)
    return Promise.resolve({ kind: 'failed', why: 'no mail is set up', forGood: false })
  }
  const sendOne = async (envelope: Envelope) => {
    const sent = await send(envelope)
    await ports.ask('notification.done', {
      notification: envelope.id,
      ...(sent.kind === 'sent' ? {} : { error: sent.why, forGood: sent.forGood }),
    })
  }
  const look = async () => {
    for (;;) {
      const due = await ports.ask('notification.take', { mail, limit: most })
      // Sealed, or not initialised yet: there will be another second.
      if (!due.ok || due.value.length === 0) return
      await Promise.all(due.value.map(sendOne))
    }
  }
  return lookEvery(every, look, ports.onFault)
}
