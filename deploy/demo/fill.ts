import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { describeHostKey } from '../../vault/ssh/verify-host-key.ts'
import { generateKeyPair, utils } from '../../vault/ssh/library.ts'
import { argon2idOfNode } from '../../vault/auditors/argon2-node.ts'
import { forget, makeFirstList, makeIdentity, writeIdentity } from '../../vault/auditors/index.ts'
import type { GrantView } from '../../vault/contract.ts'
import { connectAdmin } from '../../vault/index.ts'
import { makeSealedAccountSecret } from '../../vault/intake.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { readReady } from '../cli/installation.ts'
import { loadSodium } from '../cli/sodium.ts'
import { demoMachines, requireNoHalfRemoval } from '../supervisor/demo-machines.ts'
import { lockHolder, takeLock } from '../supervisor/lock.ts'
import { freshCode } from './codes.ts'
import { type GatewayDoor, work } from './drive.ts'
import { whatIsHeld } from './emptiness.ts'
import { enrolPerson } from './enrol.ts'
import {
  type DemoFile,
  type DemoPerson,
  demoFolder,
  installationMark,
  makeDemoFolder,
  readDemo,
  writeDemo,
  writeDemoFile,
  writeMachines,
} from './folder.ts'
import { oldNeeds } from './machines/server.ts'
import { type MachineSheet, readMachines } from './machines/sheet.ts'
import {
  addresses,
  askers,
  auditorName,
  elevations,
  emergency,
  grants,
  machines,
  oldMachine,
  people,
  policy,
  requests,
  safes,
  supervisorName,
} from './plant.ts'
import { shifts } from './shifts.ts'
import { type AskVault, askThrough } from './vault-door.ts'

export type FillPorts = { readonly say: (line: string) => void; readonly signal?: AbortSignal }

/** What the steps share. The demo's file is written anew before anything hangs on what changed in it. */
type Filling = {
  readonly dataDir: string
  readonly ask: AskVault
  readonly say: (line: string) => void
  readonly signal: AbortSignal | undefined
  demo: DemoFile
}

/**
 * Fills the running, empty installation at `dataDir` with the demo plant, or goes on where an earlier run was
 * interrupted. Throws `Fault('configuration')` where the installation is not empty.
 */
export async function fillDemo(dataDir: string, { say, signal }: FillPorts): Promise<DemoFile> {
  const ready = await readReady(dataDir)
  requireNoHalfRemoval(dataDir)
  await using client = await connectAdmin(dataDir)
  const ask = askThrough(client)
  const earlier = await begin(dataDir, ask, say)
  const filling: Filling = { dataDir, ask, say, signal, demo: earlier }
  if (earlier.state === 'filled') return earlier
  using _only = await takeFill(dataDir)
  const sheet = await makeMachines(dataDir)
  say('the machines start')
  await untilMachinesRun(sheet, signal)
  await addAuditor(filling)
  const tokens = await enrolAll(filling)
  say('safes, machines, accounts and grants')
  await addPlaces(filling, sheet)
  await addGrants(filling)
  const { host, port } = ready.ssh
  const { hostKey } = ready.ssh
  if (typeof hostKey !== 'string')
    throw new Fault('configuration', 'the gateway did not say its host key: start the installation again')
  await workAll(filling, { host, port, hostKey }, tokens)
  await revokeSpent(filling)
  await askAll(filling, tokens)
  await breakGlass(filling, tokens)
  await applyPolicy(filling)
  keep(filling, { state: 'filled' })
  say('the demo plant is filled')
  return filling.demo
}

/** One fill at a time: two would each enrol the people anew. */
async function takeFill(dataDir: string): Promise<Disposable> {
  const folder = demoFolder(dataDir)
  const other = lockHolder(folder)
  if (other !== undefined)
    throw new Fault(
      'configuration',
      `the demo plant is being filled already (process ${other.pid}): wait for it`,
    )
  return await takeLock(folder, dataDir)
}

function keep(filling: Filling, change: Partial<DemoFile>): void {
  filling.demo = { ...filling.demo, ...change }
  writeDemo(filling.dataDir, filling.demo)
}

/** A secret of this installation's own. SECURITY: nothing of the demo that opens anything is a constant. */
const fresh = () => randomBytes(12).toString('base64url')

