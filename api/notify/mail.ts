import { createTransport } from 'nodemailer'
import type { Envelope } from '../../vault/contract.ts'
import type { MailConfig } from './config.ts'
import { answerOf, type Sent } from './sent.ts'

type Mail = Envelope & { readonly channel: 'mail' }

/** Milliseconds for a mail server to do what it was asked. */
const patience = 30_000

/** Hands a mail to the mail server. What goes wrong is an answer: nothing is thrown. */
export type SendMail = (mail: Mail) => Promise<Sent>

/**
 * Makes what hands mail over, one connection for each: a plant sends few.
 *
 * SECURITY: the server is checked by its certificate and its name, STARTTLS is required where it is used, answers are
 * bounded in length and time, and a mail is text: nothing of it is fetched from a file or an address.
 */
export function makeMailer(config: MailConfig, consoleUrl: string): SendMail {
  const tls = { minVersion: 'TLSv1.2', ...(config.ca === undefined ? {} : { ca: config.ca }) } as const
  const transport = createTransport({
    host: config.host,
    port: config.port,
    secure: config.transport === 'tls',
    requireTLS: config.transport === 'starttls',
    ignoreTLS: config.transport === 'plain',
    ...(config.login === undefined ? {} : { auth: { user: config.login.user, pass: config.login.password } }),
    tls,
    connectionTimeout: patience,
    greetingTimeout: patience,
    socketTimeout: patience,
    dnsTimeout: patience,
    maxResponseSize: 64 * 1024,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  const domain = config.from.slice(config.from.lastIndexOf('@') + 1)
  return async (mail) => {
    try {
      await transport.sendMail({
        // As objects: no part of an address is read as anything else.
        from: { name: 'Tagout', address: config.from },
        to: { name: '', address: mail.to },
        envelope: { from: config.from, to: [mail.to] },
        // A name that looks like an encoded word is not decoded by whoever reads it.
        subject: `Tagout: ${mail.subject.replaceAll('=?', '= ?')}`,
        text: textOf(mail, consoleUrl),
        // The same at each attempt: who gets it twice sees it once.
        messageId: `<${mail.id}@${domain}>`,
        date: new Date(mail.at),
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
      })
      return { kind: 'sent' }
    } catch (error) {
      return answerOf(error, config)
    }
  }
}

/** The text of a mail. The link is a line of its own, so that no program that shows it takes more or less of it. */
export function textOf(mail: Mail, consoleUrl: string): string {
  const until = `${mail.linkUntil.slice(0, 16).replace('T', ' ')} UTC`
  return [
    `${mail.subject}.`,
    ...mail.lines,
    ...(mail.path === null
      ? []
      : [
          '',
          `This opens it once you have signed in, one time, until ${until}:`,
          '',
          `${consoleUrl}${mail.path}`,
          '',
          'The link lets nobody in by itself. Do not pass it on.',
        ]),
    '',
    '-- ',
    `Tagout, ${consoleUrl}`,
    'Which of these you get is set under your name in the console.',
    '',
  ].join('\n')
}
