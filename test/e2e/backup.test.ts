import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ownerDatabaseUrl } from '../../deploy/backup/database.ts'
import { CanaryScan } from '../support/canary.ts'
import { type CliResult, tagout as runTagout } from '../support/cli.ts'
import { runProgram, startTestInstallation, type TestInstallation, until } from '../support/installation.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../support/sshd.ts'

/** The drill: an installation is lost; what is left is one file, and a key on paper. */
const why = whyNoSshd()
if (why !== undefined) console.warn(`the backup drill is left out: ${why}`)

/** A machine that is busy with other tests starts an installation slowly. */
const patienceMs = 150_000
let folder: string
let target: TestSshd
let restored: TestInstallation | undefined
let sealKey: string
const file = (name: string) => join(folder, name)

const run = (dataDir: string, args: readonly string[], stdin?: string): Promise<CliResult> =>
  runTagout(args, {
    env: { TAGOUT_DATA: dataDir, HOME: folder, TMPDIR: folder },
    cwd: folder,
    ...(stdin === undefined ? {} : { stdin }),
  })
const must = async (dataDir: string, args: readonly string[], stdin?: string): Promise<string> => {
  const { code, out, err } = await run(dataDir, args, stdin)
  expect(code, `${args.join(' ')}: ${err}`).toBe(0)
  return out
}
const json = async (dataDir: string, args: readonly string[]) =>
  JSON.parse(await must(dataDir, [...args, '--json']))