/** The demo's file as an earlier run left it, or a new one where the installation is empty. */
async function begin(dataDir: string, ask: AskVault, say: (line: string) => void): Promise<DemoFile> {
  const mark = installationMark(dataDir)
  const known = readDemo(dataDir)
  if (known !== undefined && known.installation !== mark)
    throw new Fault(
      'configuration',
      `the demo in ${demoFolder(dataDir)} belongs to another installation: move that folder away`,
    )
  if (known !== undefined) return known
  let status = await ask('status', {})
  if (status.initialised && status.sealed)
    throw new Fault('configuration', 'the vault is sealed: open it with tagout unseal, then fill the demo')
  let vaultRecoveryKey: string | null = null
  if (!status.initialised) {
    say('the vault is initialised')
    const provider = { kind: 'key-file', path: join(dataDir, 'vault', 'seal.key') } as const
    vaultRecoveryKey = (await ask('vault.initialise', { provider })).recoveryKey
    status = await ask('status', {})
  }
  const held = whatIsHeld({
    users: await ask('user.list', {}),
    auditors: status.auditors,
    safes: (await ask('safe.list', {})).length,
    targets: (await ask('target.list', {})).length,
    recordings: (await ask('recording.list', {})).length,
  })
  if (held !== undefined)
    throw new Fault(
      'configuration',
      `this installation is in use (it holds ${held}), and the demo plant goes into an empty one: give another data folder, npm start -- --data ./demo --demo`,
    )
  makeDemoFolder(dataDir)
  const folder = demoFolder(dataDir)
  const demo: DemoFile = {
    demo: 1,
    installation: mark,
    state: 'filling',
    people: people.map(({ name, what }) => ({ name, what, password: fresh(), totp: null, lastStep: 0 })),
    auditor: {
      name: auditorName,
      keyFile: join(folder, `${auditorName}.key`),
      passphrase: fresh(),
      recoveryFile: join(folder, 'recordings-recovery.key'),
    },
    vaultRecoveryKey,
    worked: {},
  }
  writeDemo(dataDir, demo)
  return demo
}

