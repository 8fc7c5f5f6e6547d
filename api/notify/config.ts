import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { mailAddress } from '../../vault/contract.ts'
import { Fault } from '../../vault/index.ts'
import { isLoopback } from '../loopback.ts'

/** The mail server that mail is handed to. */
export type MailConfig = {
  readonly host: string
  readonly port: number
  /** `tls`: from the first byte; `starttls`: required, never hoped for; `plain`: to this machine, or asked for. */
  readonly transport: 'tls' | 'starttls' | 'plain'
  readonly from: string
  readonly login: { readonly user: string; readonly password: string } | undefined
  /** Certificates of authorities (PEM) to trust instead of the public ones. */
  readonly ca: string | undefined
}

export type NotifyConfig = {
  readonly mail: MailConfig | undefined
  /** Where people reach the console; undefined: where it listens. */
  readonly consoleUrl: string | undefined
  readonly webhook: { readonly ca: string | undefined; readonly loopback: boolean }
}

/** `notify` in tagout.json. */
export const notifyFile = z.strictObject({
  consoleUrl: z.string().max(300).optional(),
  smtp: z
    .strictObject({
      url: z.string().max(300).optional(),
      from: z.string().max(254).optional(),
      user: z.string().min(1).max(254).optional(),
      passwordFile: z.string().min(1).max(4096).optional(),
      caFile: z.string().min(1).max(4096).optional(),
      plain: z.boolean().optional(),
    })
    .optional(),
  webhook: z
    .strictObject({ caFile: z.string().min(1).max(4096).optional(), loopback: z.boolean().optional() })
    .optional(),
})

type Given = { readonly value: string; readonly named: string }

/**
 * Reads where mail is handed over, and how: environment first, then `notify` of `tagout.json`. Throws
 * `Fault('configuration')` that names the variable or the member, and the fix; a password is never in it.
 */
export function readNotifyConfig(
  file: z.infer<typeof notifyFile>,
  env: NodeJS.ProcessEnv,
  dataDir: string,
): NotifyConfig {
  const given = (variable: string, member: string, value: string | undefined): Given | undefined => {
    const text = env[variable]
    if (text) return { value: text, named: variable }
    return value === undefined ? undefined : { value, named: `notify.${member}` }
  }
  const smtp = file.smtp ?? {}
  const url = given('TAGOUT_SMTP_URL', 'smtp.url', smtp.url)
  const from = given('TAGOUT_SMTP_FROM', 'smtp.from', smtp.from)
  const user = given('TAGOUT_SMTP_USER', 'smtp.user', smtp.user)
  const passwordFile = given('TAGOUT_SMTP_PASSWORD_FILE', 'smtp.passwordFile', smtp.passwordFile)
  const ca = given('TAGOUT_SMTP_CA', 'smtp.caFile', smtp.caFile)
  const plain = isYes('TAGOUT_SMTP_PLAIN', env.TAGOUT_SMTP_PLAIN) ?? smtp.plain ?? false
  const webhookCa = given('TAGOUT_WEBHOOK_CA', 'webhook.caFile', file.webhook?.caFile)
  const read = (one: Given | undefined) => (one === undefined ? undefined : readGiven(one, dataDir))
  return {
    mail:
      url === undefined
        ? noMail([from, user, passwordFile, ca])
        : mailOf(url, plain, from, user, passwordFile, read(passwordFile)?.trim(), read(ca)),
    consoleUrl: consoleUrlOf(given('TAGOUT_CONSOLE_URL', 'consoleUrl', file.consoleUrl)),
    webhook: {
      ca: read(webhookCa),
      loopback:
        isYes('TAGOUT_WEBHOOK_LOOPBACK', env.TAGOUT_WEBHOOK_LOOPBACK) ?? file.webhook?.loopback ?? false,
    },
  }
}

