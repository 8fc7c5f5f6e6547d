import { type Command, InvalidArgumentError, Option } from 'commander'
import { z } from 'zod'
import {
  type RiskFinding,
  riskFindings,
  type RiskMark,
  type RiskRule,
  riskRules,
  type RiskSettings,
  type VerbInput,
} from '../../vault/contract.ts'
import { hoursText } from '../../vault/kernel/risk-text.ts'
import { askAs, type Person } from './ask-as.ts'
import { Complaint, misuse } from './complaint.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { parseLimit } from './limit.ts'
import { collect, examples, facts, type Tools } from './tools.ts'

const signed = z.looseObject({ id: z.string(), rule: z.string(), user: z.string(), account: z.string() })
const listedBy = 'tagout review list --all'

/** `tagout review`: what was out of the ordinary, why, and what somebody found who looked. */
export function addReviewCommands(root: Command, tools: Tools): void {
  const review = root
    .command('review')
    .description('what was out of the ordinary: the marks, why each was made, and what somebody found')

  review
    .command('list')
    .description('list the marks that nobody has signed for')
    .option('--all', 'the signed ones too')
    .addOption(new Option('--rule <rule>', 'of this rule').choices(riskRules))
    .option('--person <user>', 'of what this person did')
    .option('--session <session>', 'of this session')
    .option('--limit <count>', 'the newest so many (default: 200)')
    .addHelpText('after', examples('tagout review list', 'tagout review list --rule off-hours --all --json'))
    .action(
      async (options: { all?: true; rule?: RiskRule; person?: string; session?: string; limit?: string }) => {
        const limit = parseLimit(options.limit, 200)
        const answer = await tools.withVault((vault) =>
          vault.ask('risk.list', {
            state: options.all === true ? 'all' : 'open',
            ...(options.rule === undefined ? {} : { rule: options.rule }),
            ...(options.person === undefined ? {} : { person: options.person }),
            ...(options.session === undefined
              ? {}
              : { session: parseGivenId('ses', options.session, 'tagout session list') }),
            limit,
          }),
        )
        tools.list(
          answer.marks,
          [
            ['ID', (row) => row.id],
            ['RULE', (row) => row.rule],
            ['AT', (row) => when(row.at)],
            ['USER', (row) => row.user],
            ['ACCOUNT', (row) => row.account],
            ['WHY', (row) => row.why],
            ['FOUND', (row) => (row.review === null ? '-' : `${row.review.finding}, by ${row.review.by}`)],
          ],
          options.all === true ? 'nothing was out of the ordinary' : 'no mark waits for its review',
        )
        if (answer.more) tools.note(`these are the newest ${limit}; older ones with a larger --limit`)
      },
    )

  review
    .command('show <mark>')
    .description('show one, with the facts that its rule looked at')
    .addHelpText('after', examples('tagout review show rsk_…'))
    .action(async (text: string) => {
      const mark = parseGivenId('rsk', text, listedBy)
      const { marks } = await tools.withVault((vault) => vault.ask('risk.list', { mark }))
      const [found] = marks
      if (found === undefined) throw new Complaint(`there is no mark ${mark}`, listedBy)
      tools.show(found, () => describe(found))
    })

  review
    .command('sign <mark>')
    .description('say what you found and sign for it; never for what you did yourself')
    .requiredOption('--user <name>', 'you: an auditor or a security officer')
    .addOption(
      new Option('--finding <finding>', 'it has a good reason, or something is to be done')
        .choices(riskFindings)
        .makeOptionMandatory(),
    )
    .requiredOption('--note <text>', 'what you found; it is in the audit log')
    .option('--answers-stdin', 'read two lines: your password and your present code')
    .addHelpText(
      'after',
      examples(
        'tagout review sign rsk_… --user ingrid --finding explained --note "planned stop, WO-4711; replayed"',
      ),
    )
    .action(async (text: string, options: Person & { finding: RiskFinding; note: string }) => {
      const mark = parseGivenId('rsk', text, listedBy)
      const { finding, note } = options
      const answer = signed.parse(
        await askAs(tools, options, (client) =>
          client.ask('POST', `/api/marks/${mark}/review`, { finding, note }),
        ),
      )
      tools.show(answer, () => `signed for ${answer.rule} of ${answer.user} on ${answer.account}: ${finding}`)
    })

  review
    .command('rules')
    .description('show by what sessions and secrets are marked')
    .addHelpText('after', examples('tagout review rules'))
    .action(async () => {
      const settings = await tools.withVault((vault) => vault.ask('risk.settings', {}))
      tools.show(settings, () => describeSettings(settings))
    })

  addSetCommand(review, tools)
}

