import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { VerbInput } from '../../vault/contract.ts'
import { type DirectoryCertificates, makeDirectoryCertificates } from './directory-certificates.ts'
import { freePort } from './ports.ts'

/** Why no OpenLDAP server can run here, or undefined. */
export function whyNoSlapd(): string | undefined {
  return existsSync('/usr/sbin/slapd') ? undefined : 'slapd is not installed (deploy/test-packages.txt)'
}

export const slapdBase = 'dc=plant,dc=example'
export const slapdReader = `cn=tagout,${slapdBase}`
export const slapdSecret = 'reader-of-the-plant-4711'
const root = `cn=root,${slapdBase}`
const rootSecret = 'root-of-the-plant'

export type TestSlapd = AsyncDisposable & {
  readonly url: string
  readonly certificates: DirectoryCertificates
  readonly settings: (more?: object) => Extract<VerbInput<'directory.add'>['settings'], { kind: 'ldap' }>
  /** Changes entries, by LDIF with change types. */
  readonly change: (ldif: string) => void
  readonly addPerson: (uid: string, password?: string, more?: readonly string[]) => void
  readonly removePerson: (uid: string) => void
  /** Sets the members of a group; it is made where it is not there. */
  readonly group: (cn: string, members: readonly string[]) => void
  readonly groupDn: (cn: string) => string
  readonly dn: (uid: string) => string
  /** Attributes of an entry as the server has them, operational ones too. */
  readonly read: (dn: string, ...attributes: readonly string[]) => string
  /** May somebody bind as this person by that password, past Tagout? */
  readonly binds: (uid: string, password: string) => boolean
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
  /** Ends it, and starts it again with another certificate. */
  readonly renew: () => Promise<void>
}

export const peoplesPassword = 'corporate-Passw0rd!'