function ssh(installation: TestInstallation, command: string) {
  return runProgram('ssh', [
    ...['-i', file('bob'), '-F', 'none', '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
    // The gateway's host key must be the one that clients know, after a restore as before.
    ...['-o', `StrictHostKeyChecking=${existsSync(file('known_hosts')) ? 'yes' : 'accept-new'}`],
    ...['-o', `UserKnownHostsFile=${file('known_hosts')}`, '-o', 'HostKeyAlias=tagout'],
    ...['-p', String(installation.ssh.port), `bob@${target.user}@press-3@127.0.0.1`, command],
  ])
}

beforeAll(async () => {
  if (why !== undefined) return
  folder = await mkdtemp(join(tmpdir(), 'tagout-drill-'))
  await chmod(folder, 0o711)
  target = await startSshd()
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'bob', '-f', file('bob')])
  {
    await using first = await startTestInstallation({
      args: ['--recovery-out', file('vault-recovery')],
      withinMs: patienceMs,
    })
    const data = first.dataDir
    await must(data, ['auditor', 'keygen', '--out', 'auditor.key', '--passphrase-stdin'], 'phrase')
    await must(data, ['auditor', 'add', 'ingrid', 'auditor.key.pub', '--recovery-out', 'rr.key'])
    await must(data, ['safe', 'add', 'line-3'])
    await must(data, [
      'target',
      'add',
      'press-3',
      `ssh://127.0.0.1:${target.port}`,
      '--safe',
      'line-3',
      '--pin-now',
    ])
    await must(data, ['account', 'add', `press-3/${target.user}`, '--password-stdin'], target.password)
    // By the worker that the start has started: what is backed up, restored and logged in with is the new one.
    const account = `press-3/${target.user}`
    await must(data, ['account', 'rotation', 'set', account, '--connector', 'linux-password'])
    const rotated = await json(data, ['rotate', account, '--reason', 'as it was delivered', '--wait', '1m'])
    expect(rotated).toMatchObject({ phase: 'done', version: 2 })
    await must(data, ['user', 'add', 'bob', '--role', 'operator'])
    await must(data, ['user', 'key', 'add', 'bob', 'bob.pub'])
    await must(data, ['grant', 'add', 'bob', `press-3/${target.user}`, '--for', '4h', '--allow', 'exec'])
    expect((await ssh(first, 'echo before the fire')).stdout).toBe('before the fire\n')
    await until(async () => {
      const rows: { state: string }[] = await json(data, ['recording', 'list'])
      return rows.length === 1 && rows[0]?.state === 'complete' ? true : undefined
    }, 20_000)
    await must(data, ['backup', 'create', '--out', 'whole.tar', '--with-recordings'])
    await must(data, ['seal'])
    await must(data, ['backup', 'create', '--out', 'sealed.tar'])
    sealKey =
      readFileSync(join(data, 'vault', 'seal.key'), 'utf8')
        .trim()
        .split(' ')
        .at(-1) ?? ''
  }
}, 2 * patienceMs)
afterAll(async () => {
  await restored?.[Symbol.asyncDispose]()
  await target?.stop()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

test.skipIf(why !== undefined)('a backup says what it holds, and is nobody else’s to read', async () => {
  const shown = JSON.parse(await must(folder, ['backup', 'show', 'whole.tar', '--json']))
  expect(shown).toMatchObject({ recordings: 1, rows: { app_user: 3, account: 1, recording: 1 } })
  expect(shown.files).toContain('vault/vault.state')
  expect(shown.files.some((name: string) => name.includes('ssh_host_ed25519_key'))).toBe(true)
  expect(shown.files.filter((name: string) => /seal\.key|plane\.json|secrets\.json/.test(name))).toEqual([])
  expect(statSync(file('whole.tar')).mode & 0o777).toBe(0o600)
})

test.skipIf(why !== undefined)('a backup opens nothing: no key and no secret is in it', () => {
  const scan = new CanaryScan([
    { name: 'password', bytes: Buffer.from(target.password) },
    { name: 'key file', bytes: Buffer.from(sealKey, 'base64') },
    { name: 'recovery key', bytes: readFileSync(file('vault-recovery')).subarray(0, 44) },
  ])
  scan.lookInFile('backup', file('whole.tar'))
  scan.lookInFile('backup', file('sealed.tar'))
  expect(scan.hits).toEqual([])
})

test.skipIf(why !== undefined)('a backup is made while the vault is sealed, as well', async () => {
  const shown = JSON.parse(await must(folder, ['backup', 'show', 'sealed.tar', '--json']))
  expect(shown).toMatchObject({ header: { recordings: 'listed' }, recordings: 1 })
})

test.skipIf(why !== undefined)(
  'a drill on another machine proves that every secret opens and every chain verifies, and leaves nothing',
  async () => {
    const way = ['--recovery-key-file', 'vault-recovery']
    const report = JSON.parse(await must(file('none'), ['backup', 'drill', 'whole.tar', ...way, '--json']))
    // The account's password as it was, and as it was rotated to; who reads the backup alone has none of it.
    expect(report).toMatchObject({ ok: true, broken: [], recordings: 1, damaged: [], listed: 0 })
    expect(report.secrets).toBeGreaterThanOrEqual(1)
    expect(report.log).toMatchObject({
      ok: true,
      sentence: expect.stringContaining('whole, in order and signed'),
    })
    const shown = await run(file('none'), ['backup', 'drill', 'sealed.tar', ...way])
    expect(shown).toMatchObject({
      code: 0,
      out: expect.stringMatching(/recordings +1, which are not in this backup/),
    })
    expect(shown.err).toContain('this drill is not in its audit log')
    // Another key opens nothing, and says so.
    const wrong = await run(
      file('none'),
      ['backup', 'drill', 'sealed.tar', '--passphrase-stdin'],
      'not the passphrase',
    )
    expect(wrong.code).toBeGreaterThan(0)
    expect(wrong.err).toMatch(/passphrase/)
    expect(readdirSync(folder).filter((name) => name.startsWith('tagout-backup-drill'))).toEqual([])
  },
  2 * patienceMs,
)

test.skipIf(why !== undefined)(
  'after a restore on an empty machine everything opens again with the key on paper',
  async () => {
    const data = file('new')
    await must(data, ['backup', 'restore', 'whole.tar', '--data', data])
    restored = await startTestInstallation({ dataDir: data, withinMs: patienceMs })
    expect((await run(data, ['status'])).code).toBe(3)
    expect((await ssh(restored, 'echo sealed')).code).not.toBe(0)
    await must(data, ['unseal', '--recovery-key-file', 'vault-recovery'])
    await must(data, ['status'])

    // A secret is decrypted and used, by the user's old key, under the old grant, to the target's old pin.
    expect((await ssh(restored, 'echo after the fire')).stdout).toBe('after the fire\n')

    const recordings: { id: string; startedAt: string }[] = await json(data, ['recording', 'list'])
    const old = recordings.at(-1)?.id ?? ''
    expect(await must(data, ['recording', 'verify', old])).toMatch(/complete/)
    await must(
      data,
      [
        ...['recording', 'export', old, '--as', 'text', '--identity', 'auditor.key'],
        ...['--passphrase-stdin', '--out', 'old.txt'],
      ],
      'phrase',
    )
    expect(readFileSync(file('old.txt'), 'utf8')).toContain('before the fire')
    expect(await must(data, ['audit', 'verify'])).toMatch(/whole, in order and signed/)

    // A drill beside what runs is in its log, and doctor does not ask for one any more.
    const asks = async () => (await run(data, ['doctor'])).out.includes('could be restored')
    expect(await asks()).toBe(true)
    await must(data, ['backup', 'drill', 'whole.tar', '--recovery-key-file', 'vault-recovery'])
    expect(await asks()).toBe(false)
    expect(await must(data, ['audit', 'find', '--kind', 'backup.drilled', '--since', '1h'])).toMatch(
      /for trial: \d+ secrets? opened, the log of \d+ entries and 1 recording verified in \d+ s/,
    )
  },
  2 * patienceMs,
)

test.skipIf(why !== undefined)(
  'a backup of a database in which somebody changed a secret or the log is not whole, and the drill says where',
  async () => {
    const data = file('new')
    const way = ['--recovery-key-file', 'vault-recovery', '--json']
    // Changed for as long as a backup takes, by whoever owns the database.
    const forge = async (table: string, column: string, which: string, out: string) => {
      const owner = new pg.Client({ connectionString: ownerDatabaseUrl(data, {}) })
      const flip = `
        alter table ${table} disable trigger user;
        update ${table} set ${column} = set_byte(${column}, 60, get_byte(${column}, 60) # 1) where ${which};
        alter table ${table} enable trigger user`
      await owner.connect()
      try {
        await owner.query(flip)
        await must(data, ['backup', 'create', '--out', out])
        await owner.query(flip)
      } finally {
        await owner.end()
      }
    }
    await forge('secret_payload', 'envelope', `field = 'password'`, 'forged.tar')
    const forged = await run(data, ['backup', 'drill', 'forged.tar', ...way])
    expect(forged.code).not.toBe(0)
    expect(JSON.parse(forged.out)).toMatchObject({
      ok: false,
      broken: expect.arrayContaining([expect.stringMatching(/^version \d+ of acc_\w+: password$/)]),
    })
    expect(forged.err).toContain('this backup is not whole')
    await forge('audit_entry', 'body', 'id = (select entry from audit_leaf where seq = 5)', 'log.tar')
    const log = await run(data, ['backup', 'drill', 'log.tar', ...way])
    expect(log.code).not.toBe(0)
    expect(`${log.out}${log.err}`).toMatch(/entry 5/)
    expect((await run(data, ['audit', 'find', '--kind', 'backup.drilled', '--since', '1h'])).out).toContain(
      'for trial: it is not whole',
    )
  },
  2 * patienceMs,
)

test.skipIf(why !== undefined)('a restore never touches a folder in which something lies', async () => {
  const { code, err } = await run(file('new'), ['backup', 'restore', 'whole.tar', '--data', file('new')])
  expect(code).toBe(1)
  expect(err).toMatch(/is not empty\n {2}next: restore into a new folder/)
  expect((await run(file('new'), ['status'])).code).toBe(0)
})

test.skipIf(why !== undefined)('a damaged backup is not restored, and leaves nothing', async () => {
  const bytes = readFileSync(file('whole.tar'))
  const at = bytes.indexOf('rec_') + 10
  // Whatever stands there: one time in 32 it is an x already.
  bytes[at] = bytes[at] === 0x78 ? 0x79 : 0x78
  writeFileSync(file('damaged.tar'), bytes)
  const { code, err } = await run(file('other'), [
    'backup',
    'restore',
    'damaged.tar',
    '--data',
    file('other'),
  ])
  expect(code).toBe(2)
  expect(err).toMatch(/was changed|no member of a backup/)
  expect(existsSync(file('other'))).toBe(false)
})

test.skipIf(why !== undefined)(
  'the recordings recovery key opens a recording’s file without any server',
  async () => {
    const day = execFileSync('find', [join(file('new'), 'recorder', 'recordings'), '-name', '*.tgr'], {
      encoding: 'utf8',
    })
    const files = day.trim().split('\n').sort()
    const out = await must(folder, [
      ...[
        'recording',
        'export',
        files[0] ?? '',
        '--as',
        'text',
        '--recovery',
        'rr.key',
        '--out',
        'offline.txt',
      ],
    ])
    expect(out).toContain('complete')
    expect(readFileSync(file('offline.txt'), 'utf8')).toContain('before the fire')
  },
)
