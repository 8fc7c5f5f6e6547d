import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sodium from 'libsodium-wrappers'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ownerDatabaseUrl } from '../../deploy/backup/database.ts'
import { readIdentity } from '../../vault/auditors/index.ts'
import { combineShares } from '../../vault/keys/custodians.ts'
import { unwrapRoot } from '../../vault/keys/seal-provider.ts'
import { parseShare } from '../../vault/keys/share.ts'
import { argon2idOfNode } from '../../vault/auditors/argon2-node.ts'
import { totpCode, totpStep } from '../../vault/identity/totp.ts'
import { makeSealedLoginPassword } from '../../vault/intake.ts'
import { type Canary, CanaryScan, formsOf } from '../support/canary.ts'
import { tagout as runTagout } from '../support/cli.ts'
import { runProgram, startTestInstallation, type TestInstallation, until } from '../support/installation.ts'
import { enrolmentBox } from '../support/enrolment.ts'
import { fromBase32 } from '../support/totp.ts'
import { type SoftHsm, softHsmModule, startSoftHsm, whyNoSoftHsm } from '../support/softhsm.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'
import { openTerminal } from '../support/terminal-user.ts'

/**
 * One run through everything that handles a secret, then a search of everything that is left of it: security is that
 * none of these canaries is anywhere but where it was put.
 */
const why = whyNoSshd()
if (why !== undefined) console.warn(`the canary test is left out: ${why}`)

const whyNoToken = whyNoSoftHsm()
if (whyNoToken !== undefined) console.warn(`the PIN of a token is left out: ${whyNoToken}`)

const token = () => randomBytes(9).toString('base64url')
const secrets = {
  wrongPassword: `wrong-${token()}`,
  unusedPassword: `pä¢🔑-${token()}`,
  keyPassphrase: `phrase-${token()}`,
  auditorPassphrase: `auditor-${token()}`,
  tokenPin: `pin-${token()}`,
  userPassword: `user-${token()}`,
  guessedPassword: `guess-${token()}`,
  typedWithoutEcho: `typed${token().replace(/[^a-z0-9]/gi, 'x')}`,
}

let target: TestSshd
let keyTarget: TestSshd
let installation: TestInstallation
let folder: string
/** Where the data folder is: its users may reach it. */
let dataRoom: string
let hsm: SoftHsm | undefined
const canaries: Canary[] = []
/** What was said to somebody, by whom it was said. */
const said: { readonly sink: string; readonly text: string | Uint8Array }[] = []
/** Secrets that are revealed on purpose, and must come out exactly there. */
let revealed = ''
/** What is searched while it happens: it is gone afterwards. */
const seenInProc = new Set<string>()

/** In this process, where it starts in no time; what it says is what the program says. */
const tagout = async (args: readonly string[], stdin?: string) => {
  const ran = await runTagout(args, {
    env: { TAGOUT_DATA: installation.dataDir, HOME: folder },
    ...(stdin === undefined ? {} : { stdin }),
  })
  said.push({ sink: `tagout ${args.slice(0, 2).join(' ')}`, text: `${ran.out}\n${ran.err}` })
  return ran
}
const must = async (args: readonly string[], stdin?: string) => {
  const ran = await tagout(args, stdin)
  expect(ran.code, `${args.join(' ')}: ${ran.err}`).toBe(0)
  return ran.out
}

/** Looks at the command line and environment of each process that comes up, and again at the end. */
function watchProcesses(): Disposable {
  const known = new Set<string>()
  const look = (pid: string) => {
    for (const what of ['cmdline', 'environ', 'comm'])
      try {
        seenInProc.add(readFileSync(`/proc/${pid}/${what}`, 'latin1'))
      } catch {
        // It has ended.
      }
  }
  const pids = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  const timer = setInterval(() => {
    for (const pid of pids()) {
      if (known.has(pid)) continue
      known.add(pid)
      look(pid)
    }
  }, 50)
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer)
      for (const pid of pids()) look(pid)
    },
  }
}

