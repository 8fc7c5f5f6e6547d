import type { MailConfig } from './config.ts'

/** What became of an attempt. `forGood`: another would end the same way. */
export type Sent =
  | { readonly kind: 'sent' }
  | { readonly kind: 'failed'; readonly why: string; readonly forGood: boolean }

/** What went wrong at a mail server, in a sentence. */
export function answerOf(error: unknown, { host, port }: Pick<MailConfig, 'host' | 'port'>): Sent {
  const { code, responseCode, response, command, message } = partsOf(error)
  const said = response === undefined ? '' : `: ${oneLine(response)}`
  const at = `${host}:${port}`
  if (code === 'EAUTH') return failed(`the mail server ${at} refused our user and password${said}`)
  if (responseCode !== undefined && responseCode >= 500 && ['RCPT TO', 'DATA'].includes(command ?? ''))
    return failed(`the mail server ${at} refused this mail${said}`, true)
  if (responseCode !== undefined) return failed(`the mail server ${at} did not take this mail${said}`)
  if (code === 'ETLS' || /certificate|altnames|TLS|SSL/i.test(message ?? ''))
    return failed(`the mail server ${at} could not be trusted, or offers no TLS`)
  // The reason of the system is in the message alone; the rest of that may be anything.
  const reason = /\bE[A-Z]{4,20}\b/.exec(message ?? '')?.[0] ?? code ?? 'unknown'
  return failed(`the mail server ${at} could not be reached (${reason})`)
}

/** Text from elsewhere: one line, and not a long one. */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, 160)
}

function failed(why: string, forGood = false): Sent {
  return { kind: 'failed', why: why.slice(0, 300), forGood }
}

function partsOf(error: unknown) {
  const found = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  return {
    code: text(found.code),
    responseCode: typeof found.responseCode === 'number' ? found.responseCode : undefined,
    response: text(found.response),
    command: text(found.command),
    message: text(found.message),
  }
}
