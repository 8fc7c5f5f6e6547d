import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { VerbInput } from '../../vault/contract.ts'
import { type DirectoryCertificates, makeDirectoryCertificates } from './directory-certificates.ts'

/** Why no domain controller can run here, or undefined. */
export function whyNoSambaAd(): string | undefined {
  if (process.getuid?.() !== 0) return 'a test domain controller needs root (its port is 636)'
  if (!existsSync('/usr/bin/samba-tool') || !existsSync('/usr/share/samba/setup'))
    return 'samba is not installed as a domain controller (deploy/test-packages.txt)'
  return undefined
}

export const adBase = 'DC=plant,DC=example'
export const adPassword = 'corporate-Passw0rd!'
export const adReader = 'tagout@plant.example'
export const adSecret = 'Reader-of-the-plant-4711'
const administrator = 'Adm1n-of-the-plant!'

export type TestSambaAd = AsyncDisposable & {
  readonly certificates: DirectoryCertificates
  readonly settings: (more?: object) => Extract<VerbInput<'directory.add'>['settings'], { kind: 'ldap' }>
  /** samba-tool, on the controller's own tables: `user create bob …`. */
  readonly tool: (...args: readonly string[]) => string
  readonly addUser: (name: string) => void
  /** Changes entries, by LDIF with change types. */
  readonly change: (ldif: string) => void
  readonly dn: (name: string) => string
}

/** Samba as an Active Directory domain controller that serves LDAP alone, at a loopback address of its own. */
export async function startSambaAd(): Promise<TestSambaAd> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-ad-'))
  const address = `127.${randomInt(64, 128)}.${randomInt(1, 255)}.${randomInt(2, 255)}`
  const domain = join(folder, 'dc')
  const certificates = makeDirectoryCertificates(folder, 'dc.plant.example', address)
  chmodSync(certificates.files.key, 0o600)
  mkdirSync(join(folder, 'run'))
  const env = { ...process.env, PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LDAPTLS_CACERT: certificates.files.ca }
  const run = (program: string, args: readonly string[], input = '') =>
    execFileSync(program, [...args], { env, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
  const onlyHere = [`--option=interfaces=${address}/8`, '--option=bind interfaces only=yes']
  run('samba-tool', [
    ...['domain', 'provision', '--realm=PLANT.EXAMPLE', '--domain=PLANT', '--server-role=dc'],
    ...[
      '--dns-backend=NONE',
      `--adminpass=${administrator}`,
      `--targetdir=${domain}`,
      `--host-ip=${address}`,
    ],
    ...onlyHere,
  ])
  const conf = join(domain, 'etc', 'smb.conf')
  const child: ChildProcess = spawn(
    'samba',
    [
      ...[
        '-F',
        '--no-process-group',
        '-M',
        'single',
        '-s',
        conf,
        '--option=server services=ldap',
        ...onlyHere,
      ],
      `--option=tls keyfile=${certificates.files.key}`,
      `--option=tls certfile=${certificates.files.certificate}`,
      `--option=tls cafile=${certificates.files.ca}`,
      `--option=pid directory=${join(folder, 'run')}`,
      `--option=ncalrpc dir=${join(folder, 'run', 'ncalrpc')}`,
      `--option=log file=${join(folder, 'log')}`,
    ],
    { env, stdio: 'ignore' },
  )
  const url = `ldaps://${address}`
  const until = Date.now() + 60_000
  for (;;) {
    try {
      run('ldapsearch', ['-x', '-H', url, '-s', 'base', '-b', '', 'namingContexts'])
      break
    } catch (error) {
      if (Date.now() > until || child.exitCode !== null) {
        child.kill('SIGKILL')
        throw error
      }
      await wait(100)
    }
  }
  const tool = (...args: readonly string[]) =>
    run('samba-tool', [...args, '-H', join(domain, 'private', 'sam.ldb'), '-s', conf])
  const addUser = (name: string) => {
    tool('user', 'create', name, adPassword)
  }
  tool('user', 'create', 'tagout', adSecret)
  return {
    certificates,
    settings: (more = {}) => ({
      kind: 'ldap',
      flavour: 'active-directory',
      url,
      certificates: certificates.ca,
      base: adBase,
      userFilter: null,
      bindName: adReader,
      wrongPasswords: 3,
      ...more,
    }),
    tool,
    addUser,
    change: (ldif) => {
      run('ldapmodify', ['-x', '-H', url, '-D', 'Administrator@plant.example', '-w', administrator], ldif)
    },
    dn: (name) => `CN=${name},CN=Users,${adBase}`,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) {
        const gone = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGKILL')
        await gone
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}