/** Keys, logins and ports of the machines; those of an earlier run where there are any. */
async function makeMachines(dataDir: string): Promise<MachineSheet> {
  const path = demoMachines(dataDir)
  if (existsSync(path)) return readMachines(path)
  const ports = await freePorts(machines.length)
  const sheet = {
    machines: machines.map(({ name, logins }, at) => ({
      name,
      port: ports[at] ?? 0,
      hostKey:
        name === oldMachine.name ? generateKeyPair('rsa', 2048).private : generateKeyPair('ed25519').private,
      logins: logins.map((login) => ({ login, password: fresh() })),
    })),
  }
  writeMachines(dataDir, sheet)
  return sheet
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
      return server
    }),
  )
  return servers.map((server) => {
    const address = server.address()
    server.close()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
}

async function untilMachinesRun(
  { machines: all }: MachineSheet,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = Date.now() + 60_000
  for (const { name, port } of all)
    while (!(await answers(port))) {
      signal?.throwIfAborted()
      if (Date.now() > deadline)
        throw new Fault('timeout', `${name} of the demo plant does not run: see what npm start says of it`)
      await pause(100)
    }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** The first auditor's key and the first list. INVARIANT: both keys are on disk before the list stands. */
async function addAuditor({ ask, say, dataDir, demo }: Filling): Promise<void> {
  if ((await ask('status', {})).auditors !== null) return
  say('the auditor’s key')
  const sodium = await loadSodium()
  const identity = makeIdentity(sodium, auditorName)
  try {
    const { keyFile, passphrase, recoveryFile } = demo.auditor
    writeDemoFile(dataDir, keyFile, await writeIdentity(sodium, argon2idOfNode, identity, passphrase))
    const first = { name: auditorName, signKey: identity.signKey, boxKey: identity.boxKey }
    const made = await makeFirstList(sodium, first, () => new Date())
    writeDemoFile(dataDir, recoveryFile, made.recoveryFile)
    await ask('auditor.append', {
      body: made.link.body,
      signature: made.link.signature,
      newAuditorUser: auditorName,
    })
  } finally {
    forget(sodium, identity)
  }
}

/** Signs everybody in; answers their tokens by name. */
async function enrolAll(filling: Filling): Promise<ReadonlyMap<string, string>> {
  const { ask, say, signal } = filling
  say('the people sign in for the first time')
  const { intakeKey } = await ask('status', {})
  const users = await ask('user.list', {})
  const tokens = new Map<string, string>()
  const keepPerson = (changed: DemoPerson) =>
    keep(filling, { people: filling.demo.people.map((one) => (one.name === changed.name ? changed : one)) })
  for (const person of filling.demo.people) {
    signal?.throwIfAborted()
    tokens.set(
      person.name,
      await enrolPerson({ ask, intakeKey: intakeKey ?? '', keep: keepPerson }, person, users),
    )
  }
  return tokens
}

async function addPlaces({ ask }: Filling, sheet: MachineSheet): Promise<void> {
  const sodium = await loadSodium()
  const { intakeKey } = await ask('status', {})
  const known = new Set((await ask('safe.list', {})).map(({ name }) => name))
  for (const name of safes) if (!known.has(name)) await ask('safe.add', { name })
  for (const safe of safes) {
    await ask('safe.member.set', { safe, user: auditorName, permissions: ['replay'] })
    await ask('safe.member.set', { safe, user: supervisorName, permissions: ['approve', 'supervise'] })
  }
  for (const { safe, user } of askers) await ask('safe.member.set', { safe, user, permissions: ['use'] })
  const targets = new Set((await ask('target.list', {})).map(({ name }) => name))
  const accounts = new Set((await ask('account.list', {})).map(({ name }) => name))
  for (const { name, safe } of machines) {
    const machine = sheet.machines.find((one) => one.name === name)
    if (machine === undefined) throw new Fault('configuration', `${name} is missing from the demo's machines`)
    if (!targets.has(name))
      await ask('target.add', {
        name,
        safe,
        address: `ssh://127.0.0.1:${machine.port}`,
        pin: pinOf(machine.hostKey),
      })
    if (name === oldMachine.name)
      await ask('target.legacy', {
        target: name,
        algorithms: [...oldNeeds],
        reason: oldMachine.reason,
        forSeconds: oldMachine.days * 24 * 3600,
      })
    for (const { login, password } of machine.logins) {
      const account = `${name}/${login}`
      if (accounts.has(account)) continue
      const sealed = makeSealedAccountSecret(sodium, intakeKey ?? '', account, Buffer.from(password))
      await ask('account.add', { target: name, login, credential: { kind: 'password', sealed } })
    }
  }
  for (const { account, kind, secret } of elevations) {
    const { elevation } = await ask('account.show', { account })
    if (elevation === null) await ask('account.elevation', { account, elevation: { kind, account: secret } })
  }
}

function pinOf(hostKey: string): string {
  const key = utils.parseKey(hostKey)
  if (key instanceof Error) throw new Fault('configuration', 'a host key of the demo is malformed')
  return describeHostKey(key.getPublicSSH()).fingerprint
}

const sameGrant = (one: GrantView, user: string, reason: string) => one.user === user && one.reason === reason

async function addGrants({ ask }: Filling): Promise<void> {
  const known = await ask('grant.list', {})
  for (const { user, account, actions, forwards, begins, seconds, mode, reason } of grants) {
    if (known.some((one) => sameGrant(one, user, reason))) continue
    const from = Date.now() + (begins ?? 0) * 1000
    await ask('grant.add', {
      user,
      account,
      actions: [...actions],
      reason,
      ...(forwards === undefined ? {} : { forwards: [...forwards] }),
      ...(mode === undefined ? {} : { mode }),
      ...(begins === undefined
        ? { forSeconds: seconds }
        : {
            notBefore: new Date(from).toISOString(),
            notAfter: new Date(from + seconds * 1000).toISOString(),
          }),
    })
  }
}

/** Everybody works through their own shifts, one after the other, all of them at once. */
async function workAll(
  filling: Filling,
  door: GatewayDoor,
  tokens: ReadonlyMap<string, string>,
): Promise<void> {
  const { ask, say, signal } = filling
  const left = shifts.filter(({ id }) => filling.demo.worked[id] === undefined)
  say(
    `${left.length} sessions are worked and recorded, by ${new Set(left.map(({ user }) => user)).size} people at once`,
  )
  const over = new Map(shifts.map(({ id }) => [id, Promise.withResolvers<void>()]))
  for (const id of Object.keys(filling.demo.worked)) over.get(id)?.resolve()
  let done = 0
  await Promise.all(
    [...Map.groupBy(left, ({ user }) => user)].map(async ([user, mine]) => {
      const token = tokens.get(user) ?? ''
      for (const shift of mine) {
        if (shift.after !== undefined) await over.get(shift.after)?.promise
        signal?.throwIfAborted()
        const before = new Set<string>((await ask('recording.list', {})).map(({ id }) => id))
        const { ticket } = await ask('ticket.issue', { account: shift.account }, token)
        await work(door, shift, ticket)
        const recording = await untilRecorded(ask, (one) => one.user === user && !before.has(one.id))
        keep(filling, { worked: { ...filling.demo.worked, [shift.id]: recording } })
        over.get(shift.id)?.resolve()
        done += 1
        say(`recorded ${done} of ${left.length}: ${user} on ${shift.account}`)
      }
    }),
  )
}

type Recorded = { readonly id: string; readonly user: string; readonly state: string }

/** The recording of the session that has just ended, once it is complete. */
async function untilRecorded(ask: AskVault, isIt: (one: Recorded) => boolean): Promise<string> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const found = (await ask('recording.list', {})).find(isIt)
    if (found?.state === 'complete') return found.id
    if (Date.now() > deadline)
      throw new Fault('timeout', 'a session of the demo was not recorded whole: run tagout demo again')
    await pause(100)
  }
}

