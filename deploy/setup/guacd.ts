import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withoutServices } from './quiet-services.mjs'

/** Where distributions and builds from source put it. */
const usualPlaces = ['/usr/sbin/guacd', '/usr/local/sbin/guacd', '/usr/bin/guacd']

/** Its support for VNC, RDP and Telnet; in packages of their own in Debian. */
const packages = ['guacd', 'libguac-client-vnc0', 'libguac-client-rdp0', 'libguac-client-telnet0']

/**
 * What Debian 12 lacks, from Debian 11: versions and SHA-256 of the files. Everything else that they need Debian 12 has.
 * The libraries of OpenSSL 1.1 serve a listener with TLS, which is not used; whatever guacd connects to, it does with OpenSSL 3.
 */
const older = [
  ['guacd', '1.3.0-1+b1', 'fb9401df8378545d51c286543250f28de7c1e926408859678f4731aa198de03d'],
  ['libguac19', '1.3.0-1+b1', 'd63531c44f79c3382e668e9b5682a8882f055961cb960588d9b48d9dec931d7e'],
  ['libguac-client-rdp0', '1.3.0-1+b1', '51e3b58a2f08719752e4938b74ad69f9586366af9062817c427eea67bdb49144'],
  ['libguac-client-vnc0', '1.3.0-1+b1', 'c0debc499a00823c6d58ba7c98ad5b567ba80ea407a4fc68ae3d0c6330d79775'],
  ['libguac-client-ssh0', '1.3.0-1+b1', 'fed42b213d65a8f6895feca6c590f3a72d090ef750ef21f2566763acf53c81fa'],
  [
    'libguac-client-telnet0',
    '1.3.0-1+b1',
    '5ab81f53b31cbaab40d0875bff4843186893d44161bf7d3840148bd42e392da7',
  ],
  ['libssl1.1', '1.1.1w-0+deb11u8', 'dcc68a543de6cb955a57077b66dcdb15f61d1e31e072f2c6cc4082c37da1b00d'],
  ['libwebp6', '0.6.1-2.1+deb11u2', '8abc2b1ca77a458bbbcdeb6af5d85316260977370fa2518d017222b3584d9653'],
] as const

/** The program on this machine, or undefined. */
export function findGuacd(places: readonly string[] = usualPlaces): string | undefined {
  return places.find((place) => existsSync(place))
}

/**
 * Installs guacd where it is missing: from the distribution, and on Debian 12 from the release before. Nothing is
 * upgraded or removed, no source is left in /etc/apt, and no service is started. Root only. Answers why it could not be.
 */
export function installGuacd(
  say: (line: string) => void,
  places: readonly string[] = usualPlaces,
): string | undefined {
  if (findGuacd(places) !== undefined) return undefined
  if (process.getuid?.() !== 0) return 'installing it takes root'
  if (!existsSync('/usr/bin/apt-get')) return 'there is no apt-get here'
  return withoutServices(() => {
    run('apt-get', ['-qq', ...patience, 'update'])
    const why = isInDistribution()
      ? installPackages(packages)
      : isDebian12()
        ? installOlder(say)
        : 'neither this distribution nor the release before it has guacd'
    // Its own service would be a second one, which everybody on the machine can use.
    run('update-rc.d', ['guacd', 'disable'])
    if (existsSync('/run/systemd/system')) run('systemctl', ['disable', '--now', 'guacd'])
    return (
      why ??
      (findGuacd(places) === undefined
        ? 'its packages are installed, and the program is not there'
        : undefined)
    )
  })
}

/** A server that does not answer must not hold anything up for long. */
const patience = [
  '-o',
  'Acquire::Retries=1',
  '-o',
  'Acquire::http::Timeout=15',
  '-o',
  'DPkg::Lock::Timeout=300',
]

function isInDistribution(): boolean {
  const { out } = run('apt-cache', ['policy', 'guacd'])
  return /^ +Candidate: (?!\(none\))/m.test(out)
}

