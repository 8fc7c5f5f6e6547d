import type { Command } from 'commander'
import type { CompanyDetail, CompanyView, OffboardingView } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { parseMoment } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { table, when } from './io.ts'
import { offName, reportText, untilEnded } from './offboarding.ts'
import { collect, examples, facts, type Tools, type Vault } from './tools.ts'
import { enrolmentLink } from './user.ts'

type ChangeOptions = {
  readonly until?: string
  readonly sponsor?: string
  readonly mailDomain?: readonly string[]
  /** False with `--no-terms`. */
  readonly terms?: boolean
  readonly termsFile?: string
}

/** `tagout vendor`: companies whose people come from outside, for as long as their contracts run. */
export function addVendorCommands(root: Command, tools: Tools): void {
  const vendor = root
    .command('vendor')
    .description('vendors: companies and their representatives, their contracts, and taking them off')
  addCompanyCommands(vendor, tools)
  addOffCommands(vendor, tools)
}

function addCompanyCommands(vendor: Command, tools: Tools): void {
  vendor
    .command('list')
    .description('list companies')
    .addHelpText('after', examples('tagout vendor list', 'tagout vendor list --json'))
    .action(async () => {
      const companies = await tools.withVault((vault) => vault.ask('company.list', {}))
      tools.list(
        companies,
        [
          ['ID', (row) => row.id],
          ['NAME', (row) => row.name],
          ['STATE', (row) => row.state],
          ['CONTRACT UNTIL', (row) => when(row.contractEndsAt)],
          ['SPONSOR', sponsorText],
          ['PEOPLE', (row) => String(row.representatives)],
          ['MAIL AT', (row) => row.mailDomains.join(',')],
        ],
        'there are no companies; add one with: tagout vendor add NAME --until DATE --sponsor USER --mail-domain DOMAIN',
      )
    })

  vendor
    .command('show <company>')
    .description('show a company, its people and what they may use')
    .addHelpText('after', examples('tagout vendor show acme'))
    .action(async (company: string) => {
      const found = await tools.withVault((vault) => vault.ask('company.show', { company }))
      tools.show(found, () => describe(found))
    })

  vendor
    .command('add <name>')
    .description('add a company; invite its people afterwards')
    .requiredOption('--until <moment>', 'when its contract ends: nothing of its people’s outlasts that')
    .requiredOption('--sponsor <user>', 'who answers for it in the plant')
    .requiredOption('--mail-domain <domains>', 'where its people have their mail addresses', collect)
    .option('--terms-file <file>', 'text that its people must accept')
    .addHelpText(
      'after',
      examples(
        'tagout vendor add acme --until 2027-06-30 --sponsor sue --mail-domain acme.com,acme.de',
        'tagout vendor add acme --until +90d --sponsor sue --mail-domain acme.com --terms-file terms.txt',
      ),
    )
    .action(
      async (
        name: string,
        options: ChangeOptions & { until: string; sponsor: string; mailDomain: string[] },
      ) => {
        const terms = await readTerms(tools, options)
        const added = await tools.withVault((vault) =>
          vault.ask('company.add', {
            name,
            contractEndsAt: parseMoment(options.until),
            sponsor: options.sponsor,
            mailDomains: options.mailDomain,
            ...(terms === undefined || terms === null ? {} : { terms }),
          }),
        )
        tools.show(
          added,
          () =>
            `added company ${added.name} (${added.id}), contract until ${when(added.contractEndsAt)}\n` +
            `invite its people with: tagout vendor invite ${added.name} NAME MAIL\n`,
        )
      },
    )

  vendor
    .command('change <company>')
    .description('change the contract, sponsor, mail domains or terms of a company')
    .option('--until <moment>', 'when its contract ends; grants and sessions are made to end with it')
    .option('--sponsor <user>', 'who answers for it in the plant')
    .option('--mail-domain <domains>', 'where its people have their mail addresses: all of them', collect)
    .option('--terms-file <file>', 'text that its people must accept before anything else')
    .option('--no-terms', 'nothing has to be accepted any more')
    .addHelpText(
      'after',
      examples(
        'tagout vendor change acme --until 2028-06-30',
        'tagout vendor change acme --terms-file terms-2027.txt',
      ),
    )
    .action(async (company: string, options: ChangeOptions) => {
      const terms = await readTerms(tools, options)
      const change = {
        ...(options.until === undefined ? {} : { contractEndsAt: parseMoment(options.until) }),
        ...(options.sponsor === undefined ? {} : { sponsor: options.sponsor }),
        ...(options.mailDomain === undefined ? {} : { mailDomains: [...options.mailDomain] }),
        ...(terms === undefined ? {} : { terms }),
      }
      if (Object.keys(change).length === 0)
        throw misuse('say what changes: --until, --sponsor, --mail-domain, --terms-file or --no-terms')
      const changed = await tools.withVault((vault) => vault.ask('company.change', { company, ...change }))
      tools.show(changed, () => companyFacts(changed))
    })

  vendor
    .command('terms <company>')
    .description('show the texts of its terms in the course of time, and who accepted which')
    .addHelpText('after', examples('tagout vendor terms acme', 'tagout vendor terms acme --json'))
    .action(async (company: string) => {
      const texts = await tools.withVault((vault) => vault.ask('company.terms', { company }))
      tools.show(texts, () =>
        texts.length === 0
          ? `${company} has had no terms\n`
          : texts
              .map(({ digest, text, since, isPresent, acceptances }) =>
                [
                  `SHA-256 ${digest}${isPresent ? ' (present)' : ''}${since === null ? '' : `, kept since ${when(since)}`}`,
                  ...acceptances.map((one) => `  accepted by ${one.user} ${when(one.at)} from ${one.source}`),
                  text ?? '  its text was not kept',
                ].join('\n'),
              )
              .join('\n\n'),
      )
    })

  vendor
    .command('invite <company> <name> <mail>')
    .description('invite a person of a company; prints a one-time link')
    .addHelpText('after', examples('tagout vendor invite acme vera vera.stone@acme.com'))
    .action(async (company: string, name: string, mail: string) => {
      const { representative, enrolment } = await tools.withVault((vault) =>
        vault.ask('company.invite', { company, name, mail }),
      )
      const link = await enrolmentLink(tools, enrolment)
      tools.show(
        { ...representative, enrolment: { link, expiresAt: enrolment.expiresAt } },
        () =>
          `invited ${representative.user} (${representative.mail}) of ${company}\n` +
          `to accept terms, set password and second factor, until ${when(enrolment.expiresAt)}: ${link}\n`,
      )
    })
}

