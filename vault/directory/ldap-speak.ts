import { X509Certificate } from 'node:crypto'
import tls from 'node:tls'
import {
  AndFilter,
  Client,
  EqualityFilter,
  ExtensibleFilter,
  type Filter,
  FilterParser,
  InvalidCredentialsError,
  NoSuchObjectError,
  ResultCodeError,
} from 'ldapts'
import type { LdapFlavour, LdapSettings } from '../contract.ts'

/**
 * LDAP, in the process that speaks with a directory. Nothing of it is loaded by the vault.
 *
 * Traps of ldapts, each with a test (test/attack/vault/directory-hostile.test.ts): a connection that breaks is opened again without the bind, and then reads what
 * strangers may read; a name that is a SASL mechanism's binds by that; a size limit of ours cuts an answer short
 * without a word; what a server sends is taken without end.
 */
export type LdapQuestion = { readonly settings: LdapSettings; readonly secret: string } & (
  | { readonly do: 'read'; readonly groups: readonly string[] }
  | { readonly do: 'authenticate'; readonly subject: string; readonly password: string }
)

export const ldapWhys = [
  'away', // it cannot be reached
  'tls', // it is not the one that it should be
  'bind', // it does not let the vault in
  'group', // a mapped group is not there
  'base', // the base is not there
  'filter', // the filter is none
  'failed', // anything else
] as const
export type LdapWhy = (typeof ldapWhys)[number]

export type LdapPerson = {
  readonly subject: string
  readonly login: string
  readonly disabled: string | null
  /** Places in the question's groups. */
  readonly groups: readonly number[]
}
/** `right`: the password is theirs. The rest says why nobody signs in by it. */
export const verdicts = ['right', 'wrong', 'gone', 'disabled', 'locked', 'must-change'] as const
export type Verdict = (typeof verdicts)[number]

export type LdapAnswer =
  | { readonly ok: false; readonly why: LdapWhy; readonly detail: string }
  | {
      readonly ok: true
      readonly people: readonly LdapPerson[]
      readonly members: readonly number[]
      readonly all: number
      /** Until when its certificate is good, as TLS says it; null: it does not say. */
      readonly certificateUntil: string | null
    }
  | { readonly ok: true; readonly verdict: Verdict }

class Refused extends Error {
  readonly why: LdapWhy

  constructor(why: LdapWhy, detail = '') {
    super(detail)
    this.why = why
  }
}

export async function speakLdap(question: LdapQuestion): Promise<LdapAnswer> {
  try {
    return question.do === 'read' ? await read(question) : { ok: true, verdict: await authenticate(question) }
  } catch (error) {
    if (error instanceof Refused) return { ok: false, why: error.why, detail: error.message }
    if (error instanceof ResultCodeError) return { ok: false, why: 'failed', detail: `result ${error.code}` }
    const isAway = error instanceof Error && /^(Connection|Socket)|timed out/.test(error.message)
    return { ok: false, why: isAway ? 'away' : 'failed', detail: codeOf(error) }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

// ---------------------------------------------------------------- connections

const mostBytes = 32 * 1024 * 1024
const answerMs = 15_000

type Connection = {
  readonly client: Client /** Why it broke, if it did. */
  readonly failure: () => Refused | undefined
}

/** SECURITY: TLS from the first byte, to a directory that these certificates vouch for. */
/** Until when the certificate of a connection's other side is good. */
const untils = new WeakMap<Client, string>()

function open(settings: LdapSettings): Connection {
  const own = new Set(
    (settings.certificates.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
      (pem) => fingerprint(pem),
    ),
  )
  const { hostname } = new URL(settings.url.replace(/^ldaps/i, 'https'))
  const host = hostname.replace(/^\[|\]$/g, '')
  let failure: Refused | undefined
  const client = new Client({
    url: settings.url,
    connectTimeout: 8_000,
    timeout: answerMs,
    createSecureConnection: ((port: number) => {
      const socket = tls.connect({
        host,
        port,
        ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
        ca: settings.certificates,
        allowPartialTrustChain: true,
        minVersion: 'TLSv1.2',
        // A certificate that was itself given is that directory's, whatever name is on it.
        checkServerIdentity: (name, certificate) =>
          own.has(certificate.fingerprint256) ? undefined : tls.checkServerIdentity(name, certificate),
      })
      socket.once('secureConnect', () => {
        const { valid_to: until } = socket.getPeerCertificate()
        if (typeof until === 'string') untils.set(client, until)
      })
      let bytes = 0
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > mostBytes) socket.destroy(new Error('too much'))
      })
      socket.once('error', (error) => {
        const code = codeOf(error)
        const isTls = /CERT|SSL|TLS|SELF_SIGNED|ISSUER|VERIFY/.test(code)
        failure = new Refused(isTls ? 'tls' : 'away', code)
      })
      return socket
    }) as typeof tls.connect,
  })
  return { client, failure: () => failure }
}