/** OpenLDAP over TLS on a free port, with its data in a folder of its own. `lockAfter`: wrong passwords. */
export async function startSlapd(
  options: {
    readonly lockAfter?: number
    readonly config?: readonly string[]
    /** A loopback address at whose port 389 it answers in clear too, for StartTLS. */
    readonly clearAt?: string
  } = {},
): Promise<TestSlapd> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-slapd-'))
  mkdirSync(join(folder, 'data'))
  let certificates = makeDirectoryCertificates(folder)
  const port = await freePort()
  const url = `ldaps://127.0.0.1:${port}`
  const conf = join(folder, 'slapd.conf')
  const schema = (name: string) => `include /etc/ldap/schema/${name}.schema`
  writeFileSync(
    conf,
    [
      ...['core', 'cosine', 'nis', 'inetorgperson'].map(schema),
      'modulepath /usr/lib/ldap',
      'moduleload back_mdb',
      'moduleload ppolicy',
      `pidfile ${join(folder, 'pid')}`,
      `TLSCACertificateFile ${certificates.files.ca}`,
      `TLSCertificateFile ${certificates.files.certificate}`,
      `TLSCertificateKeyFile ${certificates.files.key}`,
      'allow bind_anon_cred bind_anon_dn',
      'database mdb',
      `suffix "${slapdBase}"`,
      `rootdn "${root}"`,
      `rootpw ${rootSecret}`,
      `directory ${join(folder, 'data')}`,
      'maxsize 16777216',
      'dbnosync',
      // What strangers may see: the entries, and nothing of who is in which group.
      `access to attrs=userPassword by self =xw by dn.exact="uid=keeper,ou=people,${slapdBase}" =xw by anonymous auth by * none`,
      `access to attrs=member,memberUid by dn.exact="${slapdReader}" read by * none`,
      `access to * by dn.exact="${slapdReader}" read by anonymous read by * none`,
      'overlay ppolicy',
      `ppolicy_default "cn=policy,${slapdBase}"`,
      ...(options.config ?? []),
    ].join('\n'),
  )
  let child: ChildProcess | undefined
  const env = { ...process.env, LDAPTLS_CACERT: certificates.files.ca }
  const tool = (name: string, args: readonly string[], input = '') =>
    execFileSync(name, [...args], { env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
  const start = async () => {
    const urls = options.clearAt === undefined ? url : `${url} ldap://${options.clearAt}:389`
    child = spawn('/usr/sbin/slapd', ['-h', urls, '-f', conf, '-d', '0'], { stdio: 'ignore' })
    const until = Date.now() + 20_000
    while (true) {
      try {
        tool('ldapsearch', ['-x', '-H', url, '-s', 'base', '-b', '', 'namingContexts'])
        return
      } catch (error) {
        if (Date.now() > until || child.exitCode !== null) throw error
        await wait(50)
      }
    }
  }
  const stop = async () => {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null) return
    const gone = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGKILL')
    await gone
  }
  await start()
  const change = (ldif: string) => {
    tool('ldapmodify', ['-x', '-H', url, '-D', root, '-w', rootSecret], ldif)
  }
  const dn = (uid: string) => `uid=${uid},ou=people,${slapdBase}`
  const groupDn = (cn: string) => `cn=${cn},ou=groups,${slapdBase}`
  const entry = (at: string, lines: readonly string[]) =>
    change(`dn: ${at}\nchangetype: add\n${lines.join('\n')}\n`)
  entry(slapdBase, ['objectClass: dcObject', 'objectClass: organization', 'o: plant', 'dc: plant'])
  for (const ou of ['people', 'groups'])
    entry(`ou=${ou},${slapdBase}`, ['objectClass: organizationalUnit', `ou: ${ou}`])
  entry(slapdReader, [
    'objectClass: organizationalRole',
    'objectClass: simpleSecurityObject',
    'cn: tagout',
    `userPassword: ${slapdSecret}`,
  ])
  entry(`cn=policy,${slapdBase}`, [
    'objectClass: person',
    'objectClass: pwdPolicy',
    'cn: policy',
    'sn: policy',
    'pwdAttribute: userPassword',
    'pwdLockout: TRUE',
    `pwdMaxFailure: ${options.lockAfter ?? 5}`,
    'pwdFailureCountInterval: 1800',
  ])
  const groups = new Set<string>()
  return {
    url,
    get certificates() {
      return certificates
    },
    settings: (more = {}) => ({
      kind: 'ldap',
      flavour: 'ldap',
      url,
      certificates: certificates.ca,
      base: slapdBase,
      userFilter: null,
      bindName: slapdReader,
      wrongPasswords: 3,
      ...more,
    }),
    change,
    addPerson: (uid, password = peoplesPassword, more = []) =>
      entry(dn(uid), [
        'objectClass: inetOrgPerson',
        'objectClass: shadowAccount',
        `uid: ${uid}`,
        `cn: ${uid}`,
        `sn: ${uid}`,
        `userPassword: ${password}`,
        ...more,
      ]),
    removePerson: (uid) => change(`dn: ${dn(uid)}\nchangetype: delete\n`),
    group: (cn, members) => {
      const list = members.map((one) => `member: ${one.includes('=') ? one : dn(one)}`)
      if (groups.has(cn))
        change(
          `dn: ${groupDn(cn)}\nchangetype: modify\nreplace: member\n${list.length === 0 ? `member: ${root}` : list.join('\n')}\n`,
        )
      else
        entry(groupDn(cn), [
          'objectClass: groupOfNames',
          `cn: ${cn}`,
          ...(list.length === 0 ? [`member: ${root}`] : list),
        ])
      groups.add(cn)
    },
    groupDn,
    dn,
    read: (at, ...attributes) =>
      tool('ldapsearch', [
        '-x',
        '-LLL',
        '-o',
        'ldif-wrap=no',
        '-H',
        url,
        '-D',
        root,
        '-w',
        rootSecret,
        '-s',
        'base',
        '-b',
        at,
        ...attributes,
      ]),
    binds: (uid, password) => {
      try {
        tool('ldapwhoami', ['-x', '-H', url, '-D', dn(uid), '-w', password])
        return true
      } catch {
        return false
      }
    },
    stop,
    start,
    renew: async () => {
      await stop()
      certificates = makeDirectoryCertificates(folder)
      await start()
    },
    [Symbol.asyncDispose]: async () => {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
