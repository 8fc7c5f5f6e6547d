import type { Protocol } from '../contract.ts'
import type { Connector } from './connector.ts'
import type { Abilities, Step } from './phases.ts'

/**
 * What the vault knows of a connector without loading it: what it is for and what it can do. Its code is loaded by the
 * worker alone.
 */
export type ConnectorEntry = Pick<Abilities, 'tells' | 'persists' | 'retires' | 'reconciles'> & {
  readonly title: string
  readonly protocols: readonly Protocol[]
  /** What it changes, and what it makes. */
  readonly credential: 'password' | 'ssh-key'
  /** The profile of passwords where an account names none; null: it makes no passwords. */
  readonly profile: string | null
  /**
   * Steps that are done as another account of the same host, and which protocols that one is spoken with by. Missing: an
   * account changes itself.
   */
  readonly through?: { readonly steps: readonly Step[]; readonly protocols: readonly Protocol[] }
  /** What it does is written in a recipe of this format, which accounts name. Missing: it follows none. */
  readonly recipes?: string
  /** Seconds that one step takes at most. */
  readonly seconds: number
  readonly load: () => Promise<Connector>
}

/** All connectors, by the name by which accounts name them. A new one is a file, a row here and a test against the real thing. */
export const connectors: Readonly<Record<string, ConnectorEntry>> = {
  'linux-password': {
    title: 'a password of Linux and other Unix systems, by passwd over SSH',
    protocols: ['ssh'],
    credential: 'password',
    profile: 'linux',
    seconds: 60,
    tells: false,
    persists: false,
    retires: false,
    reconciles: true,
    load: async () => (await import('./connectors/linux-password.ts')).linuxPassword,
  },
  'linux-key': {
    title: 'a key in authorized_keys of Linux and other Unix systems, over SSH',
    protocols: ['ssh'],
    credential: 'ssh-key',
    profile: null,
    seconds: 60,
    tells: false,
    persists: false,
    retires: true,
    reconciles: false,
    load: async () => (await import('./connectors/linux-key.ts')).linuxKey,
  },
  'windows-password': {
    title: 'a password of a local account of Windows, by PowerShell over OpenSSH for Windows',
    protocols: ['ssh'],
    credential: 'password',
    profile: 'windows',
    seconds: 90,
    tells: false,
    persists: false,
    retires: false,
    reconciles: true,
    load: async () => (await import('./connectors/windows-password.ts')).windowsPassword,
  },
  'vnc-password': {
    title: 'the password of a VNC server, in its file on its host, by another account over SSH',
    protocols: ['vnc'],
    credential: 'password',
    profile: 'vnc',
    through: { steps: ['change'], protocols: ['ssh'] },
    seconds: 60,
    tells: false,
    persists: false,
    retires: false,
    reconciles: false,
    load: async () => (await import('./connectors/vnc-password.ts')).vncPassword,
  },
  'ldap-password': {
    title: 'a password of OpenLDAP and other directories that know the password modify operation',
    protocols: ['ldap'],
    credential: 'password',
    profile: 'directory',
    seconds: 45,
    tells: false,
    persists: false,
    retires: false,
    reconciles: true,
    load: async () => (await import('./connectors/ldap-password.ts')).ldapPassword,
  },
  'ad-password': {
    title: 'a password of Active Directory, at a domain controller',
    protocols: ['ldap'],
    credential: 'password',
    profile: 'windows',
    seconds: 45,
    tells: false,
    persists: false,
    retires: false,
    reconciles: true,
    load: async () => (await import('./connectors/ad-password.ts')).adPassword,
  },
  'postgresql-role': {
    title: 'the password of a role of PostgreSQL',
    protocols: ['postgresql'],
    credential: 'password',
    profile: 'database',
    seconds: 45,
    tells: false,
    persists: false,
    retires: false,
    reconciles: true,
    load: async () => (await import('./connectors/postgresql-role.ts')).postgresqlRole,
  },
  'mysql-user': {
    title: 'the password of a user of MariaDB or MySQL',
    protocols: ['mysql'],
    credential: 'password',
    profile: 'database',
    seconds: 45,
    tells: false,
    persists: false,
    retires: false,
    reconciles: true,
    load: async () => (await import('./connectors/mysql-user.ts')).mysqlUser,
  },
  's7-web-api': {
    title: 'a user of a Siemens S7-1500 or S7-1200 (firmware 3.1 or later), by its web API',
    protocols: ['https'],
    credential: 'password',
    profile: 's7-1500',
    seconds: 60,
    tells: true,
    persists: false,
    retires: false,
    reconciles: false,
    load: async () => (await import('./connectors/s7-web-api.ts')).s7WebApi,
  },
  'network-cli': {
    title:
      'a password of a switch, a router or another machine with a command line, by a recipe, over SSH or Telnet',
    protocols: ['ssh', 'telnet'],
    credential: 'password',
    profile: 'switch',
    recipes: 'tagout/network-cli/1',
    seconds: 120,
    tells: false,
    persists: true,
    retires: false,
    reconciles: true,
    load: async () => (await import('./connectors/network-cli.ts')).networkCli,
  },
  'http-recipe': {
    title: 'a password of a device or a server with a web page or an API, by a recipe, over HTTPS',
    protocols: ['https'],
    credential: 'password',
    profile: 'web',
    recipes: 'tagout/http/1',
    seconds: 120,
    tells: false,
    persists: true,
    retires: true,
    reconciles: true,
    load: async () => (await import('./connectors/http-recipe.ts')).httpRecipe,
  },
}

export function connectorOf(name: string | null): ConnectorEntry | undefined {
  return name !== null && Object.hasOwn(connectors, name) ? connectors[name] : undefined
}