function fingerprint(pem: string): string {
  try {
    return new X509Certificate(pem).fingerprint256
  } catch {
    return ''
  }
}

/** Connects as whom the vault reads the directory. */
async function bindAsVault({ settings, secret }: LdapQuestion): Promise<Client> {
  try {
    return await bind(open(settings), settings.bindName, secret)
  } catch (error) {
    throw error instanceof InvalidCredentialsError ? new Refused('bind') : error
  }
}

/**
 * Connects as somebody.
 *
 * SECURITY: a bind without a name or a password is one of nobody, which servers answer with success (RFC 4513 §5.1);
 * a name without `=`, `@` or `\` might be taken for a mechanism of SASL.
 */
async function bind({ client, failure }: Connection, name: string, password: string): Promise<Client> {
  if (password === '' || !/[=@\\]/.test(name)) throw new Refused('bind', 'no name or password')
  try {
    await client.bind(name, password)
    if (!client.isBound) throw new Refused('away', 'closed')
    return client
  } catch (error) {
    await close(client)
    if (error instanceof ResultCodeError) throw error
    throw failure() ?? new Refused('away', codeOf(error))
  }
}

async function close(client: Client): Promise<void> {
  await client.unbind().catch(() => {})
}

type Found = Readonly<Record<string, Buffer | Buffer[] | string[] | string>>

/** Searches over the connection that was bound, and over no other: one that was opened anew is a stranger's. */
async function search(
  client: Client,
  base: string,
  options: {
    readonly filter: Filter | string
    readonly scope: 'base' | 'sub'
    readonly attributes: string[]
    readonly buffers?: string[]
  },
): Promise<readonly Found[]> {
  if (!client.isBound) throw new Refused('away', 'closed')
  const found = await client.search(base, {
    filter: options.filter,
    scope: options.scope,
    attributes: options.attributes,
    explicitBufferAttributes: options.buffers ?? [],
    derefAliases: 'never',
    ...(options.scope === 'sub' ? { paged: { pageSize: 500 } } : {}),
  })
  if (!client.isBound) throw new Refused('away', 'closed')
  // Referrals to other servers are not followed: nobody said that those are to be trusted.
  return found.searchEntries
}

// ---------------------------------------------------------------- people

type Flavour = {
  readonly people: string
  readonly login: string
  readonly subject: string
  readonly attributes: readonly string[]
  readonly subjectOf: (found: Found) => string
  readonly subjectFilter: (subject: string) => Filter
  readonly disabledBy: (found: Found, now: number) => string | null
}