function noMail(others: readonly (Given | undefined)[]): undefined {
  const lost = others.find((one) => one !== undefined)
  if (lost !== undefined)
    throw new Fault(
      'configuration',
      `${lost.named} is set and TAGOUT_SMTP_URL is not: say which mail server, as smtp://mail.plant.example:587 or smtps://mail.plant.example`,
    )
  return undefined
}

function mailOf(
  url: Given,
  plain: boolean,
  from: Given | undefined,
  user: Given | undefined,
  passwordFile: Given | undefined,
  password: string | undefined,
  ca: string | undefined,
): MailConfig {
  const parsed = URL.canParse(url.value) ? new URL(url.value) : undefined
  // SECURITY: the sentence does not quote the URL, it may hold a password.
  if (parsed === undefined || !['smtp:', 'smtps:'].includes(parsed.protocol) || parsed.hostname === '')
    throw new Fault(
      'configuration',
      `${url.named} is no mail server: write smtp://mail.plant.example:587 (STARTTLS) or smtps://mail.plant.example`,
    )
  if (parsed.password !== '' || parsed.username !== '')
    throw new Fault(
      'configuration',
      `${url.named} holds a name or a password: name the user by TAGOUT_SMTP_USER and the file with the password by TAGOUT_SMTP_PASSWORD_FILE`,
    )
  if (!['', '/'].includes(parsed.pathname) || parsed.search !== '' || parsed.hash !== '')
    throw new Fault('configuration', `${url.named} names more than a host and a port: leave the rest out`)
  if (from === undefined || !mailAddress.safeParse(from.value).success)
    throw new Fault(
      'configuration',
      `${from?.named ?? 'TAGOUT_SMTP_FROM'} is no mail address: say from whom mail comes, as tagout@plant.example`,
    )
  if ((user === undefined) !== (passwordFile === undefined))
    throw new Fault(
      'configuration',
      'TAGOUT_SMTP_USER and TAGOUT_SMTP_PASSWORD_FILE go together: give both, or neither',
    )
  if (password === '')
    throw new Fault(
      'configuration',
      `the file of ${passwordFile?.named} is empty: write the password into it`,
    )
  const host = parsed.hostname.replace(/^\[|\]$/g, '')
  const tls = parsed.protocol === 'smtps:'
  if (plain && tls)
    throw new Fault(
      'configuration',
      `${url.named} is smtps and TAGOUT_SMTP_PLAIN asks for no TLS: choose one`,
    )
  if (plain && user !== undefined && !isLoopback(host))
    throw new Fault(
      'configuration',
      `TAGOUT_SMTP_PLAIN would send the password to ${host} in clear: leave it out, or the user and password`,
    )
  return {
    host,
    port: parsed.port === '' ? (tls ? 465 : plain ? 25 : 587) : Number(parsed.port),
    transport: tls ? 'tls' : plain ? 'plain' : 'starttls',
    from: from.value,
    login: user === undefined || password === undefined ? undefined : { user: user.value, password },
    ca,
  }
}

function consoleUrlOf(given: Given | undefined): string | undefined {
  if (given === undefined) return undefined
  const url = URL.canParse(given.value) ? new URL(given.value) : undefined
  const isGood =
    url !== undefined &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)))
  if (!isGood)
    throw new Fault(
      'configuration',
      `${given.named} is not where people reach the console: write https://tagout.plant.example, without a path`,
    )
  return url.origin
}

function readGiven({ value, named }: Given, dataDir: string): string {
  const path = resolve(dataDir, value)
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Fault(
      'configuration',
      `${named} names ${path}, which cannot be read (${code}): let the api's user read it, or correct the path`,
    )
  }
}

function isYes(variable: string, text: string | undefined): boolean | undefined {
  if (text === undefined || text === '') return undefined
  if (['1', 'true', 'yes'].includes(text)) return true
  if (['0', 'false', 'no'].includes(text)) return false
  throw new Fault('configuration', `${variable} is neither yes nor no: give 1 or 0`)
}
