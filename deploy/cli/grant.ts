import type { Command } from 'commander'
import { type Action, actions, forwardRecords, type GrantView, type VerbInput } from '../../vault/contract.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { isId } from '../../vault/kernel/id.ts'
import { misuse } from './complaint.ts'
import { parseDuration, parseMoment } from './duration.ts'
import { parseDestination } from './forward-words.ts'
import { when } from './io.ts'
import { collect, examples, type Tools } from './tools.ts'

type GrantOptions = {
  readonly allow?: readonly string[]
  readonly forward?: readonly string[]
  readonly forwardRecord?: string
  readonly forwardConnections?: string
  readonly forwardMegabytes?: string
  readonly for?: string
  readonly from?: string
  readonly until?: string
  readonly maxSession?: string
  readonly exclusive?: boolean
  readonly reason?: string
}

/** Checks an id of the kind that `list` shows. */
export function parseGivenId<Kind extends string>(kind: Kind, text: string, list: string): Id<Kind> {
  if (!isId(kind, text)) throw misuse(`${JSON.stringify(text)} is not an id like ${kind}_…`, list)
  return text
}

/** Actions as somebody typed them. */
export function parseActions(names: readonly string[]): Action[] {
  return names.map((name) => {
    const found = actions.find((known) => known === name)
    if (found === undefined) throw misuse(`there is no action ${name}`, `choose from ${actions.join(', ')}`)
    return found
  })
}

/** Where forwarding may go, and the bounds that hold for each of the destinations. */
export function parseForwards(options: GrantOptions): VerbInput<'grant.add'>['forwards'] {
  const record = forwardRecords.find((known) => known === (options.forwardRecord ?? 'counts'))
  if (record === undefined)
    throw misuse(
      `--forward-record: there is no ${options.forwardRecord}`,
      `choose from ${forwardRecords.join(', ')}`,
    )
  const connections = parseCount('--forward-connections', options.forwardConnections)
  const megabytes = parseCount('--forward-megabytes', options.forwardMegabytes)
  return (options.forward ?? []).map((text) => {
    return {
      ...parseDestination('--forward', text),
      record,
      ...(connections === undefined ? {} : { connections }),
      ...(megabytes === undefined ? {} : { megabytes }),
    }
  })
}

function parseCount(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,6}$/.test(text))
    throw misuse(`${option}: ${JSON.stringify(text)} is not a whole number above 0`)
  return Number(text)
}

/** What the options of `grant add` ask of the vault. */
export function grantInput(user: string, account: string, options: GrantOptions): VerbInput<'grant.add'> {
  if ((options.for === undefined) === (options.until === undefined))
    throw misuse('say how long: either --for 4h or --until 2026-12-01T18:00')
  const forwards = parseForwards(options)
  const actions = parseActions(options.allow ?? [])
  if (forwards !== undefined && forwards.length > 0 && !actions.includes('forward')) actions.push('forward')
  if (actions.length === 0)
    throw misuse(
      'say what is allowed: --allow shell,exec or --forward host:port; of a desktop --allow observe,interact',
    )
  return {
    user,
    account,
    actions,
    ...(forwards === undefined || forwards.length === 0 ? {} : { forwards }),
    ...(options.for === undefined ? {} : { forSeconds: parseDuration(options.for) }),
    ...(options.until === undefined ? {} : { notAfter: parseMoment(options.until) }),
    ...(options.from === undefined ? {} : { notBefore: parseMoment(options.from) }),
    ...(options.maxSession === undefined ? {} : { maxSessionSeconds: parseDuration(options.maxSession) }),
    ...(options.exclusive === true ? { mode: 'exclusive' as const } : {}),
    ...(options.reason === undefined ? {} : { reason: options.reason }),
  }
}

/** What a grant allows, and where forwarding may go. */
export function mayDo({ actions: allowed, forwards }: Pick<GrantView, 'actions' | 'forwards'>): string {
  const places = forwards.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`)
  return [
    ...allowed.filter((action) => action !== 'forward'),
    ...places.map((place) => `forward to ${place}`),
  ].join(', ')
}

/** `tagout grant`: who may use which account, for what and how long. */
export function addGrantCommands(root: Command, tools: Tools): void {
  const grant = root.command('grant').description('grants: who may use which account, for what and how long')

  grant
    .command('add <user> <account>')
    .description('let a user use an account (target/login)')
    .option('--allow <actions>', `any of ${actions.join(', ')}; exec implies file transfer`, collect)
    .option(
      '--forward <host:port>',
      'let ssh -L reach this destination through the target; repeatable',
      collect,
    )
    .option(
      '--forward-record <what>',
      `what is recorded of it: ${forwardRecords.join(' or ')} (default: counts)`,
    )
    .option(
      '--forward-connections <number>',
      'connections at a time to each destination, and sessions that hold some (default: 8)',
    )
    .option(
      '--forward-megabytes <number>',
      'what all sessions under the grant may carry to it, one at a time (default: no limit)',
    )
    .option('--for <duration>', 'how long from its beginning: 4h, 30m, 2d')
    .option('--from <moment>', 'when it begins (default: now)')
    .option('--until <moment>', 'when it ends, instead of --for')
    .option('--max-session <duration>', 'how long one session may last')
    .option('--exclusive', 'nobody else may hold the account meanwhile')
    .option('--reason <text>', 'why')
    .addHelpText(
      'after',
      examples(
        'tagout grant add bob press-3/engineer --for 4h --allow shell,exec',
        'tagout grant add bob gateway-3/engineer --for 4h --forward plc-7:102 --forward-record stream',
        'tagout grant add vera press-3/engineer --from 2026-12-01T06:00 --until 2026-12-01T18:00 --allow shell --reason "order 4711"',
      ),
    )
    .action(async (user: string, account: string, options: GrantOptions) => {
      const input = grantInput(user, account, options)
      const added = await tools.withVault((vault) => vault.ask('grant.add', input))
      tools.show(
        added,
        () =>
          `${added.user} may ${mayDo(added)} as ${added.account} ` +
          `from ${when(added.notBefore)} to ${when(added.notAfter)} (${added.id})`,
      )
    })

  grant
    .command('list')
    .description('list grants')
    .option('--user <user>', 'of this user')
    .option('--account <account>', 'of this account')
    .addHelpText('after', examples('tagout grant list --user bob', 'tagout grant list --json'))
    .action(async (options: { user?: string; account?: string }) => {
      const grants = await tools.withVault((vault) =>
        vault.ask('grant.list', {
          ...(options.user === undefined ? {} : { user: options.user }),
          ...(options.account === undefined ? {} : { account: options.account }),
        }),
      )
      tools.list(
        grants,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['ACCOUNT', (row) => row.account],
          ['ACTIONS', (row) => mayDo(row)],
          ['FROM', (row) => when(row.notBefore)],
          ['UNTIL', (row) => when(row.notAfter)],
          ['STATE', (row) => row.state],
        ],
        'there are no grants',
      )
    })

  grant
    .command('revoke <grant>')
    .description('end a grant now; its live sessions are cut within 3 s')
    .addHelpText('after', examples('tagout grant revoke grt_…'))
    .action(async (text: string) => {
      const id = parseGivenId('grt', text, 'tagout grant list')
      const revoked = await tools.withVault((vault) => vault.ask('grant.revoke', { grant: id }))
      tools.show(revoked, () => `revoked ${revoked.id}: ${revoked.user} may no longer use ${revoked.account}`)
    })
}
