import type { Command } from 'commander'
import { rotationGrades, type RotationSettings, type VerbInput } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { parseDuration, parseMoment } from './duration.ts'
import { when } from './io.ts'
import { collect, examples, facts, type Tools } from './tools.ts'

type Given = {
  readonly connector?: string
  readonly recipe?: string
  readonly profile?: string
  readonly grade?: string
  readonly reason?: string
  readonly every?: string
  readonly window?: string
  readonly essential?: boolean
  readonly afterCheckIn?: boolean
  readonly afterReveal?: boolean
  readonly reconcileWith?: string
  readonly through?: string
  readonly dependant?: readonly string[]
  readonly blockingDependant?: readonly string[]
  readonly taskDependant?: readonly string[]
  readonly accountDependant?: readonly string[]
  readonly cron?: string
  readonly zone?: string
  readonly leakAtOnce?: boolean
  readonly dependants?: boolean
  readonly lockOut?: string
  readonly exemptOwner?: string
  readonly exemptUntil?: string
}

/** `none` takes a setting away. */
const orNone = (text: string | undefined) => (text === undefined ? undefined : text === 'none' ? null : text)

/** `tagout account rotation`: how an account is rotated. */
export function addRotationSettings(account: Command, tools: Tools): void {
  const rotation = account
    .command('rotation')
    .description('how an account is rotated: by what, when, and when not')

  rotation
    .command('show <account>')
    .description('show how an account is rotated, and when the next time is')
    .addHelpText('after', examples('tagout account rotation show press-3/engineer'))
    .action(async (name: string) => {
      const found = await tools.withVault((vault) => vault.ask('rotation.settings', { account: name }))
      tools.show(found, () => settingsText(found))
    })

  rotation
    .command('set <account>')
    .description('say how an account is rotated; what is not named stays, and none takes away')
    .option('--connector <name>', 'what changes it: tagout rotation connectors')
    .option('--recipe <name>', 'what the connector follows: tagout rotation recipe list')
    .option('--profile <name>', 'which passwords its machine takes: tagout rotation connectors')
    .option('--grade <grade>', 'G0 nothing to change, G1 online, G2 in a window, G3 by people, G4 not at all')
    .option('--reason <text>', 'why it is of that grade')
    .option('--every <age>', 'rotate when it is so old: 30d')
    .option('--cron <fields>', 'by a schedule: 0 2 1 */3 *; none takes it away')
    .option('--zone <zone>', 'whose clock the schedule is of: Europe/Berlin')
    .option('--leak-at-once', 'where it has leaked, its window is not waited for')
    .option('--no-leak-at-once', 'its window is waited for, whatever has leaked')
    .option('--window <calendar>', 'only while this calendar of the policy is open')
    .option('--essential', 'never by itself: people depend on it')
    .option('--no-essential', 'it may be rotated by itself')
    .option('--after-check-in', 'after each check-in')
    .option('--no-after-check-in', 'not because it was checked in')
    .option('--after-reveal', 'after somebody has seen it')
    .option('--no-after-reveal', 'not because somebody has seen it')
    .option('--reconcile-with <account>', 'a privileged account of the machine, which sets it right')
    .option('--through <account>', 'another account of the same host, as which it is changed')
    .option('--dependant <place>', 'another place that holds the same secret; more than once', collect)
    .option(
      '--blocking-dependant <place>',
      'one for which nothing rotates by itself; more than once',
      collect,
    )
    .option('--task-dependant <place>', 'one for which people get a task each time; more than once', collect)
    .option(
      '--account-dependant <account>',
      'an account of the same safe with the same secret, which takes the new one; more than once',
      collect,
    )
    .option('--no-dependants', 'no other place holds it')
    .option('--lock-out <number/time>', 'the machine locks out after so many refused logins in a time: 5/15m')
    .option('--exempt-owner <name>', 'who answers for a credential that is not changed')
    .option('--exempt-until <moment>', 'when that is looked at again')
    .addHelpText(
      'after',
      examples(
        'tagout account rotation set press-3/engineer --connector linux-password --every 30d --window nights',
        'tagout account rotation set press-3/root --connector linux-password --essential',
        'tagout account rotation set panel-3/operator --connector vnc-password --through press-3/root',
        'tagout account rotation set switch-7/tech --connector network-cli --recipe cisco-ios --every 90d',
        'tagout account rotation set plc-7/fw --grade G4 --reason "project password" --exempt-owner maya --exempt-until 2027-06-01',
      ),
    )
    .action(async (name: string, options: Given) => {
      const changed = await tools.withVault((vault) => vault.ask('rotation.set', inputOf(name, options)))
      tools.show(changed, () => settingsText(changed))
      if (changed.strength?.verdict === 'weak')
        tools.note(
          `a password of the profile ${changed.profile} has ${changed.strength.bits} bits in ${changed.strength.characters} characters: keep its machine where few can try`,
        )
    })
}

