import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'
import { writeFor } from '../supervisor/data-folder.ts'
import { holdFolder, readPlaneFile } from '../supervisor/plane-folder.ts'
import type { GivenCertificate, GivenFile, Settings } from '../supervisor/settings.ts'
import type { RunAs } from '../supervisor/system-user.ts'
import { issueServerCertificate, type KeyedCertificate, makeAuthority, whyRenew } from './authority.ts'

/** Where the api finds what it serves with. */
export type ServerFiles = {
  readonly variables: Readonly<Record<string, string>>
  /** A sentence when something was made or replaced. */
  readonly changed: string | undefined
}

/**
 * Puts certificate and key where the api reads them (`api/tls/`): the site's own, checked, or one of the
 * installation's authority, made on the first start and renewed a month before it expires or when names change.
 *
 * SECURITY: the authority's key stays in the supervisor's folder; the api's user cannot read it. The api can change
 * what its own folder holds: nothing there is followed, see `holdFolder`.
 */
export async function provideCertificate(
  dataDir: string,
  settings: Settings,
  api: RunAs | undefined,
  now: Date,
): Promise<ServerFiles> {
  if (settings.http.plain) return { variables: {}, changed: undefined }
  const folder = join(dataDir, 'api', 'tls')
  using held = holdFolder(folder, api)
  if (settings.certificate !== undefined) {
    const given = readGiven(settings.certificate)
    const files = { certFile: join(folder, 'given.crt'), keyFile: join(folder, 'given.key') }
    const before = readPlaneFile(held.at('given.crt'))
    const isNew = before !== given.certificate || readPlaneFile(held.at('given.key')) !== given.privateKey
    writeFor(api, held.at('given.key'), given.privateKey, 0o600)
    writeFor(api, held.at('given.crt'), given.certificate, 0o644)
    return {
      variables: { TAGOUT_HTTP_TLS_CERT: files.certFile, TAGOUT_HTTP_TLS_KEY: files.keyFile },
      changed: isNew ? `took the certificate of ${settings.certificate.cert.named}` : undefined,
    }
  }
  for (const name of ['given.crt', 'given.key']) rmSync(held.at(name), { force: true })
  const authority = await ownAuthority(dataDir, now)
  writeFor(api, held.at('ca.crt'), authority.certificate, 0o644)
  const names = namesOf(settings)
  const present = readPlaneFile(held.at('server.crt'))
  const why =
    present !== undefined && readPlaneFile(held.at('server.key')) !== undefined
      ? whyRenewPresent(present, authority.certificate, names, now)
      : 'there is none yet'
  if (why === undefined) return { variables: {}, changed: undefined }
  const made = await issueServerCertificate(authority, names, now)
  writeFor(api, held.at('server.key'), made.privateKey, 0o600)
  writeFor(api, held.at('server.crt'), made.certificate + authority.certificate, 0o644)
  return { variables: {}, changed: `made a server certificate (${why})` }
}

function whyRenewPresent(...present: Parameters<typeof whyRenew>): string | undefined {
  try {
    return whyRenew(...present)
  } catch {
    return 'what was there is none'
  }
}

async function ownAuthority(dataDir: string, now: Date): Promise<KeyedCertificate> {
  const folder = join(dataDir, 'supervisor', 'ca')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const files = { certificate: join(folder, 'ca.crt'), privateKey: join(folder, 'ca.key') }
  if (existsSync(files.certificate) && existsSync(files.privateKey))
    return {
      certificate: readFileSync(files.certificate, 'utf8'),
      privateKey: readFileSync(files.privateKey, 'utf8'),
    }
  const made = await makeAuthority(now, randomBytes(3).toString('hex'))
  writeFor(undefined, files.privateKey, made.privateKey, 0o600)
  writeFor(undefined, files.certificate, made.certificate, 0o644)
  return made
}

/** The names and addresses under which the console may be reached. */
function namesOf(settings: Settings): readonly string[] {
  const { host } = settings.http
  const everywhere = ['0.0.0.0', '::'].includes(host)
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((entry) => !entry.internal && !entry.address.startsWith('fe80'))
    .map((entry) => entry.address)
  const names = ['localhost', hostname(), '127.0.0.1', '::1', ...settings.names]
  return [...new Set([...names, ...(everywhere ? addresses : [host])])]
}

/** Reads a site's own certificate and key. Throws `Fault('configuration')` where they cannot be served with. */
export function readGiven(given: GivenCertificate): KeyedCertificate {
  const read = ({ path, named }: GivenFile) => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
      throw new Fault(
        'configuration',
        `${named} names ${path}, which cannot be read (${code}): correct the path or its mode`,
      )
    }
  }
  const certificate = read(given.cert)
  const privateKey = read(given.key)
  const parse = <T>({ path, named }: GivenFile, what: string, make: () => T): T => {
    try {
      return make()
    } catch {
      throw new Fault('configuration', `${named} names ${path}, which holds no ${what}: give one`)
    }
  }
  const leaf = parse(given.cert, 'certificate in PEM', () => new X509Certificate(certificate))
  const key = parse(given.key, 'unencrypted private key in PEM', () => createPrivateKey(privateKey))
  if (!leaf.checkPrivateKey(key))
    throw new Fault(
      'configuration',
      `the key of ${given.key.named} is not that of the certificate of ${given.cert.named}: give the two that belong together`,
    )
  return { certificate, privateKey }
}

/**
 * Says what browsers will hold against a site's own certificate, or nothing. It is served all the same: an expired one
 * must not keep people from the machines.
 */
export function doubtOfGiven(given: GivenCertificate, now: Date): string | undefined {
  const { validFromDate, validToDate } = new X509Certificate(readFileSync(given.cert.path, 'utf8'))
  const day = (date: Date) => date.toISOString().slice(0, 10)
  const where = `the certificate of ${given.cert.named}`
  if (validToDate <= now)
    return `${where} expired on ${day(validToDate)}, and browsers refuse it: renew it and start again`
  if (validFromDate > now)
    return `${where} is not valid before ${day(validFromDate)}: check the clock, or give the present one`
  return undefined
}
