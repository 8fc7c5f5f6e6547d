import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { issueServerCertificate, type KeyedCertificate, makeAuthority } from '../../deploy/tls/authority.ts'

/** A mail as the server took it: who it was for, and every byte of it. */
export type TakenMail = { readonly from: string; readonly to: readonly string[]; readonly raw: string }

/** A mail server of its own: STARTTLS by a certificate for `localhost`, a user with a password. */
export type TestMailServer = AsyncDisposable & {
  readonly port: number
  readonly mails: readonly TakenMail[]
  /** Its authority's certificate. */
  readonly ca: string
  /** What it says to a recipient: an error of this code; undefined takes the mail. */
  refuseWith: { readonly code: number; readonly text: string } | undefined
  /** Lines that were sent to it in clear. */
  readonly clear: readonly string[]
}

let authority: Promise<KeyedCertificate> | undefined

/** The authority of all mail servers and receivers of this process. */
export function testAuthority(): Promise<KeyedCertificate> {
  authority ??= makeAuthority(new Date(), 'mail')
  return authority
}

export async function startMailServer(
  options: SMTPServerOptions & { readonly port?: number; readonly withTls?: boolean } = {},
): Promise<TestMailServer> {
  const { port = 0, withTls = true, ...more } = options
  const ca = await testAuthority()
  const { certificate, privateKey } = await issueServerCertificate(ca, ['localhost', '127.0.0.1'], new Date())
  const mails: TakenMail[] = []
  const clear: string[] = []
  const state = { refuseWith: undefined as TestMailServer['refuseWith'] }
  const server = new SMTPServer({
    ...(withTls
      ? { cert: certificate, key: privateKey }
      : { hideSTARTTLS: true, disabledCommands: ['AUTH'] }),
    authOptional: true,
    logger: false,
    onAuth: ({ username, password }, _session, callback) =>
      username === 'tagout' && password === 'mail-password-1'
        ? callback(null, { user: username })
        : callback(new Error('no such user or password')),
    onMailFrom: (_address, session, callback) => {
      if (!session.secure) clear.push('MAIL FROM')
      callback()
    },
    onRcptTo: (_address, _session, callback) => {
      const { refuseWith } = state
      if (refuseWith === undefined) return callback()
      return callback(Object.assign(new Error(refuseWith.text), { responseCode: refuseWith.code }))
    },
    onData: (stream, session, callback) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw: Buffer.concat(chunks).toString('utf8'),
        })
        callback()
      })
    },
    ...more,
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    port: (server.server.address() as AddressInfo).port,
    mails,
    clear,
    ca: ca.certificate,
    get refuseWith() {
      return state.refuseWith
    },
    set refuseWith(value) {
      state.refuseWith = value
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

/** A mail's headers by lower-case name, unfolded, and its text. */
export function parseMail(raw: string): {
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly text: string
} {
  const at = raw.indexOf('\r\n\r\n')
  const headers = new Map<string, string[]>()
  for (const line of raw
    .slice(0, at)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n')) {
    const name = line.slice(0, line.indexOf(':')).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), line.slice(name.length + 1).trim()])
  }
  const body = raw.slice(at + 4)
  const encoding = headers.get('content-transfer-encoding')?.[0]
  const text =
    encoding === 'base64'
      ? Buffer.from(body, 'base64').toString('utf8')
      : encoding === 'quoted-printable'
        ? decodeURIComponent(
            body
              .replace(/=\r\n/g, '')
              .replace(/%/g, '%25')
              .replace(/=([0-9A-F]{2})/g, '%$1'),
          )
        : body
  return { headers, text }
}
