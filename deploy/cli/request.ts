import type { Command } from 'commander'
import { z } from 'zod'
import type { RequestView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { askAs, askFreshAs, type Person } from './ask-as.ts'
import { misuse } from './complaint.ts'
import type { ConsoleClient } from './console-client.ts'
import { parseDuration, parseMoment } from './duration.ts'
import { mayDo, parseActions, parseForwards, parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { collect, examples, facts, type Tools } from './tools.ts'

/** `tagout request`: who asks to be let in. People ask and answer with their own password and code. */
export function addRequestCommands(root: Command, tools: Tools): void {
  const request = root.command('request').description('requests: who asks to be let in, and who let them in')

  request
    .command('list')
    .description('list the requests that wait for an answer')
    .option('--all', 'the answered, withdrawn and expired ones too')
    .addHelpText('after', examples('tagout request list', 'tagout request list --all --json'))
    .action(async (options: { all?: boolean }) => {
      const requests = await tools.withVault((vault) =>
        vault.ask('request.list', { state: options.all === true ? 'all' : 'open' }),
      )
      tools.list(
        requests,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['ACCOUNT', (row) => row.account],
          ['FOR', (row) => `${Math.round(row.forSeconds / 60)} min${row.extends === null ? '' : ' more'}`],
          ['STATE', (row) => (row.obstacle === null ? row.state : 'open, but not allowed any more')],
          ['APPROVED', (row) => `${approvalsOf(row)} of ${row.approvalsNeeded}`],
          ['ENDS', (row) => when(row.expiresAt)],
          ['REASON', (row) => row.reason],
        ],
        options.all === true ? 'nobody has asked for anything' : 'no request waits for an answer',
      )
    })

  request
    .command('show <request>')
    .description('show a request and what was said to it')
    .addHelpText('after', examples('tagout request show req_…'))
    .action(async (text: string) => {
      const id = parseGivenId('req', text, 'tagout request list --all')
      const found = await tools.withVault((vault) => vault.ask('request.show', { request: id }))
      tools.show(found, () => describe(found))
    })

  addPersonCommands(request, tools)
}

const answer = z.looseObject({
  id: z.string(),
  user: z.string(),
  account: z.string(),
  state: z.string(),
  expiresAt: z.string(),
})

/** Of what a person may use, what says which grant more time is asked for: the one that lets in longest. */
const heldGrant = z.looseObject({
  id: z.string(),
  state: z.string(),
  grantedBy: z.string(),
  notAfter: z.string(),
})
const held = z.array(z.looseObject({ account: z.string(), grants: z.array(heldGrant) }))

type Held = z.output<typeof heldGrant>

type ExtendOptions = Person & {
  readonly for: string
  readonly reason: string
  readonly workOrder?: string
}

type DecideOptions = Person & { readonly note?: string; readonly digest?: string }

const twoAnswers = 'read two lines: your password and your present code'
const threeAnswers = 'read three lines: your password, your present code, and the one after it'

type AskOptions = Person & {
  readonly allow?: readonly string[]
  readonly forward?: readonly string[]
  readonly for: string
  readonly from?: string
  readonly exclusive?: boolean
  readonly reason: string
  readonly workOrder?: string
}

/** What a person asks and answers, through the console's server. */
function addPersonCommands(request: Command, tools: Tools): void {
  request
    .command('ask <account>')
    .description('ask to be let in: approvers are told, and answer')
    .requiredOption('--user <name>', 'you: a member of the safe, or somebody with a grant')
    .requiredOption('--for <duration>', 'how long: 2h, 30m')
    .requiredOption('--reason <text>', 'why; approvers read it')
    .option('--allow <actions>', 'what you need to do (default: shell)', collect)
    .option('--forward <destination>', 'host:port that you need to reach through it', collect)
    .option('--from <moment>', 'not before: 2026-03-01T06:00Z or +2h (default: from the approval on)')
    .option('--exclusive', 'nobody else may use it meanwhile')
    .option('--work-order <number>', 'the work order it belongs to')
    .option('--answers-stdin', twoAnswers)
    .addHelpText(
      'after',
      examples(
        'tagout request ask press-3/engineer --user bob --for 2h --reason "axis 3 stands still" --work-order WO-1234',
      ),
    )
    .action(async (account: string, options: AskOptions) => {
      const forwards = parseForwards(options) ?? []
      const actions = parseActions(options.allow ?? (forwards.length > 0 ? [] : ['shell']))
      if (forwards.length > 0 && !actions.includes('forward')) actions.push('forward')
      const body = {
        account,
        actions,
        ...(forwards.length === 0 ? {} : { forwards }),
        forSeconds: parseDuration(options.for),
        ...(options.from === undefined ? {} : { notBefore: parseMoment(options.from) }),
        ...(options.exclusive === true ? { mode: 'exclusive' } : {}),
        reason: options.reason,
        ...(options.workOrder === undefined ? {} : { workOrder: options.workOrder }),
      }
      const made = await askAs(tools, options, (client) => client.ask('POST', '/api/requests', body))
      const row = answer.parse(made)
      tools.show(
        made,
        () => `asked for ${row.account} (${row.id}): it can be answered until ${when(row.expiresAt)}`,
      )
    })

  request
    .command('extend <account>')
    .description('ask for more time on your grant, before it ends; sessions that end with it go on')
    .requiredOption('--user <name>', 'you: who holds the grant')
    .requiredOption('--for <duration>', 'by how much longer: 30m, 1h')
    .requiredOption('--reason <text>', 'why; approvers read it')
    .option('--work-order <number>', 'the work order it belongs to (default: that of your request)')
    .option('--answers-stdin', twoAnswers)
    .addHelpText(
      'after',
      examples(
        'tagout request extend press-3/engineer --user bob --for 30m --reason "the pump is still open"',
      ),
    )
    .action(async (account: string, options: ExtendOptions) => {
      const seconds = parseDuration(options.for)
      const made = await askAs(tools, options, async (client) => {
        const all = held.parse(await client.ask('GET', '/api/access'))
        const one = all.find((row) => row.account.toLowerCase() === account.toLowerCase())
        const grant = one?.grants
          .filter(({ state, grantedBy }) => state === 'active' && !grantedBy.startsWith('break-glass '))
          .reduce<Held | undefined>(
            (a, b) => (a !== undefined && a.notAfter >= b.notAfter ? a : b),
            undefined,
          )
        if (grant === undefined)
          throw misuse(
            `you have no grant for ${account} that could be extended`,
            'ask for one: tagout request ask',
          )
        return await client.ask('POST', `/api/grants/${grant.id}/extend`, {
          until: new Date(Date.parse(grant.notAfter) + seconds * 1000).toISOString(),
          reason: options.reason,
          ...(options.workOrder === undefined ? {} : { workOrder: options.workOrder }),
        })
      })
      const row = answer.parse(made)
      tools.show(
        made,
        () =>
          `asked for more time on ${row.account} (${row.id}): it can be answered until ${when(row.expiresAt)}`,
      )
    })

  for (const verdict of ['approve', 'deny'] as const)
    request
      .command(`${verdict} <request>`)
      .description(
        verdict === 'approve'
          ? 'let somebody in, with a fresh code of yours; never yourself'
          : 'refuse a request; the one who asked reads your note',
      )
      .requiredOption('--user <name>', 'you: an approver of the safe, or an administrator')
      .option('--note <text>', 'what you say to it')
      .option('--digest <digest>', 'refuse unless it is this that is asked (default: as it is shown now)')
      .option('--answers-stdin', verdict === 'approve' ? threeAnswers : twoAnswers)
      .addHelpText('after', examples(`tagout request ${verdict} req_… --user sue`))
      .action(async (text: string, options: DecideOptions) => {
        const id = parseGivenId('req', text, 'tagout request list')
        const decide = async (client: ConsoleClient, nextCode?: () => Promise<string>) => {
          const asked = (await client.ask('GET', `/api/requests/${id}`)) as RequestView
          // What is approved is what is shown here, before the code is asked for.
          if (!tools.json() && options.answersStdin !== true) tools.show(asked, () => describe(asked))
          return await client.ask('POST', `/api/requests/${id}/decide`, {
            verdict,
            digest: options.digest ?? asked.digest,
            ...(options.note === undefined ? {} : { note: options.note }),
            ...(nextCode === undefined ? {} : { totpCode: await nextCode() }),
          })
        }
        const after = await (verdict === 'approve'
          ? askFreshAs(tools, options, decide)
          : askAs(tools, options, (client) => decide(client)))
        const row = answer.parse(after)
        tools.show(after, () =>
          row.state === 'open'
            ? `noted; ${row.user} is let in to ${row.account} when others have approved too`
            : `${row.state}: ${row.user} for ${row.account} (${row.id})`,
        )
      })

  request
    .command('withdraw <request>')
    .description('take your own request back')
    .requiredOption('--user <name>', 'you: the one who asked')
    .option('--answers-stdin', twoAnswers)
    .addHelpText('after', examples('tagout request withdraw req_… --user bob'))
    .action(async (text: string, options: Person) => {
      const id = parseGivenId('req', text, 'tagout request list')
      const after = await askAs(tools, options, (client) =>
        client.ask('POST', `/api/requests/${id}/withdraw`, {}),
      )
      const row = answer.parse(after)
      tools.show(after, () => `withdrew the request for ${row.account} (${row.id})`)
    })
}

function approvalsOf(row: RequestView): number {
  return row.approvals.filter(({ verdict }) => verdict === 'approve').length
}

function describe(row: RequestView): string {
  return facts([
    ['id', row.id],
    ['user', row.user],
    ['account', row.account],
    ['may', mayDo(row)],
    ['mode', row.mode],
    ...(row.extends === null
      ? ([
          ['from', row.notBefore === null ? 'its approval on' : when(row.notBefore)],
          ['for', `${Math.round(row.forSeconds / 60)} min`],
        ] as const)
      : ([
          ['more time', `${Math.round(row.forSeconds / 60)} min for ${row.extends.grant}`],
          ['ends', when(row.notBefore ?? '')],
          ['would end', when(row.extends.until)],
        ] as const)),
    ['reason', row.reason],
    ...(row.workOrder === null ? [] : [['work order', row.workOrder] as const]),
    ['asked', when(row.createdAt)],
    ['state', row.state === 'open' ? `open until ${when(row.expiresAt)}` : row.state],
    ...(row.obstacle === null ? [] : [['but', row.obstacle] as const]),
    ['approved', `by ${approvalsOf(row)} of ${row.approvalsNeeded}`],
    ...row.approvals.map(
      ({ user, verdict, note, at }) =>
        [
          user,
          `${verdict === 'approve' ? 'approved' : 'denied'} ${when(at)}${note === '' ? '' : `: ${note}`}`,
        ] as const,
    ),
    ...(row.grant === null ? [] : [['grant', `${row.grant}, by ${whoText(row.closedBy ?? '')}`] as const]),
  ])
}