async function revokeSpent({ ask }: Filling): Promise<void> {
  const known = await ask('grant.list', {})
  for (const { user, reason } of grants.filter(({ isRevoked }) => isRevoked === true))
    for (const one of known.filter((grant) => sameGrant(grant, user, reason) && grant.state === 'active'))
      await ask('grant.revoke', { grant: one.id })
}

/** Somebody lets themselves in, and it is over: its review waits. */
async function breakGlass(filling: Filling, tokens: ReadonlyMap<string, string>): Promise<void> {
  const { ask } = filling
  const { user, safe, account, minutes, alarms, reason } = emergency
  for (const [name, address] of Object.entries(addresses)) await ask('user.mail', { user: name, address })
  await ask('safe.breakGlass', { safe, minutes, alarms: [...alarms] })
  await ask('safe.member.set', { safe, user, permissions: ['break-glass'] })
  const [known] = await ask('breakglass.list', { state: 'all' })
  if (known === undefined) {
    const person = filling.demo.people.find(({ name }) => name === user)
    if (person === undefined) throw new Fault('configuration', `${user} is missing from the demo's people`)
    filling.say('an emergency')
    const { code, step } = await freshCode(person)
    const used = { ...person, lastStep: step }
    keep(filling, { people: filling.demo.people.map((one) => (one.name === user ? used : one)) })
    const opened = await ask('breakglass.open', { account, reason, totpCode: code }, tokens.get(user) ?? '')
    await ask('grant.revoke', { grant: opened.grant })
  } else if (known.state === 'running') await ask('grant.revoke', { grant: known.grant })
}

async function applyPolicy({ ask }: Filling): Promise<void> {
  const { version } = await ask('policy.show', {})
  if (version === 0) await ask('policy.apply', { document: policy, expected: null })
}

/** Some ask to be let in, and the supervisor answers one of them. */
async function askAll({ ask }: Filling, tokens: ReadonlyMap<string, string>): Promise<void> {
  const known = await ask('request.list', { state: 'all' })
  for (const { user, account, actions, seconds, reason, workOrder, denial } of requests) {
    const before = known.find((one) => one.reason === reason)
    const { id, digest, state } =
      before ??
      (await ask(
        'request.add',
        {
          account,
          actions: [...actions],
          forSeconds: seconds,
          reason,
          ...(workOrder === undefined ? {} : { workOrder }),
        },
        tokens.get(user) ?? '',
      ))
    if (denial !== undefined && state === 'open')
      await ask(
        'request.decide',
        { request: id, digest, verdict: 'deny', note: denial },
        tokens.get(supervisorName) ?? '',
      )
  }
}
