import type { Command } from 'commander'
import type { RotationPlan, RotationRunView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { misuse } from './complaint.ts'
import { parseDuration, parseMoment } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { addLimitCommands } from './rotation-limits.ts'
import { addRecipeCommands } from './rotation-recipes.ts'
import { addBatchCommands } from './rotation-batches.ts'
import { addLedgerCommands, planDue } from './rotation-ledger.ts'
import { settingsText } from './rotation-settings.ts'
import { addTaskCommands } from './rotation-tasks.ts'
import { examples, facts, type Tools, type Vault } from './tools.ts'

type RotateOptions = {
  readonly plan?: boolean
  readonly due?: string
  readonly reason?: string
  readonly despiteDependants?: boolean
  readonly wait?: string
}

/** `tagout rotate` and `tagout rotation`. */
export function addRotationCommands(root: Command, tools: Tools): void {
  const idOf = (text: string) => parseGivenId('rot', text, 'tagout rotation list')

  root
    .command('rotate [accounts...]')
    .description(
      'change the credential of an account on its machine; several: the first alone, then the others',
    )
    .option('--plan', 'say what would happen and when, and change nothing')
    .option('--due <time>', 'with --plan and no account: what is due within that time, line by line')
    .option('--reason <text>', 'why; needed for several')
    .option('--despite-dependants', 'the other places that hold the secret are looked after')
    .option('--wait <time>', 'wait until it is over: 5m')
    .addHelpText(
      'after',
      examples(
        'tagout rotate press-3/engineer --plan',
        'tagout rotate --plan --due 30d',
        'tagout rotate press-3/engineer --reason "fitter left" --wait 2m',
        'tagout rotate press-3/engineer press-4/engineer --reason "yearly"',
      ),
    )
    .action(async (accounts: readonly string[], options: RotateOptions) => {
      if (options.due !== undefined) {
        if (options.plan !== true || accounts.length > 0)
          throw misuse(
            '--due goes with --plan, and names no account',
            'write: tagout rotate --plan --due 30d',
          )
        return planDue(tools, options.due)
      }
      if (accounts.length === 0)
        throw misuse('no account is named', 'name one, or see: tagout rotate --plan --due 30d')
      if (options.plan === true) return plan(tools, accounts)
      await tools.withVault(async (vault) => {
        const asked = await ask(vault, accounts, options)
        const runs =
          options.wait === undefined ? asked : await waitFor(vault, asked, parseDuration(options.wait))
        if (accounts.length === 1) tools.show(runs[0], () => runs.map(runText).join(''))
        else listRuns(tools, runs)
        if (options.wait === undefined) tools.note(`see how it goes: tagout rotation show ${runs[0]?.id}`)
      })
    })

  const rotation = root.command('rotation').description('rotations: what is due, under way, stuck and done')

  rotation
    .command('list')
    .description('list rotations and verifications, the latest first')
    .option('--account <account>', 'of this account')
    .option('--open', 'only those that are not over')
    .addHelpText(
      'after',
      examples('tagout rotation list --open', 'tagout rotation list --account press-3/engineer --json'),
    )
    .action(async (options: { readonly account?: string; readonly open?: boolean }) => {
      const found = await tools.withVault((vault) =>
        vault.ask('rotation.list', {
          ...(options.account === undefined ? {} : { account: options.account }),
          ...(options.open === true ? { open: true } : {}),
        }),
      )
      listRuns(tools, found, options.open === true ? 'nothing is under way' : undefined)
    })

  rotation
    .command('show <rotation>')
    .description('show one, and what to do where it is stuck')
    .addHelpText('after', examples('tagout rotation show rot_…'))
    .action(async (text: string) => {
      const id = idOf(text)
      const found = await tools.withVault((vault) => vault.ask('rotation.show', { run: id }))
      tools.show(found, () => runText(found))
    })

  rotation
    .command('cancel <rotation>')
    .description('give one up of which its machine has not heard yet')
    .requiredOption('--reason <text>', 'why')
    .addHelpText('after', examples('tagout rotation cancel rot_… --reason "shift goes on"'))
    .action(async (text: string, { reason }: { readonly reason: string }) => {
      const id = idOf(text)
      const after = await tools.withVault((vault) => vault.ask('rotation.cancel', { run: id, reason }))
      tools.show(after, () => runText(after))
    })

  rotation
    .command('retry <rotation>')
    .description('have both credentials tried again, where nobody knows which the machine takes')
    .addHelpText('after', examples('tagout rotation retry rot_…'))
    .action(async (text: string) => {
      const id = idOf(text)
      const after = await tools.withVault((vault) => vault.ask('rotation.retry', { run: id }))
      tools.show(after, () => runText(after))
    })

  rotation
    .command('verify <account>')
    .description('have the present credential tried, which changes nothing: finds what was changed by hand')
    .option('--wait <time>', 'wait until it is over: 1m')
    .addHelpText('after', examples('tagout rotation verify press-3/engineer --wait 1m'))
    .action(async (account: string, { wait }: { readonly wait?: string }) => {
      await tools.withVault(async (vault) => {
        const asked = [await vault.ask('rotation.verify', { account })]
        const [run] = wait === undefined ? asked : await waitFor(vault, asked, parseDuration(wait))
        if (run !== undefined) tools.show(run, () => runText(run))
      })
    })

  rotation
    .command('accounts')
    .description('list accounts with how each is rotated, or that it is not')
    .option('--not-rotating', 'those alone that are kept and never changed')
    .option('--overdue', 'those alone that should be another secret by now')
    .addHelpText(
      'after',
      examples('tagout rotation accounts', 'tagout rotation accounts --not-rotating --json'),
    )
    .action(async (options: { readonly notRotating?: boolean; readonly overdue?: boolean }) => {
      const all = await tools.withVault((vault) => vault.ask('rotation.accounts', {}))
      const rows = all.filter(
        ({ how, isOverdue }) =>
          (options.notRotating !== true || how === 'not') && (options.overdue !== true || isOverdue),
      )
      tools.list(
        rows,
        [
          ['ACCOUNT', (row) => row.account],
          ['ROTATED', (row) => row.how],
          ['GRADE', (row) => row.grade],
          ['CONNECTOR', (row) => row.connector ?? '-'],
          ['SINCE', (row) => (row.since === null ? 'no secret' : when(row.since))],
          ['DUE', (row) => `${when(row.dueAt)}${row.isOverdue ? ' OVERDUE' : ''}`],
          ['LAST', (row) => (row.last === null ? 'never' : `${row.last.phase} ${when(row.last.endedAt)}`)],
        ],
        options.overdue === true ? 'nothing is overdue' : 'there are none',
      )
      const not = all.filter(({ how }) => how === 'not').length
      if (not > 0 && options.notRotating !== true)
        tools.note(
          `${not} of ${all.length} are kept and not rotated: tagout rotation accounts --not-rotating`,
        )
    })

  addTaskCommands(rotation, tools)
  addBatchCommands(rotation, tools)
  addLedgerCommands(rotation, tools)

  rotation
    .command('leak <account>')
    .description('say that a secret is known to whom it should not be: people are told, and it is rotated')
    .requiredOption('--reason <text>', 'what is known of it')
    .addHelpText(
      'after',
      examples('tagout rotation leak press-3/engineer --reason "in a mail of 30 November"'),
    )
    .action(async (account: string, { reason }: { readonly reason: string }) => {
      const said = await tools.withVault((vault) => vault.ask('rotation.leak', { account, reason }))
      tools.show(said, () =>
        said.run === null ? `it is not rotated: ${said.why}\n${said.next}\n` : runText(said.run),
      )
      if (said.told > 0) tools.note(`${said.told} sessions with it were told`)
    })

  rotation
    .command('findings')
    .description('list secrets that are shared, or publicly known for their machines; never which they are')
    .addHelpText('after', examples('tagout rotation findings', 'tagout rotation findings --json'))
    .action(async () => {
      const found = await tools.withVault((vault) => vault.ask('rotation.findings', {}))
      if (tools.json()) return tools.show(found, () => '')
      tools.list(
        found.findings,
        [
          ['KIND', (row) => row.kind],
          ['FOUND', (row) => row.text],
        ],
        `nothing is wrong with the ${found.looked} secrets that were looked at`,
      )
      if (found.findings.length > 0) tools.note('rotate each, or set another one: tagout account secret')
      if (found.left > 0) tools.note(`${found.left} were not looked at yet: ask again`)
    })

  rotation
    .command('connectors')
    .description('list what can be rotated by a machine, and the profiles of passwords')
    .addHelpText('after', examples('tagout rotation connectors', 'tagout rotation connectors --json'))
    .action(async () => {
      const { connectors, profiles } = await tools.withVault((vault) => vault.ask('rotation.connectors', {}))
      if (tools.json()) return tools.show({ connectors, profiles }, () => '')
      tools.list(
        connectors,
        [
          ['CONNECTOR', (row) => row.name],
          ['CHANGES', (row) => row.title],
        ],
        'there are none',
      )
      tools.say('')
      tools.list(
        profiles,
        [
          ['PROFILE', (row) => row.name],
          ['LENGTH', (row) => (row.least === row.most ? String(row.most) : `${row.least}–${row.most}`)],
          ['STRENGTH', (row) => `${row.strength.bits} bits, ${row.strength.verdict}`],
          ['FOR', (row) => row.title],
        ],
        'there are none',
      )
    })

  addRecipeCommands(rotation, tools)
  addLimitCommands(rotation, tools)

  rotation
    .command('hold <safe>')
    .description('say that production runs: nothing of the safe is rotated by itself')
    .requiredOption('--reason <text>', 'what runs')
    .option('--until <moment>', '2026-12-01T06:00 or +8h; missing: until it is lifted')
    .addHelpText('after', examples('tagout rotation hold line-3 --reason "order 4711" --until +8h'))
    .action(async (safe: string, options: { readonly reason: string; readonly until?: string }) => {
      const { reason, until } = options
      const held = await tools.withVault((vault) =>
        vault.ask('rotation.hold', {
          safe,
          reason,
          ...(until === undefined ? {} : { until: parseMoment(until) }),
        }),
      )
      tools.show(
        held,
        () =>
          `nothing of ${held.safe} is rotated by itself until ${held.until === null ? 'somebody lifts it' : when(held.until)}`,
      )
    })

  rotation
    .command('unhold <safe>')
    .description('let rotations of a safe go on')
    .addHelpText('after', examples('tagout rotation unhold line-3'))
    .action(async (safe: string) => {
      await tools.withVault((vault) => vault.ask('rotation.unhold', { safe }))
      tools.show({ unheld: safe }, () => `rotations of ${safe} go on`)
    })

  rotation
    .command('holds')
    .description('list safes in which production runs')
    .addHelpText('after', examples('tagout rotation holds'))
    .action(async () => {
      const found = await tools.withVault((vault) => vault.ask('rotation.holds', {}))
      tools.list(
        found,
        [
          ['SAFE', (row) => row.safe],
          ['WHY', (row) => row.reason],
          ['BY', (row) => whoText(row.by)],
          ['SINCE', (row) => when(row.since)],
          ['UNTIL', (row) => (row.until === null ? 'it is lifted' : when(row.until))],
        ],
        'nothing is held up',
      )
    })
}

async function ask(
  vault: Vault,
  accounts: readonly string[],
  options: RotateOptions,
): Promise<readonly RotationRunView[]> {
  const [account = ''] = accounts
  if (accounts.length === 1)
    return [
      await vault.ask('rotation.start', {
        account,
        ...(options.reason === undefined ? {} : { reason: options.reason }),
        ...(options.despiteDependants === true ? { despiteDependants: true } : {}),
      }),
    ]
  if (options.reason === undefined) throw misuse('several are rotated for a reason', 'give --reason')
  return vault.ask('rotation.batch', { accounts: [...accounts], reason: options.reason })
}

/** Looks until all are over, or need a person, or the time is up. */
async function waitFor(
  vault: Vault,
  asked: readonly RotationRunView[],
  seconds: number,
): Promise<readonly RotationRunView[]> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const runs: RotationRunView[] = []
    for (const { id } of asked) runs.push(await vault.ask('rotation.show', { run: id }))
    const isOver = runs.every(({ endedAt, phase }) => endedAt !== null || phase === 'unknown')
    if (isOver || Date.now() > deadline) return runs
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

async function plan(tools: Tools, accounts: readonly string[]): Promise<void> {
  const plans = await tools.withVault(async (vault) => {
    const found: RotationPlan[] = []
    for (const account of accounts) found.push(await vault.ask('rotation.plan', { account }))
    return found
  })
  tools.show(accounts.length === 1 ? plans[0] : plans, () => plans.map(planText).join('\n'))
}

function planText({ settings, steps, obstacles, earliest, logins }: RotationPlan): string {
  return [
    settingsText(settings),
    `\n${steps.length === 0 ? 'nothing would be done' : 'what would be done:'}\n`,
    ...steps.map((step, at) => `  ${at + 1}. ${step}\n`),
    ...obstacles.flatMap(({ why, next, until }) => [
      `\nnot now: ${why}\n  ${until === null ? next : `until ${when(until)} at least: ${next}`}\n`,
    ]),
    `\nwhen: ${earliest === null ? 'not before that is settled' : obstacles.length === 0 ? 'at once' : `not before ${when(earliest)}`}\n`,
    `logins that may still be refused there: ${logins.left} of ${logins.of}\n`,
  ].join('')
}

function listRuns(tools: Tools, runs: readonly RotationRunView[], empty = 'nothing was rotated yet'): void {
  tools.list(
    runs,
    [
      ['ID', (row) => row.id],
      ['ACCOUNT', (row) => row.account],
      ['WHAT', (row) => row.kind],
      ['WHY', (row) => row.cause],
      ['PHASE', phaseText],
      ['SINCE', (row) => when(row.createdAt)],
      ['SAID', (row) => row.why],
    ],
    empty,
  )
}

function phaseText(run: RotationRunView): string {
  if (run.kind === 'verify' && run.phase === 'done') return 'fine'
  if (run.kind === 'verify' && run.phase === 'failed' && run.believes === 'nothing') return 'DRIFT'
  return run.phase === 'unknown' ? 'UNKNOWN' : run.phase
}

const sessionsGet = {
  current: 'the one from before',
  candidate: 'the new one',
  nothing: 'none: which one the machine takes is not known',
}

function whatText({ kind, connector }: RotationRunView): string {
  if (kind === 'verify') return 'tries the present credential'
  return kind === 'assist' ? 'is changed by people: tagout rotation tasks' : `rotates it by ${connector}`
}

function runText(run: RotationRunView): string {
  const isDoubt = run.endedAt === null && run.phase !== 'waiting' && run.kind === 'rotate'
  return facts([
    ['id', run.id],
    ['account', run.account],
    ['what', whatText(run)],
    ['why', run.reason === '' ? run.cause : `${run.cause}: ${run.reason}`],
    ['asked by', whoText(run.askedBy)],
    ['phase', phaseText(run)],
    ...(run.step === null ? [] : [['step', `${run.step}, until ${when(run.stepUntil)}`] as const]),
    ...(run.endedAt === null
      ? [['next look', when(run.dueAt)] as const]
      : [['over', when(run.endedAt)] as const]),
    ...(run.version === null || run.kind === 'verify' ? [] : [['version', String(run.version)] as const]),
    ...(isDoubt ? [['sessions get', sessionsGet[run.believes]] as const] : []),
    ...run.dependants.map(
      ({ place, state, isOverdue }) =>
        ['also kept in', `${place}: ${state}${isOverdue ? ' OVERDUE' : ''}`] as const,
    ),
    ...(run.why === '' ? [] : [['said', run.why] as const]),
    ...(run.next === null ? [] : [['what to do', run.next] as const]),
  ])
}
