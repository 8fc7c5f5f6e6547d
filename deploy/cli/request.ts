import type { Command } from 'commander'
import type { RequestView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { mayDo, parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { facts } from './tools.ts'
import { examples, type Tools } from './tools.ts'

/** `tagout request`: who asks to be let in. People ask and answer in the console: an answer takes their own code. */
export function addRequestCommands(root: Command, tools: Tools): void {
  const request = root
    .command('request')
    .description('requests: who asks to be let in, and who let them in; asked and answered in the console')

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
          ['FOR', (row) => `${Math.round(row.forSeconds / 60)} min`],
          ['STATE', (row) => row.state],
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
    ['from', row.notBefore === null ? 'its approval on' : when(row.notBefore)],
    ['for', `${Math.round(row.forSeconds / 60)} min`],
    ['reason', row.reason],
    ...(row.workOrder === null ? [] : [['work order', row.workOrder] as const]),
    ['asked', when(row.createdAt)],
    ['state', row.state === 'open' ? `open until ${when(row.expiresAt)}` : row.state],
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