const text = (value: Found[string] | undefined): string => {
  const one = Array.isArray(value) ? value[0] : value
  return one === undefined ? '' : typeof one === 'string' ? one : one.toString('utf8')
}
const texts = (value: Found[string] | undefined): readonly string[] =>
  (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((one) =>
    typeof one === 'string' ? one : one.toString('utf8'),
  )

/** Milliseconds between 1601, where Windows begins to count, and 1970. */
const epochOffset = 11_644_473_600_000n
const never = 9_223_372_036_854_775_807n

const flavours: Readonly<Record<LdapFlavour, Flavour>> = {
  'active-directory': {
    people: '(&(objectCategory=person)(objectClass=user))',
    login: 'sAMAccountName',
    subject: 'objectGUID',
    attributes: ['userAccountControl', 'accountExpires'],
    subjectOf: ({ objectGUID }) =>
      Buffer.isBuffer(objectGUID) && objectGUID.length === 16 ? objectGUID.toString('hex') : '',
    subjectFilter: (subject) =>
      new EqualityFilter({ attribute: 'objectGUID', value: Buffer.from(subject, 'hex') }),
    disabledBy: (found, now) => {
      const flags = Number(text(found['userAccountControl']) || 'NaN')
      // Whoever may not read it could not tell who is disabled.
      if (!Number.isInteger(flags)) return 'disabled (their userAccountControl cannot be read)'
      if ((flags & 2) !== 0) return 'disabled'
      const expires = text(found['accountExpires'])
      if (!/^\d+$/.test(expires) || BigInt(expires) === 0n || BigInt(expires) === never) return null
      return Number(BigInt(expires) / 10_000n - epochOffset) <= now ? 'expired' : null
    },
  },
  ldap: {
    people: '(&(objectClass=person)(uid=*))',
    login: 'uid',
    subject: 'entryUUID',
    attributes: ['shadowExpire', 'pwdAccountLockedTime', 'nsAccountLock'],
    subjectOf: ({ entryUUID }) => text(entryUUID).toLowerCase(),
    subjectFilter: (subject) => new EqualityFilter({ attribute: 'entryUUID', value: subject }),
    disabledBy: (found, now) => {
      if (text(found['pwdAccountLockedTime']) === '000001010000Z') return 'disabled'
      if (text(found['nsAccountLock']).toLowerCase() === 'true') return 'disabled'
      const days = text(found['shadowExpire'])
      return /^\d+$/.test(days) && Number(days) * 86_400_000 <= now ? 'expired' : null
    },
  },
}

function attributesOf(flavour: Flavour): string[] {
  return [flavour.login, flavour.subject, ...flavour.attributes]
}

function peopleFilter(settings: LdapSettings): Filter {
  try {
    return FilterParser.parseString(settings.userFilter ?? flavours[settings.flavour].people)
  } catch {
    throw new Refused('filter')
  }
}

/** Names of entries as they are compared: letters and spaces are no difference. */
const sameDn = (dn: string) =>
  dn
    .toLowerCase()
    .replaceAll(/\s*([,=+])\s*/g, '$1')
    .trim()

async function read(question: LdapQuestion & { readonly do: 'read' }): Promise<LdapAnswer> {
  const { settings, groups } = question
  const flavour = flavours[settings.flavour]
  const client = await bindAsVault(question)
  try {
    const filter = peopleFilter(settings)
    const everybody = await people(client, settings, flavour, filter)
    const members: (readonly string[])[] = []
    for (const group of groups)
      members.push(
        settings.flavour === 'active-directory'
          ? await membersByChain(client, settings, filter, group)
          : await membersByList(client, group, everybody),
      )
    const now = Date.now()
    const inSome = [...everybody].flatMap(([dn, found]) => {
      const of = members.flatMap((dns, at) => (dns.includes(dn) ? [at] : []))
      return of.length === 0
        ? []
        : [
            {
              subject: flavour.subjectOf(found),
              login: text(found[flavour.login]),
              disabled: flavour.disabledBy(found, now),
              groups: of,
            },
          ]
    })
    // Without it nobody could be told from somebody else who is called the same later.
    if (inSome.some(({ subject, login }) => subject === '' || login === ''))
      throw new Refused('failed', `${flavour.subject} or ${flavour.login} of somebody cannot be read`)
    return {
      ok: true,
      people: inSome,
      members: members.map((dns) => dns.length),
      all: everybody.size,
      certificateUntil: untils.get(client) ?? null,
    }
  } finally {
    await close(client)
  }
}

async function people(
  client: Client,
  settings: LdapSettings,
  flavour: Flavour,
  filter: Filter,
): Promise<ReadonlyMap<string, Found>> {
  try {
    const found = await search(client, settings.base, {
      filter,
      scope: 'sub',
      attributes: attributesOf(flavour),
      buffers: ['objectGUID'],
    })
    return new Map(found.map((one) => [sameDn(text(one['dn'])), one]))
  } catch (error) {
    throw error instanceof NoSuchObjectError ? new Refused('base') : error
  }
}

/** Active Directory follows groups in groups itself. */
async function membersByChain(
  client: Client,
  settings: LdapSettings,
  filter: Filter,
  group: string,
): Promise<readonly string[]> {
  await groupAt(client, group)
  const inGroup = new ExtensibleFilter({
    matchType: 'memberOf',
    rule: '1.2.840.113556.1.4.1941',
    value: group,
  })
  const found = await search(client, settings.base, {
    filter: new AndFilter({ filters: [filter, inGroup] }),
    scope: 'sub',
    attributes: ['cn'],
  })
  return found.map((one) => sameDn(text(one['dn'])))
}

async function groupAt(client: Client, group: string): Promise<Found> {
  try {
    const [found] = await search(client, group, {
      filter: '(objectClass=*)',
      scope: 'base',
      attributes: ['member', 'uniqueMember', 'memberUid'],
    })
    if (found !== undefined) return found
  } catch (error) {
    if (!(error instanceof ResultCodeError) || ![32, 34].includes(error.code)) throw error
  }
  throw new Refused('group', group)
}

/** How deep groups may lie in groups, and how many of them are looked into. */
const deepest = 5
const mostGroups = 500

async function membersByList(
  client: Client,
  group: string,
  everybody: ReadonlyMap<string, Found>,
): Promise<readonly string[]> {
  const byUid = new Map([...everybody].map(([dn, found]) => [text(found['uid']), dn]))
  const members = new Set<string>()
  const seen = new Set([sameDn(group)])
  let level = [await groupAt(client, group)]
  for (let depth = 0; level.length > 0 && depth < deepest; depth += 1) {
    const next: Found[] = []
    for (const found of level) {
      for (const uid of texts(found['memberUid'])) {
        const dn = byUid.get(uid)
        if (dn !== undefined) members.add(dn)
      }
      for (const given of [...texts(found['member']), ...texts(found['uniqueMember'])]) {
        const dn = sameDn(given)
        if (everybody.has(dn)) members.add(dn)
        else if (given !== '' && !seen.has(dn) && seen.size < mostGroups) {
          seen.add(dn)
          const inner = await groupAt(client, given).catch((error: unknown) => {
            if (error instanceof Refused && error.why === 'group') return undefined
            throw error
          })
          if (inner !== undefined) next.push(inner)
        }
      }
    }
    level = next
  }
  return [...members]
}

// ---------------------------------------------------------------- passwords

/** What Active Directory says beside result 49, in the text of its refusal. */
const told: Readonly<Record<string, Verdict>> = {
  '525': 'gone',
  '532': 'must-change',
  '533': 'disabled',
  '701': 'disabled',
  '773': 'must-change',
  '775': 'locked',
}

/**
 * Is this the password of the person of this subject? They are found by it, never by a name that somebody typed.
 *
 * SECURITY: the directory is asked as that person, over a connection of its own, with a password that is not empty.
 */
async function authenticate(question: LdapQuestion & { readonly do: 'authenticate' }): Promise<Verdict> {
  const { settings, subject, password } = question
  if (password === '') return 'wrong'
  const flavour = flavours[settings.flavour]
  const reader = await bindAsVault(question)
  let dn: string
  try {
    const found = await search(reader, settings.base, {
      filter: new AndFilter({ filters: [peopleFilter(settings), flavour.subjectFilter(subject)] }),
      scope: 'sub',
      attributes: attributesOf(flavour),
      buffers: ['objectGUID'],
    })
    const [one, another] = found
    if (one === undefined || another !== undefined || flavour.subjectOf(one) !== subject) return 'gone'
    if (flavour.disabledBy(one, Date.now()) !== null) return 'disabled'
    dn = text(one['dn'])
  } finally {
    await close(reader)
  }
  try {
    await close(await bind(open(settings), dn, password))
    return 'right'
  } catch (error) {
    if (!(error instanceof InvalidCredentialsError)) throw error
    return told[/, data ([0-9a-f]{3}),/.exec(error.message)?.[1] ?? ''] ?? 'wrong'
  }
}