function isDebian12(): boolean {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const isDebian = /^ID=debian$/m.test(release) && /^VERSION_ID="?12"?$/m.test(release)
  return isDebian && process.arch === 'x64' && existsSync(keyring)
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** The mirrors that this machine itself uses: they are reachable, and somebody chose them. */
function mirrors(): { readonly main: string; readonly security: string } | undefined {
  const { out } = run('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(CODENAME)',
    'Identifier: Packages',
  ])
  const uriOf = (codename: string) =>
    out
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, name]) => name === codename)?.[0]
  const main = uriOf('bookworm')
  const security = uriOf('bookworm-security')
  return main === undefined || security === undefined ? undefined : { main, security }
}

/** SECURITY: the private apt checks Debian's signature over the index, and the files must be the very ones named above. */
function installOlder(say: (line: string) => void): string | undefined {
  const found = mirrors()
  if (found === undefined) return 'apt knows no mirror of Debian 12 and of its security updates'
  const folder = mkdtempSync(join(tmpdir(), 'tagout-guacd-'))
  // apt fetches as a user of its own.
  chmodSync(folder, 0o755)
  try {
    const conf = privateApt(folder, found)
    const apt = (...args: readonly string[]) =>
      run('apt-get', ['-qq', ...patience, ...args], { cwd: folder, env: { APT_CONFIG: conf } })
    say('fetching guacd from Debian 11')
    const updated = apt('update')
    if (!updated.ok) return `the index of Debian 11 could not be fetched: ${updated.words}`
    const fetched = apt('download', ...older.map(([name, version]) => `${name}=${version}`))
    if (!fetched.ok) return `the packages of Debian 11 could not be fetched: ${fetched.words}`
    const files = older.map(([name, version, sha256]) => {
      const file = readdirSync(folder).find((one) => one.startsWith(`${name}_`) && one.endsWith('.deb'))
      const path = join(folder, file ?? '')
      const isRight =
        file !== undefined && createHash('sha256').update(readFileSync(path)).digest('hex') === sha256
      return { name: `${name} ${version}`, path, isRight }
    })
    const wrong = files.find(({ isRight }) => !isRight)
    if (wrong !== undefined) return `${wrong.name} is not the file that was looked at when this was made`
    return installPackages(files.map(({ path }) => path))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** An apt with sources, lists and cache of its own, which knows nothing of what is installed. */
function privateApt(folder: string, { main, security }: { main: string; security: string }): string {
  for (const name of ['lists/partial', 'cache/archives/partial', 'etc'])
    mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(
    join(folder, 'etc', 'sources.list'),
    [
      `deb [signed-by=${keyring}] ${main} bullseye main`,
      `deb [signed-by=${keyring}] ${security} bullseye-security main`,
      '',
    ].join('\n'),
  )
  const conf = join(folder, 'etc', 'apt.conf')
  writeFileSync(
    conf,
    [
      `Dir::Etc "${folder}/etc";`,
      'Dir::Etc::parts "/dev/null"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";',
      `Dir::State::lists "${folder}/lists"; Dir::Cache "${folder}/cache";`,
      'Dir::State::status "/dev/null";',
      'APT::Architecture "amd64"; APT::Architectures { "amd64"; };',
      '',
    ].join('\n'),
  )
  return conf
}

/** Installs `wanted` with the machine's own apt, after a rehearsal that finds nothing to be upgraded or removed. */
function installPackages(wanted: readonly string[]): string | undefined {
  const args = ['--no-install-recommends', '--no-remove', ...wanted]
  const rehearsal = run('apt-get', ['-qq', '-s', 'install', ...args])
  if (!rehearsal.ok) return `apt-get would not install it: ${rehearsal.words}`
  // `Inst name [the version that is installed] (the new one …)`: an upgrade has the first, `Remv` is a removal.
  const touched = /^(?:Remv (\S+)|Inst (\S+) \[)/m.exec(rehearsal.out)
  if (touched !== null) return `it would change ${touched[1] ?? touched[2]}, which is installed`
  const done = run('apt-get', ['-qq', ...patience, '-y', 'install', ...args])
  return done.ok ? undefined : `apt-get failed: ${done.words}`
}

function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
) {
  const { status, stdout, stderr, error } = spawnSync(program, [...args], {
    encoding: 'utf8',
    timeout: 10 * 60_000,
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.cwd ?? '/',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C', ...options.env },
  })
  const words = (error?.message ?? stderr ?? '').trim().split('\n').slice(-2).join(' ').slice(0, 300)
  return { ok: status === 0, out: stdout ?? '', words }
}