function inputOf(account: string, options: Given): VerbInput<'rotation.set'> {
  const { every, lockOut, exemptOwner: owner, exemptUntil: until } = options
  const grade = rotationGrades.find((known) => known === options.grade?.toUpperCase())
  if (options.grade !== undefined && grade === undefined)
    throw misuse(`there is no grade ${options.grade}`, `choose from ${rotationGrades.join(', ')}`)
  if ((owner === undefined) !== (until === undefined))
    throw misuse('--exempt-owner and --exempt-until go together', 'give both')
  const dependants =
    options.dependants === false
      ? []
      : [
          ...(options.dependant ?? []).map((place) => ({ place, kind: 'told' as const })),
          ...(options.taskDependant ?? []).map((place) => ({ place, kind: 'task' as const })),
          ...(options.accountDependant ?? []).map((place) => ({ place, kind: 'account' as const })),
          ...(options.blockingDependant ?? []).map((place) => ({ place, kind: 'blocks' as const })),
        ]
  const isGiven = options.dependants === false || dependants.length > 0
  const given = {
    connector: orNone(options.connector),
    recipe: orNone(options.recipe),
    profile: orNone(options.profile),
    calendar: orNone(options.window),
    reconcileAccount: orNone(options.reconcileWith),
    throughAccount: orNone(options.through),
    gradeReason: options.reason,
    grade,
    essential: options.essential,
    schedule: scheduleOf(options),
    leakAtOnce: options.leakAtOnce,
    afterCheckIn: options.afterCheckIn,
    afterReveal: options.afterReveal,
    maxAgeDays: every === undefined ? undefined : every === 'none' ? null : daysOf(every),
    lockOut: lockOut === undefined ? undefined : lockOut === 'none' ? null : lockOutOf(lockOut),
    exemption: owner === undefined ? undefined : { owner, until: parseMoment(until ?? '') },
    dependants: isGiven ? dependants : undefined,
  }
  const named = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  if (Object.keys(named).length === 0)
    throw misuse('nothing is set', 'name something: tagout account rotation set --help')
  return { account, ...named }
}

function scheduleOf({ cron, zone }: Given) {
  if (cron === 'none') return null
  if (cron === undefined && zone === undefined) return undefined
  if (cron === undefined || zone === undefined) throw misuse('--cron and --zone go together', 'give both')
  return { cron, zone }
}

function daysOf(text: string): number {
  const days = parseDuration(text) / 86_400
  if (!Number.isInteger(days)) throw misuse('--every is in whole days', 'write it like 30d or 8w')
  return days
}

function lockOutOf(text: string) {
  const [refused, time, ...more] = text.split('/')
  if (!/^\d{1,3}$/.test(refused ?? '') || time === undefined || more.length > 0)
    throw misuse(
      `${JSON.stringify(text)} is no lock-out`,
      'write it like 5/15m: five refused logins in 15 minutes',
    )
  return { refused: Number(refused), seconds: parseDuration(time) }
}

export function settingsText(settings: RotationSettings): string {
  const { strength, lockOut, exemption } = settings
  return facts([
    ['account', settings.account],
    ['grade', settings.gradeReason === '' ? settings.grade : `${settings.grade}: ${settings.gradeReason}`],
    ['connector', settings.connector ?? 'none: Tagout does not rotate it'],
    ...(settings.recipe === null ? [] : [['recipe', settings.recipe] as const]),
    ...settings.findings.map((finding) => ['know that', finding] as const),
    ...(settings.profile === null
      ? []
      : [
          [
            'passwords',
            strength === null
              ? settings.profile
              : `${settings.profile}${settings.toldAt === null ? '' : ', and what its machine says'}: ${strength.bits} bits in ${strength.characters} characters, ${strength.verdict}`,
          ] as const,
        ]),
    ['rotated', whenText(settings)],
    ['window', settings.calendar ?? 'at any time'],
    ...(settings.throughAccount === null ? [] : [['changed through', settings.throughAccount] as const]),
    ['reconciled by', settings.reconcileAccount ?? 'nobody: a person is sent for'],
    [
      'also kept in',
      settings.dependants
        .map(({ place, kind }) =>
          kind === 'told' ? place : `${place} (${kind === 'blocks' ? kind : `by ${kind}`})`,
        )
        .join(', ') || 'nothing that is known',
    ],
    [
      'locks out after',
      lockOut === null ? 'unknown' : `${lockOut.refused} refused logins in ${lockOut.seconds} s`,
    ],
    ...(exemption === null
      ? []
      : [
          [
            'exempt',
            `${exemption.owner} answers for it until ${when(exemption.until)}${exemption.isOver ? ' OVERDUE' : ''}`,
          ] as const,
        ]),
    ['since', when(settings.since)],
    ['due', settings.dueAt === null ? 'at no set time' : when(settings.dueAt)],
  ])
}

function whenText({ essential, schedule, maxAgeDays, afterCheckIn, afterReveal }: RotationSettings): string {
  if (essential) return 'by hand alone: it is essential'
  const causes = [
    ...(maxAgeDays === null ? [] : [`every ${maxAgeDays} days`]),
    ...(schedule === null ? [] : [`by the schedule ${schedule.cron} (${schedule.zone})`]),
    ...(afterCheckIn ? ['after each check-in'] : []),
    ...(afterReveal ? ['after each reveal'] : []),
  ]
  return causes.join(', ') || 'by hand'
}