function addOffCommands(vendor: Command, tools: Tools): void {
  vendor
    .command('off <company>')
    .description('take a company off with all its people, now')
    .requiredOption('--reason <text>', 'why; it is in the audit log and in the report')
    .addHelpText(
      'after',
      `
Sessions are cut, grants and requests are void, keys and logins end, and each secret that one of its people
has seen is due to be rotated. One person alone: tagout user off
${examples('tagout vendor off acme --reason "contract cancelled"')}`,
    )
    .action(async (company: string, options: { reason: string }) => {
      const report = await tools.withVault(async (vault) =>
        untilEnded(vault, await vault.ask('company.off', { company, reason: options.reason })),
      )
      tools.show(report, () => reportText(report))
    })

  vendor
    .command('on <company>')
    .description('work with a company again; its people stay off until each is enabled')
    .addHelpText('after', examples('tagout vendor on acme'))
    .action(async (company: string) => {
      const changed = await tools.withVault((vault) => vault.ask('company.on', { company }))
      tools.show(
        changed,
        () =>
          `${changed.name} is ${changed.state} again\n` +
          'let each of its people in with: tagout user enable NAME, then tagout user enrol NAME\n',
      )
    })

  vendor
    .command('report [report]')
    .description(
      'what taking somebody off has ended, and how long it took: of a company or user the last time, or by its id; without either, all of them',
    )
    .addHelpText(
      'after',
      examples('tagout vendor report', 'tagout vendor report acme', 'tagout vendor report off_… --json'),
    )
    .action(async (text: string | undefined) => {
      if (text !== undefined) {
        const report = await tools.withVault(async (vault) =>
          vault.ask('offboarding.show', { offboarding: await reportMeant(vault, text) }),
        )
        tools.show(report, () => reportText(report))
        return
      }
      const reports = await tools.withVault((vault) => vault.ask('offboarding.list', {}))
      tools.list(
        reports,
        [
          ['ID', (row) => row.id],
          ['AT', (row) => when(row.at)],
          ['WHO', offName],
          ['PEOPLE', (row) => String(row.people.length)],
          ['SESSIONS', (row) => String(row.sessions.length)],
          ['GRANTS', (row) => String(row.grants.length)],
          ['TO ROTATE', (row) => String(row.secrets.filter(({ rotatedAt }) => rotatedAt === null).length)],
          ['REASON', (row) => row.reason],
        ],
        'nobody was taken off',
      )
    })
}

