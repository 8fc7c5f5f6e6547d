import { readFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { identityOf, type SealView, type TargetView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { connectAdmin, type VaultClient } from '../../vault/index.ts'
import { independentWays, rehearsalOf, sealText, unrehearsed } from '../cli/keys.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { requireFreePorts } from '../supervisor/ports.ts'
import { readSettings } from '../supervisor/settings.ts'
import { examineDatabase } from './database.ts'
import type { Finding } from './examine.ts'

/** Whether the installation runs, its ports answer, and its vault is open. */
export async function examinePlanes(dataDir: string): Promise<readonly Finding[]> {
  const ready = readReadyFile(dataDir)
  if (ready === undefined)
    return [
      {
        name: 'running',
        level: 'wrong',
        text: 'the installation does not run',
        next: 'start it with npm start',
      },
      ...(await examinePorts(dataDir)),
    ]
  const ports = await Promise.all([
    answers('console', ready.console.hostname, Number(ready.console.port)),
    answers('ssh', ready.ssh.host, ready.ssh.port),
  ])
  return [...ports, ...(await examineVault(dataDir)), ...(await examineDatabase(dataDir))]
}

/** Whether another program holds a port that the next start needs, or its settings are wrong. */
async function examinePorts(dataDir: string): Promise<readonly Finding[]> {
  try {
    await requireFreePorts(readSettings(dataDir, {}, process.env))
    return [{ name: 'ports', level: 'fine', text: 'the ports of the console and of SSH are free' }]
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const [text = '', ...next] = error.message.split(': ')
    return [{ name: 'ports', level: 'wrong', text, ...(next.length === 0 ? {} : { next: next.join(': ') }) }]
  }
}

async function examineVault(dataDir: string): Promise<readonly Finding[]> {
  try {
    await using vault = await connectAdmin(dataDir)
    const status = await vault.call('status', {}, undefined, 10_000)
    if (!status.ok) return [{ name: 'vault', level: 'wrong', text: status.refusal.message }]
    const { initialised, sealed, auditors } = status.value
    if (!initialised)
      return [{ name: 'vault', level: 'wrong', text: 'the vault is not initialised', next: 'tagout init' }]
    if (sealed)
      return [
        { name: 'vault', level: 'wrong', text: 'the vault is sealed: nothing opens', next: 'tagout unseal' },
      ]
    const findings: Finding[] = [{ name: 'vault', level: 'fine', text: 'the vault is open' }]
    if (auditors === null || auditors.count === 0)
      findings.push({
        name: 'auditors',
        level: 'note',
        text: 'there is no auditor yet, so no session can be recorded and none starts',
        next: 'tagout auditor keygen --out auditor.key, then tagout auditor add NAME auditor.key.pub',
      })
    findings.push(...(await examineSeals(vault)))
    findings.push(...(await examineClock(vault)))
    findings.push(...(await examineNotifications(vault)))
    findings.push(...(await examineSiem(vault)))
    findings.push(...(await examineBreakGlass(vault)))
    findings.push(...(await examineKits(vault)))
    findings.push(...(await examineBackups(vault)))
    findings.push(...(await examineDirectories(vault)))
    findings.push(...(await examineSecrets(vault)))
    const targets = await vault.call('target.list', {}, undefined, 10_000)
    return targets.ok ? [...findings, ...oldMachines(targets.value), ...openLines(targets.value)] : findings
  } catch (error) {
    const text = error instanceof Error ? error.message : 'the vault does not answer'
    return [{ name: 'vault', level: 'wrong', text, next: 'look at what npm start says, then start it again' }]
  }
}

/** Whether the secrets would outlive this machine, and whether anybody has tried. */
async function examineKits(vault: VaultClient): Promise<readonly Finding[]> {
  const [kits, safes] = [
    await vault.call('kit.list', {}, undefined, 10_000),
    await vault.call('safe.list', {}, undefined, 10_000),
  ]
  if (!kits.ok || !safes.ok) return []
  const inForce = kits.value.filter(({ state }) => state === 'in force')
  const without = safes.value.filter(
    ({ name, accounts }) => accounts > 0 && !inForce.some(({ safe }) => safe === name),
  )
  const named = 'emergency kit'
  return [
    ...(without.length === 0
      ? []
      : [
          {
            name: named,
            level: 'note' as const,
            text: `if this machine is lost, so are the secrets of ${without.map(({ name }) => name).join(', ')}, unless a backup is at hand`,
            next: 'make an emergency kit: tagout kit init SAFE --threshold 2 --custodian … --print',
          },
        ]),
    ...kits.value.flatMap((kit): readonly Finding[] => {
      const late = kit.openings.find(({ isOverdue }) => isOverdue)
      if (late !== undefined)
        return [
          {
            name: named,
            level: 'wrong',
            text: `the kit of ${kit.safe} was opened on ${late.openedAt.slice(0, 10)}, and ${late.left.join(', ')} should be other secrets by now`,
            next: 'change them: tagout account secret ACCOUNT',
          },
        ]
      return kit.due === null
        ? []
        : [
            {
              name: named,
              level: 'note',
              text: `of the safe ${kit.safe}: ${kit.due}`,
              next: `tagout kit write ${kit.safe} --out FILE`,
            },
          ]
    }),
  ]
}

/** Whether anybody has seen that a backup would do, and lately. */
async function examineBackups(vault: VaultClient): Promise<readonly Finding[]> {
  const drills = await vault.call('audit.find', { kinds: 'backup.drilled', limit: 1 }, undefined, 10_000)
  const safes = await vault.call('safe.list', {}, undefined, 10_000)
  if (!drills.ok || !safes.ok || safes.value.every(({ accounts }) => accounts === 0)) return []
  const [last] = drills.value.entries
  const old = last !== undefined && Date.now() - Date.parse(last.at) > 366 * 24 * 3600_000
  if (last !== undefined && !old) return []
  return [
    {
      name: 'backup',
      level: 'note',
      text:
        last === undefined
          ? 'nobody has tried whether a backup could be restored'
          : `nobody has tried since ${last.at.slice(0, 10)} whether a backup could be restored`,
      next: 'tagout backup create --out FILE, then tagout backup drill FILE',
    },
  ]
}

/** Whether secrets are shared, or known to everybody. */
async function examineSecrets(vault: VaultClient): Promise<readonly Finding[]> {
  const found = await vault.call('rotation.findings', {}, undefined, 10_000)
  if (!found.ok || found.value.findings.length === 0) return []
  const { findings } = found.value
  const known = findings.filter(({ kind }) => kind !== 'shared')
  const shared = findings.filter(({ kind }) => kind === 'shared')
  const said = [
    ...(known.length === 0
      ? []
      : [`${count(known.length, 'account')} with a password that anybody would try`]),
    ...(shared.length === 0
      ? []
      : [
          `${count(shared.flatMap(({ accounts }) => accounts).length, 'account')} with a secret that is another’s too`,
        ]),
  ]
  return [
    {
      name: 'secrets',
      level: 'note',
      text: `there are ${said.join(', and ')}`,
      next: 'see: tagout rotation findings',
    },
  ]
}

/** Whether directories were read when they last should have been. */
async function examineDirectories(vault: VaultClient): Promise<readonly Finding[]> {
  const directories = await vault.call('directory.list', {}, undefined, 10_000)
  if (!directories.ok) return []
  return directories.value.map(({ name, settings, fault, lastSyncAt, people }): Finding => {
    // A provider is not read: it says who somebody is when they sign in.
    if (settings.kind === 'oidc')
      return { name: `directory ${name}`, level: 'fine', text: `${people} users sign in by it` }
    if (fault !== null)
      return {
        name: `directory ${name}`,
        level: 'wrong',
        text: `${fault}; last read ${lastSyncAt ?? 'never'}`,
        next: `tagout directory test ${name}`,
      }
    return lastSyncAt === null
      ? {
          name: `directory ${name}`,
          level: 'note',
          text: 'it was not read yet, so nobody of it is a user',
          next: `tagout directory show ${name}`,
        }
      : {
          name: `directory ${name}`,
          level: 'fine',
          text: `${people} users follow it, last read ${lastSyncAt}`,
        }
  })
}

/** The ways to unseal of which nobody knows any more whether they open the vault, each with how to try it. */
export function unrehearsedFindings(seals: readonly SealView[], now: number): readonly Finding[] {
  return unrehearsed(seals, now).map((seal) => ({
    name: 'rehearsal',
    level: 'note',
    text:
      seal.rehearsedAt === null
        ? `nobody has rehearsed yet whether this ${sealText(seal)} opens the vault`
        : `this ${sealText(seal)} was last rehearsed on ${seal.rehearsedAt.slice(0, 10)}, more than a year ago`,
    next: `rehearse it, which changes nothing: ${rehearsalOf(seal)}`,
  }))
}

/** Whether more than one way opens the vault, and whether each was tried. */
async function examineSeals(vault: VaultClient): Promise<readonly Finding[]> {
  const seals = await vault.call('seal.list', {}, undefined, 10_000)
  if (!seals.ok) return []
  const findings = unrehearsedFindings(seals.value, Date.now())
  if (independentWays(seals.value) >= 2) return findings
  return [
    ...findings,
    {
      name: 'ways to unseal',
      level: 'note',
      text: 'only one way opens this vault besides its recovery key',
      next: 'add a second, kept elsewhere: tagout keys add, or tagout custody init',
    },
  ]
}

/** Whether the machine's clock was set of late, and whether the vault's time is another since. */
export async function examineClock(
  vault: VaultClient,
  now: number = Date.now(),
): Promise<readonly Finding[]> {
  const [jumps, last] = await Promise.all([
    vault.call('audit.list', { kind: 'clock.jumped', limit: 1 }, undefined, 10_000),
    vault.call('audit.list', { limit: 1 }, undefined, 10_000),
  ])
  const [jump] = jumps.ok ? jumps.value : []
  const [latest] = last.ok ? last.value : []
  if (jump === undefined || latest === undefined) return []
  if (Date.parse(latest.at) > now + 2_000)
    return [
      {
        name: 'clock',
        level: 'wrong',
        text: `the vault ${jump.text}: codes of authenticators are wrong to it, and things end early`,
        next: 'see that the machine’s clock is right, then start Tagout again: it takes the clock as it is then',
      },
    ]
  if (Date.parse(jump.at) < now - 7 * 24 * 3600_000) return []
  return [
    {
      name: 'clock',
      level: 'note',
      text: `at ${jump.at.slice(0, 16)}Z the vault ${jump.text}`,
      next: 'see what sets it: timedatectl, chronyc tracking',
    },
  ]
}

/** Whether receivers of the log have it. */
async function examineSiem(vault: VaultClient): Promise<readonly Finding[]> {
  const receivers = await vault.call('siem.list', {}, undefined, 10_000)
  if (!receivers.ok) return []
  return receivers.value.map(({ name, error, failingSince, waiting, toldSeq }): Finding => {
    const named = `receiver ${name}`
    return error !== null && failingSince !== null && Date.now() - Date.parse(failingSince) >= 10 * 60_000
      ? {
          name: named,
          level: 'wrong',
          text: `it could not be told since ${failingSince.slice(0, 16)}Z, and ${waiting} entries of the log wait: ${error}`,
          next: 'tagout siem list',
        }
      : { name: named, level: 'fine', text: `it has the log up to entry ${toldSeq ?? 0}` }
  })
}

/** Whether people, and the webhook, are told what they should be. Where nothing is set up there is nothing to say. */
async function examineNotifications(vault: VaultClient): Promise<readonly Finding[]> {
  const status = await vault.call('notification.status', {}, undefined, 10_000)
  if (!status.ok) return []
  const { mail, webhook, waiting, latest } = status.value
  const findings: Finding[] = []
  for (const channel of ['mail', 'webhook'] as const) {
    const { count, since } = waiting[channel]
    if (since === null || Date.now() - Date.parse(since) < 10 * 60_000) continue
    const last = latest.find((one) => one.channel === channel && one.error !== null)
    const why =
      channel === 'mail' && mail === null ? 'no mail is set up' : (last?.error ?? 'nobody has sent them yet')
    findings.push({
      name: 'notifications',
      level: 'wrong',
      text: `${count} ${count === 1 ? 'notification has' : 'notifications have'} waited for the ${channel} since ${since.slice(0, 16)}Z: ${why}`,
      next: channel === 'mail' && mail === null ? 'set notify.smtp in tagout.json' : 'tagout notify status',
    })
  }
  const refused = latest.filter(
    ({ state, endedAt }) =>
      state === 'failed' && endedAt !== null && Date.now() - Date.parse(endedAt) < 24 * 3600_000,
  )
  if (refused.length > 0)
    findings.push({
      name: 'notifications',
      level: 'note',
      text: `${refused.length} of the last day were refused: ${refused[0]?.error ?? ''}`,
      next: 'look at the address: tagout notify status, tagout user mail',
    })
  if (findings.length === 0 && (mail !== null || webhook !== null))
    findings.push({ name: 'notifications', level: 'fine', text: 'what is to be told is told' })
  return findings
}

/** Whether each break-glass is reviewed, its secret another one since, and whoever it alarms can be. */
async function examineBreakGlass(vault: VaultClient): Promise<readonly Finding[]> {
  const [opened, safes, users, told] = await Promise.all([
    vault.call('breakglass.list', { state: 'all' }, undefined, 10_000),
    vault.call('safe.list', {}, undefined, 10_000),
    vault.call('user.list', {}, undefined, 10_000),
    vault.call('notification.status', {}, undefined, 10_000),
  ])
  if (!opened.ok || !safes.ok || !users.ok || !told.ok) return []
  const findings: Finding[] = []
  const waiting = opened.value.filter(({ state }) => state === 'ended')
  if (waiting.length > 0)
    findings.push({
      name: 'break-glass',
      level: 'wrong',
      text: `nobody has reviewed ${waiting.map(({ user, account }) => `${user}’s break-glass for ${account}`).join(', ')}`,
      next: 'somebody else reviews it: Break-glass in the console, or tagout breakglass review',
    })
  for (const { account, secretDueAt, secretChanged } of opened.value)
    if (!secretChanged && Date.parse(secretDueAt) < Date.now())
      findings.push({
        name: 'break-glass',
        level: 'note',
        text: `the secret of ${account} was due to be changed at ${secretDueAt.slice(0, 16)}Z, after a break-glass`,
        next: `change it on the machine, then: tagout account secret ${account}`,
      })
  const glazed = safes.value.filter(({ breakGlass }) => breakGlass !== null)
  if (glazed.length > 0 && told.value.mail === null && told.value.webhook === null)
    findings.push({
      name: 'break-glass',
      level: 'wrong',
      text: `neither mail nor webhook is set up, so a break-glass in ${glazed.map(({ name }) => name).join(', ')} alarms only whoever looks at the console`,
      next: 'name a mail server in tagout.json (notify), or: tagout notify webhook',
    })
  for (const { name, breakGlass } of glazed) {
    const reached = breakGlass?.alarms.filter((alarm) =>
      users.value.some((user) => user.name === alarm && user.state === 'active' && user.mail !== null),
    )
    if (reached !== undefined && reached.length < 2)
      findings.push({
        name: 'break-glass',
        level: 'wrong',
        text: `of those whom a break-glass in ${name} alarms ${reached.length === 0 ? 'nobody' : `only ${reached[0]}`} can be written to`,
        next: `tagout safe break-glass ${name} --for … --alarm …`,
      })
  }
  return findings
}

/** Each machine that is spoken with in algorithms which nobody should speak any more, and each whose time is over. */
export function oldMachines(targets: readonly TargetView[]): readonly Finding[] {
  return targets.flatMap(({ name, legacy }): readonly Finding[] => {
    if (legacy === null) return []
    const what = `${name} is allowed old algorithms (${legacy.algorithms.join(', ')})`
    const why = `${JSON.stringify(legacy.reason)}, by ${legacy.allowedBy}`
    const day = legacy.until.slice(0, 10)
    return legacy.isExpired
      ? [
          {
            name: 'old algorithms',
            level: 'wrong',
            text: `${what} until ${day}, which is past: nobody can connect to it (${why})`,
            next: `update the machine, then tagout target legacy ${name} --end; or renew with --allow and --for`,
          },
        ]
      : [
          {
            name: 'old algorithms',
            level: 'note',
            text: `${what} until ${day} (${why})`,
            next: `update the machine, then tagout target legacy ${name} --end`,
          },
        ]
  })
}

/** Desktops that are reached over a line which hides nothing, where that is not this machine's own. */
export function openLines(targets: readonly TargetView[]): readonly Finding[] {
  const names = targets
    .filter(
      ({ protocol, desktop, host }) =>
        identityOf(protocol, desktop) === 'nothing' && host !== '127.0.0.1' && host !== '::1',
    )
    .map(({ name }) => name)
  if (names.length === 0) return []
  const some = names.slice(0, 5).join(', ')
  return [
    {
      name: 'desktops unencrypted',
      level: 'note',
      text: `VNC, Telnet and old RDP hide little or nothing and show nobody's identity: ${some}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`,
      next: 'keep that line to yourselves: a network segment of the machine and this gateway alone, or a tunnel',
    },
  ]
}

type Ready = { readonly console: URL; readonly ssh: { readonly host: string; readonly port: number } }

function readReadyFile(dataDir: string): Ready | undefined {
  try {
    const file = JSON.parse(readFileSync(join(dataDir, 'ready.json'), 'utf8'))
    return {
      console: new URL(file.console),
      ssh: { host: String(file.ssh.host), port: Number(file.ssh.port) },
    }
  } catch {
    return undefined
  }
}

function answers(name: string, host: string, port: number): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: host.replace(/^\[|\]$/g, ''), port, timeout: 5_000 })
    const settle = (finding: Finding) => {
      socket.destroy()
      resolve(finding)
    }
    const silent: Finding = {
      name,
      level: 'wrong',
      text: `nothing answers at ${host} port ${port}`,
      next: 'look at what npm start says; another program may hold the port',
    }
    socket.once('connect', () => settle({ name, level: 'fine', text: `${host} port ${port} answers` }))
    socket.once('timeout', () => settle(silent))
    socket.once('error', () => settle(silent))
  })
}