async function http(method: string, path: string, body?: object, cookie?: string) {
  const url = new URL(path, installation.console)
  const sent = request(url, {
    method,
    rejectUnauthorized: false,
    headers: {
      origin: url.origin,
      'sec-fetch-site': 'same-origin',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(cookie === undefined ? {} : { cookie }),
    },
  })
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const [response] = await once(sent, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  const set: string | undefined = response.headers['set-cookie']?.[0]?.split(';')[0]
  const { 'set-cookie': _cookie, ...headers } = response.headers
  said.push({ sink: `http ${method} ${url.pathname}`, text: `${JSON.stringify(headers)}\n${bytes}` })
  return { status: response.statusCode as number, json: parse(bytes), cookie: set }
}

function parse(bytes: Buffer): any {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

function ssh(login: string, command: readonly string[], options: { tty?: boolean; input?: string } = {}) {
  return runProgram(
    'ssh',
    [
      ...['-i', join(folder, 'bob'), '-F', 'none', '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
      ...['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`],
      ...['-p', String(installation.ssh.port), ...(options.tty === true ? ['-tt'] : [])],
      `bob@${login}@127.0.0.1`,
      ...command,
    ],
    options.input === undefined ? {} : { stdin: options.input },
  ).then((ran) => {
    said.push({ sink: 'what the SSH client printed', text: `${ran.stdout}\n${ran.stderr}` })
    return ran
  })
}

/** The session of a person who types a password where the target does not echo. */
async function typeWithoutEcho(login: string): Promise<void> {
  const child = spawn(
    'ssh',
    [
      ...['-i', join(folder, 'bob'), '-F', 'none', '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-tt'],
      ...['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`],
      ...['-p', String(installation.ssh.port), `bob@${login}@127.0.0.1`],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  let out = ''
  child.stdout.on('data', (piece: Buffer) => {
    out += piece.toString('latin1')
  })
  const exited = once(child, 'exit')
  const shows = (count: number, words: RegExp) =>
    until(
      () => ((out.match(words) ?? []).length >= count ? true : undefined),
      30_000,
      () => child.exitCode !== null,
      () => `the terminal shows ${JSON.stringify(out)}`,
    )
  await shows(1, /[$#] /g)
  // The words of the prompt are put together by the shell: they are on the screen only once it asks.
  child.stdin.write('read -rs -p "Pass""word: " word; echo; echo length ${#word}; exit\n')
  await shows(1, /Password: /g)
  child.stdin.write(`${secrets.typedWithoutEcho}\n`)
  await exited
  expect(out).toContain(`length ${secrets.typedWithoutEcho.length}`)
  said.push({ sink: 'the terminal of a session', text: out })
}

/** The session of a person who becomes another user by su, whose secret is typed for them. */
async function elevate(login: string, other: string): Promise<void> {
  const user = openTerminal([
    ...['-i', join(folder, 'bob'), '-F', 'none', '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
    ...['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`],
    ...['-p', String(installation.ssh.port), `bob@${login}@127.0.0.1`],
  ])
  await user.see(/[$#] $/)
  user.type(`su ${other}\r`)
  await user.see(/Password: $/)
  user.type('~e\r')
  await user.see(/[$#] $/)
  user.type('id -un\r')
  await user.see(`\r${other}\r\n`)
  user.type('exit\r')
  await user.see(/[$#] $/)
  user.type('exit\r')
  await user.exited
  said.push({ sink: 'the terminal of an elevated session', text: user.text() })
}

/** RFC 4648, as authenticators read it. */
/** A person: follows the link, sets password and second factor, and has the seed of the codes. */
async function enrol(name: string, link: string, password: string): Promise<Buffer> {
  const status = (await http('GET', '/api/status')).json
  const linkToken = new URL(link).hash.slice(1)
  // The answer to this holds the seed, sealed to the person: the search goes through it like any other.
  const box = await enrolmentBox()
  const begun = (await http('POST', '/api/enrolment/begin', { token: linkToken, boxKey: box.boxKey })).json
  const { secret } = box.open(begun.sealedTotp)
  canaries.push({ name: `${name}'s seed of codes in base32`, bytes: Buffer.from(secret) })
  const seed = fromBase32(secret)
  // A code of the step before is taken until this step ends.
  await until(async () => (Date.now() % 30_000 < 20_000 ? true : undefined), 20_000)
  const finished = await http('POST', '/api/enrolment/finish', {
    token: linkToken,
    sealedPassword: makeSealedLoginPassword(sodium, status.intakeKey, name, password),
    totpCode: totpCode(seed, totpStep(Date.now()) - 1),
  })
  expect(finished.status).toBe(200)
  canaries.push({ name: `${name}'s cookie`, bytes: Buffer.from(finished.cookie?.split('=')[1] ?? '') })
  return seed
}

async function scenario(): Promise<void> {
  const { dataDir } = installation
  await must(
    ['auditor', 'keygen', '--out', join(folder, 'auditor.key'), '--passphrase-stdin'],
    secrets.auditorPassphrase,
  )
  await must([
    'auditor',
    'add',
    'ingrid',
    join(folder, 'auditor.key.pub'),
    '--recovery-out',
    join(folder, 'recovery'),
  ])
  await must(['safe', 'add', 'line-3'])
  const address = (port: number) => `ssh://127.0.0.1:${port}`
  await must(['target', 'add', 'press-3', address(target.port), '--safe', 'line-3', '--pin-now'])
  await must(['target', 'add', 'press-4', address(keyTarget.port), '--safe', 'line-3', '--pin-now'])
  await must(['account', 'add', `press-3/${target.user}`, '--password-stdin'], target.password)
  // As a program, so that its command line and environment can be looked at.
  const program = await installation.program(['account', 'add', 'press-3/wrong', '--password-stdin'], {
    stdin: secrets.wrongPassword,
    env: { HOME: folder },
  })
  expect(program.code, program.stderr).toBe(0)
  said.push({ sink: 'tagout as a program', text: `${program.stdout}\n${program.stderr}` })
  // The other system user of this machine: whose secret is typed at the prompt of su.
  await must(['account', 'add', `press-3/${keyTarget.user}`, '--password-stdin'], keyTarget.password)
  await must([...['account', 'elevation', `press-3/${target.user}`, '--su', `press-3/${keyTarget.user}`]])
  await must(['account', 'add', 'press-3/unused', '--password-stdin'], secrets.unusedPassword)
  await must(
    [
      'account',
      'add',
      `press-4/${keyTarget.user}`,
      '--key-file',
      join(folder, 'target-key'),
      '--key-passphrase-stdin',
    ],
    secrets.keyPassphrase,
  )
  await must(['user', 'add', 'bob', '--role', 'operator'])
  await must(['user', 'key', 'add', 'bob', join(folder, 'bob.pub')])
  const allow = ['--for', '4h', '--allow', 'shell,exec,sftp-read,sftp-write,elevate']
  for (const account of [`press-3/${target.user}`, 'press-3/wrong', `press-4/${keyTarget.user}`])
    await must(['grant', 'add', 'bob', account, ...allow])

  expect((await ssh(`${target.user}@press-3`, ['id', '-un'])).stdout.trim()).toBe(target.user)
  expect((await ssh(`${keyTarget.user}@press-4`, ['id', '-un'])).stdout.trim()).toBe(keyTarget.user)
  expect((await ssh('wrong@press-3', ['id'])).code).not.toBe(0)
  await typeWithoutEcho(`${target.user}@press-3`)
  await elevate(`${target.user}@press-3`, keyTarget.user)
  // What is given in the wrong place: as a name, as an id, as an option's value, as a body.
  await tagout(['account', 'add', `press-3/${secrets.guessedPassword} x`, '--password-stdin'], 'anything')
  await http('POST', '/api/login', { name: secrets.guessedPassword, sealedPassword: '', totpCode: '' })

  const added = JSON.parse(await must(['user', 'add', 'alice', '--role', 'operator', '--json']))
  await must(['safe', 'member', 'line-3', 'alice', '--allow', 'reveal'])
  const seed = await enrol('alice', added.enrolment.link, secrets.userPassword)
  canaries.push({ name: "alice's seed of codes", bytes: seed })
  // The code of this step, and that of the next: the one before was used by the enrolment.
  const step = totpStep(Date.now())
  const answers = [secrets.userPassword, totpCode(seed, step), totpCode(seed, step + 1)].join('\n')
  const ran = await runTagout(
    ['account', 'reveal', 'press-3/unused', '--user', 'alice', '--reason', 'canary', '--answers-stdin'],
    { stdin: answers, env: { TAGOUT_DATA: installation.dataDir, HOME: folder } },
  )
  revealed = ran.out
  said.push({ sink: 'what reveal says beside the secret', text: ran.err })

  const listed = async () =>
    JSON.parse(await must(['recording', 'list', '--json'])) as { id: string; state: string }[]
  const recordings = await until(async () => {
    const rows = await listed()
    return rows.every(({ state }) => state !== 'recording') ? rows : undefined
  }, 20_000)
  for (const { id } of recordings)
    for (const form of ['asciicast', 'text'])
      await must(
        [
          ...['recording', 'export', id, '--as', form, '--identity', join(folder, 'auditor.key')],
          ...['--passphrase-stdin', '--out', join(folder, 'exports', `${id}.${form}`)],
        ],
        secrets.auditorPassphrase,
      )
  await must(['audit', 'export', '--out', join(folder, 'exports', 'audit.json')])
  await must(['audit', 'list', '--limit', '10000'])
  await must(['exposure', 'list'])
  await must(['backup', 'create', '--out', join(folder, 'exports', 'backup.tar'), '--with-recordings'])
  await tagout(['doctor', '--json'])
  await must(['seal'])
  await ssh(`${target.user}@press-3`, ['id'])
  await must(['unseal'])
  await ceremonies()
  const [sealKey] = readFileSync(join(dataDir, 'vault', 'seal.key'), 'utf8')
    .trim()
    .split(' ')
    .slice(-1)
  canaries.push({ name: 'the key that unseals', bytes: Buffer.from(sealKey ?? '', 'base64') })
}

/** All that opens the vault is made, tried, used and exchanged. */
async function ceremonies(): Promise<void> {
  const shares = (set: string) => ['anna', 'bob'].map((name) => join(folder, set, `${name}.share`))
  const make = async (verb: 'init' | 'change', set: string) => {
    await must([
      ...['custody', verb, '--threshold', '2', '--custodian', 'anna,bob', '--out', join(folder, set)],
    ])
    const parsed = shares(set).map((path) => {
      const text = readFileSync(path, 'utf8')
      const rows = text.split('\n').filter((line) => /^[0-9A-Z-]+$/.test(line))
      canaries.push({ name: `a row of ${path}`, bytes: Buffer.from(rows[3] ?? '') })
      const share = parseShare(text)
      if (!share.ok) throw new Error(share.refusal.message)
      const { value } = share.value
      canaries.push({ name: `the share in ${path}`, bytes: value.expose((bytes) => Buffer.from(bytes)) })
      return value
    })
    using given = await combineShares(parsed)
    canaries.push({ name: `what ${set} gives`, bytes: given.expose((bytes) => Buffer.from(bytes)) })
  }
  await make('init', 'first')
  for (const how of [['--dry-run'], []]) {
    if (how.length === 0) await must(['seal'])
    for (const path of shares('first')) await must(['unseal', '--share-file', path, ...how])
  }
  await make('change', 'second')
  // Shares of a set that is no more are refused, one of them as a line that was typed.
  await must(['seal'])
  for (const path of shares('first')) await tagout(['unseal', '--share-stdin'], readFileSync(path, 'utf8'))
  for (const path of shares('second')) await must(['unseal', '--share-file', path])
  if (hsm !== undefined) {
    const place = ['--module', 'soft', '--token-label', 'plant', '--key-label', 'tagout', '--pin-stdin']
    await must(['keys', 'add', ...place, '--dry-run'], secrets.tokenPin)
    await must(['keys', 'add', ...place], secrets.tokenPin)
    await must(['seal'])
    await tagout(['unseal', '--token', '--pin-stdin'], `${secrets.tokenPin}x`)
    await must(['unseal', '--token', '--pin-stdin'], secrets.tokenPin)
  }
  await keepRoot('the root key')
  await must(['keys', 'rotate-root', '--dry-run'])
  await must(['keys', 'rotate-root'])
  await must(['keys', 'rotate-safe', 'line-3'])
  await keepRoot('the next root key')
  await must(['keys', 'list', '--json'])
  await must(['keys', 'status', '--json'])
  await must(['backup', 'create', '--out', join(folder, 'exports', 'later.tar')])
}

/** Opens the root key as the vault does, to look for it. */
async function keepRoot(name: string): Promise<void> {
  const client = new pg.Client({ connectionString: ownerDatabaseUrl(installation.dataDir, {}) })
  await client.connect()
  try {
    const { rows: wraps } = await client.query('select * from seal_wrap')
    const { rows: known } = await client.query('select id from installation')
    const path = join(installation.dataDir, 'vault', 'seal.key')
    const opened = await unwrapRoot(wraps, { kind: 'key-file', path }, known[0].id)
    if (!opened.ok) throw new Error(opened.refusal.message)
    for (const [what, key] of [
      [name, opened.value.root],
      [`what opens ${name}`, opened.value.key],
    ] as const)
      canaries.push({ name: what, bytes: key.secret.expose((bytes) => Buffer.from(bytes)) })
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  if (why !== undefined) return
  await sodium.ready
  folder = await mkdtemp(join(tmpdir(), 'tagout-canary-'))
  await chmod(folder, 0o700)
  execFileSync('mkdir', [join(folder, 'exports')])
  const keygen = (name: string, phrase: string) =>
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', phrase, '-C', 'key', '-f', join(folder, name)])
  keygen('bob', '')
  keygen('target-key', secrets.keyPassphrase)
  target = await startSshd()
  keyTarget = await startSshd({
    login: 'publickey',
    authorizedKey: readFileSync(join(folder, 'target-key.pub'), 'utf8').trim(),
  })
  dataRoom = await mkdtemp(join(tmpdir(), 'tagout-canary-data-'))
  await chmod(dataRoom, 0o755)
  mkdirSync(join(dataRoom, 'd'), { mode: 0o711 })
  if (whyNoToken === undefined) {
    hsm = await startSoftHsm()
    hsm.addToken('plant', secrets.tokenPin)
    execFileSync('chmod', ['-R', 'a+rwX', hsm.folder])
    const modules = { soft: { path: softHsmModule, env: hsm.env } }
    writeFileSync(join(dataRoom, 'd', 'tagout.json'), JSON.stringify({ seal: { modules } }))
  }
  installation = await startTestInstallation({
    dataDir: join(dataRoom, 'd'),
    args: ['--recovery-out', join(folder, 'vault-recovery')],
    withinMs: 150_000,
  })
  {
    using _watch = watchProcesses()
    await scenario().catch((error: unknown) => {
      console.error(installation.log())
      throw error
    })
  }
  for (const [name, text] of Object.entries({
    ...secrets,
    injectedPassword: target.password,
    elevationSecret: keyTarget.password,
  }))
    canaries.push({ name, bytes: Buffer.from(text) })
  const pem = readFileSync(join(folder, 'target-key'), 'utf8')
  canaries.push({
    name: 'private key',
    bytes: Buffer.from(pem.split('\n').slice(2, 4).join(''), 'base64').subarray(0, 40),
  })
  canaries.push({
    name: "the vault's recovery key",
    bytes: readFileSync(join(folder, 'vault-recovery')).subarray(0, 44),
  })
  const identity = await readIdentity(
    sodium,
    argon2idOfNode,
    readFileSync(join(folder, 'auditor.key'), 'utf8'),
    secrets.auditorPassphrase,
  )
  canaries.push({ name: "the auditor's private key", bytes: Buffer.from(identity.boxPrivate) })
  const recovery = /box-private:? (\S+)/.exec(readFileSync(join(folder, 'recovery'), 'utf8'))?.[1] ?? ''
  canaries.push({ name: "the recordings' recovery key", bytes: Buffer.from(recovery, 'base64') })
}, 300_000)

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]()
  await target?.stop()
  await keyTarget?.stop()
  await hsm?.[Symbol.asyncDispose]()
  for (const made of [folder, dataRoom])
    if (made !== undefined) await rm(made, { recursive: true, force: true })
})

test.skipIf(why !== undefined)('there are canaries of every kind of secret', () => {
  expect(canaries.length).toBeGreaterThanOrEqual(28)
  for (const { name, bytes } of canaries) expect(bytes.length, name).toBeGreaterThanOrEqual(16)
})

test.skipIf(why !== undefined)(
  'a sink into which they are planted on purpose gives every one of them away',
  () => {
    for (const canary of canaries)
      for (const form of formsOf(canary.bytes)) {
        const scan = new CanaryScan(canaries)
        scan.look('planted', Buffer.concat([Buffer.from('x'), form.bytes, Buffer.from('x')]))
        expect(
          scan.hits.map((hit) => hit.canary),
          `${canary.name} ${form.name}`,
        ).toContain(canary.name)
      }
  },
)

test.skipIf(why !== undefined)('a reveal gives the secret out once, to who asked', () => {
  expect(revealed.trim()).toBe(secrets.unusedPassword)
})

test.skipIf(why !== undefined)('no answer, no line of output and no log holds a secret', () => {
  const scan = new CanaryScan(canaries)
  for (const { sink, text } of said) scan.look(sink, text)
  scan.look('what the planes and the supervisor logged', installation.log())
  expect(scan.hits).toEqual([])
  expect(said.length).toBeGreaterThan(40)
})

test.skipIf(why !== undefined)('no command line and no environment of a process holds a secret', () => {
  const scan = new CanaryScan(canaries)
  scan.look('/proc', [...seenInProc].join('\n'))
  // The test's own call of ssh-keygen is not ours, and ended before the watch began.
  expect(scan.hits).toEqual([])
  expect([...seenInProc].some((text) => text.includes('vault/main.ts'))).toBe(true)
})

test.skipIf(why !== undefined)('no table holds a secret, as a superuser reads them', async () => {
  const scan = new CanaryScan(canaries)
  const client = new pg.Client({ connectionString: ownerDatabaseUrl(installation.dataDir, {}) })
  await client.connect()
  try {
    const { rows: tables } = await client.query(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
    )
    expect(tables.length).toBeGreaterThan(20)
    for (const { name } of tables) {
      const { rows } = await client.query(`select t::text as row from ${name} t`)
      const text = rows.map(({ row }) => row).join('\n')
      scan.look(`table ${name}`, text)
      // Bytes are written as \x…: look at them as bytes, too.
      for (const [, hex] of text.matchAll(/\\x([0-9a-f]{2,})/g))
        scan.look(`bytes of ${name}`, Buffer.from(hex ?? '', 'hex'))
    }
    const { rows: activity } = await client.query('select query from pg_stat_activity')
    scan.look('pg_stat_activity', activity.map(({ query }) => query).join('\n'))
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
  expect(scan.hits).toEqual([])
})

test.skipIf(why !== undefined)(
  'no file of the data folder holds a secret but the key file itself',
  () => {
    const scan = new CanaryScan(canaries)
    const { dataDir } = installation
    scan.lookInFolder('data folder', dataDir, (path) => path === join(dataDir, 'vault', 'seal.key'))
    expect(scan.hits).toEqual([])
    const sinks = [...scan.sinks.keys()].join('\n')
    for (const part of ['pg_wal', 'base/', '.tgr', 'audit-witness.log', 'ready.json'])
      expect(sinks).toContain(part)
    // The positive control: the same search finds the key in its own file.
    const control = new CanaryScan(canaries)
    control.lookInFile('key file', join(dataDir, 'vault', 'seal.key'))
    expect(control.hits.map((hit) => hit.canary)).toContain('the key that unseals')
  },
  120_000,
)

test.skipIf(why !== undefined)(
  'no export of a recording or of the audit log, and no backup, holds a secret',
  () => {
    const scan = new CanaryScan(canaries)
    scan.lookInFolder('exports', join(folder, 'exports'))
    expect(scan.hits).toEqual([])
    const names = readdirSync(join(folder, 'exports'))
    expect(names.filter((name) => name.endsWith('.text')).length).toBeGreaterThanOrEqual(3)
    expect(names).toContain('backup.tar')
  },
)

test.skipIf(why !== undefined)('what was typed without echo is marked by its length in the recording', () => {
  const texts = readdirSync(join(folder, 'exports'))
    .filter((name) => name.endsWith('.text'))
    .map((name) => readFileSync(join(folder, 'exports', name), 'utf8'))
  expect(texts.some((text) => text.includes(`length ${secrets.typedWithoutEcho.length}`))).toBe(true)
})

test.skipIf(why !== undefined)('nothing is left in the temporary folder', () => {
  const scan = new CanaryScan(canaries)
  for (const name of readdirSync(tmpdir()))
    if (/^tagout-[0-9a-f]{6,}$|^\.tagout-/.test(name))
      scan.lookInFolder('temporary files', join(tmpdir(), name))
  expect(scan.hits).toEqual([])
})