/** The report that is meant: by its id, or the last about a company or user of this name. */
async function reportMeant(vault: Vault, text: string): Promise<OffboardingView['id']> {
  if (text.startsWith('off_')) return parseGivenId('off', text, 'tagout vendor report')
  const isMeant = (name: string | null) => name?.toLowerCase() === text.toLowerCase()
  const about = (await vault.ask('offboarding.list', {})).filter(
    ({ company, user }) => isMeant(company) || isMeant(user),
  )
  const [last] = about.toSorted((a, b) => b.at.localeCompare(a.at))
  if (last === undefined)
    throw misuse(`nobody of the name ${text} was taken off`, 'see who was: tagout vendor report')
  return last.id
}

/** The terms of a file; null where there are to be none, undefined where nothing was said of them. */
async function readTerms(tools: Tools, options: ChangeOptions): Promise<string | null | undefined> {
  if (options.termsFile !== undefined) {
    if (options.terms === false) throw misuse('say either --terms-file or --no-terms')
    return tools.readText(options.termsFile)
  }
  return options.terms === false ? null : undefined
}

function sponsorText(row: CompanyView): string {
  return row.isSponsorActive ? row.sponsor : `${row.sponsor} (cannot sign in)`
}

function companyFacts(row: CompanyView): string {
  return facts([
    ['id', row.id],
    ['name', row.name],
    ['state', row.state === 'off' ? `off since ${when(row.offAt)}` : row.state],
    ['contract', `${row.state === 'ended' ? 'ended' : 'until'} ${when(row.contractEndsAt)}`],
    ['sponsor', sponsorText(row)],
    ['mail at', row.mailDomains.join(', ')],
    ['terms', row.hasTerms ? 'must be accepted' : 'none'],
    ['people', String(row.representatives)],
  ])
}

function describe(row: CompanyDetail): string {
  const parts = [companyFacts(row)]
  if (row.people.length > 0)
    parts.push(
      table(
        ['PERSON', 'MAIL', 'STATE', 'TERMS ACCEPTED', 'LAST LOGIN'],
        row.people.map((one) => [
          one.user,
          one.mail,
          one.state,
          when(one.termsAcceptedAt),
          when(one.lastLoginAt),
        ]),
      ),
    )
  if (row.grants.length > 0)
    parts.push(
      table(
        ['GRANT', 'USER', 'ACCOUNT', 'ACTIONS', 'UNTIL'],
        row.grants.map((one) => [one.id, one.user, one.account, one.actions.join(','), when(one.notAfter)]),
      ),
    )
  if (row.offboardings.length > 0)
    parts.push(
      table(
        ['REPORT', 'TAKEN OFF AT'],
        row.offboardings.map((one) => [one.id, when(one.at)]),
      ),
    )
  return parts.join('\n')
}