function addSetCommand(review: Command, tools: Tools): void {
  review
    .command('set')
    .description('change by what is marked from now on; what was marked stays')
    .option('--off <rules>', 'rules that mark nothing, all of them; "none" turns all on', collect)
    .option('--zone <zone>', 'by whose clocks ordinary hours are: Europe/Berlin')
    .option('--days <days>', 'days with ordinary hours: mon,tue,wed', collect)
    .option('--from <time>', 'when they begin: 06:00')
    .option('--until <time>', 'when they end: 20:00')
    .addOption(
      new Option('--hours-of <who>', 'whose sessions they are for').choices(['vendors', 'everybody']),
    )
    .option('--dormant-days <days>', 'days without a session after which a vendor is dormant', whole)
    .option('--spike-times <times>', 'so many times what is usual of an account is a spike', whole)
    .option('--spike-bytes <bytes>', 'from so many bytes of a recording on', whole)
    .requiredOption('--reason <text>', 'why; it is in the audit log')
    .addHelpText(
      'after',
      examples(
        'tagout review set --zone Europe/Berlin --days mon,tue,wed,thu,fri,sat --reason "three shifts"',
        'tagout review set --off volume-spike --reason "backups of this plant differ too much"',
      ),
    )
    .action(async (options: SetOptions) => {
      const { off, ...others } = options
      if (Object.keys(options).length === 1)
        throw misuse('say what to change: --off, --zone, --days, --from, --until or another')
      const given = {
        ...others,
        ...(off === undefined ? {} : { off: off.length === 1 && off[0] === 'none' ? [] : off }),
      } as VerbInput<'risk.set'>
      const settings = await tools.withVault((vault) => vault.ask('risk.set', given))
      tools.show(settings, () => describeSettings(settings))
    })
}

type SetOptions = { readonly off?: readonly string[]; readonly reason: string } & Omit<
  VerbInput<'risk.set'>,
  'off' | 'reason'
>

function whole(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('give a whole number')
  return Number(text)
}

function describe(mark: RiskMark): string {
  return facts([
    ['id', mark.id],
    ['rule', mark.rule],
    ['why', mark.why],
    ['user', mark.user],
    ['account', mark.account],
    ...(mark.session === null ? [] : [['session', mark.session] as const]),
    ...(mark.recording === null ? [] : [['recording', mark.recording] as const]),
    ['at', when(mark.at)],
    ['found', when(mark.foundAt)],
    ...mark.facts.map(({ name, value }) => ['fact', `${name}: ${value}`] as const),
    ...(mark.review === null
      ? [['review', 'nobody has signed for it yet: tagout review sign'] as const]
      : [
          ['review', `${mark.review.finding}, by ${mark.review.by}, ${when(mark.review.at)}`] as const,
          ['note', mark.review.note] as const,
        ]),
  ])
}

function describeSettings(settings: RiskSettings): string {
  return facts([
    ['ordinary hours', `${hoursText(settings)}, for ${settings.hoursOf}`],
    ['a vendor is dormant', `after ${settings.dormantDays} days without a session`],
    [
      'a volume spike',
      `${settings.spikeTimes} times the middle of an account's earlier recordings, from ${settings.spikeBytes} bytes on`,
    ],
    ['rules', riskRules.filter((rule) => !settings.off.includes(rule)).join(', ')],
    ['rules that are off', settings.off.join(', ') || '-'],
  ])
}
