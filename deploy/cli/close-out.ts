import type { Command } from 'commander'
import {
  type CloseOutView,
  type CloseOutWanted,
  closeOutResults,
  closeOutWanted,
} from '../../vault/contract.ts'
import { askAs } from './ask-as.ts'
import { misuse } from './complaint.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

type FillOptions = {
  readonly user: string
  readonly result: string
  readonly done: string
  readonly left?: string
  readonly workOrder?: string
  readonly answersStdin?: boolean
}

/** `tagout session close-out` and `close-outs`: what people say that they did. */
export function addCloseOutCommands(session: Command, tools: Tools): void {
  session
    .command('close-outs')
    .description('list what people said that they did, and who is still asked')
    .option('--open', 'only those that are not filled')
    .addHelpText('after', examples('tagout session close-outs --open', 'tagout session close-outs --json'))
    .action(async (options: { readonly open?: boolean }) => {
      const found = await tools.withVault((vault) =>
        vault.ask('closeout.list', options.open === true ? { open: true } : {}),
      )
      tools.list(
        found,
        [
          ['SESSION', (row) => row.session],
          ['USER', (row) => row.user],
          ['ACCOUNT', (row) => row.account],
          ['ASKED', (row) => when(row.askedAt)],
          ['RESULT', resultOf],
          ['WHAT WAS DONE', (row) => row.filled?.done ?? ''],
          ['LEFT IN PLACE', (row) => row.filled?.left ?? ''],
          ['WORK ORDER', (row) => row.filled?.workOrder ?? ''],
        ],
        options.open === true ? 'nobody owes a close-out' : 'nobody was asked what they did',
      )
    })

  session
    .command('close-out <session>')
    .description('say what you did in a check-out, where its safe asks; it is said once')
    .requiredOption('--user <name>', 'you, whose session it was')
    .requiredOption('--result <result>', `one of ${closeOutResults.join(', ')}`)
    .requiredOption('--done <text>', 'what was done')
    .option('--left <text>', 'changes that were left in place')
    .option('--work-order <number>', 'the work order or permit')
    .option('--answers-stdin', 'read two lines: your password and your present code')
    .addHelpText(
      'after',
      examples(
        'tagout session close-out ses_… --user bob --result done --done "bearing changed" --work-order 4711',
        'tagout session close-out ses_… --user bob --result follow-up --done "seal leaks" --left "guard is off"',
      ),
    )
    .action(async (text: string, options: FillOptions) => {
      const id = parseGivenId('ses', text, 'tagout session close-outs --open')
      const { result, done, left, workOrder } = options
      if (!closeOutResults.some((known) => known === result))
        throw misuse(`${JSON.stringify(result)} is no result`, `choose from ${closeOutResults.join(', ')}`)
      // 'closeout.fill'
      await askAs(tools, options, (client) =>
        client.ask('PUT', `/api/close-outs/${id}`, {
          ...{ result, done },
          ...(left === undefined ? {} : { left }),
          ...(workOrder === undefined ? {} : { workOrder }),
        }),
      )
      tools.show({ closedOut: id }, () => `closed out ${id}`)
    })
}

function resultOf({ filled, isRequired }: CloseOutView): string {
  return filled?.result ?? (isRequired ? 'owed' : 'asked')
}

/** `tagout safe close-out`: whether people say what they did there. */
export function addSafeCloseOut(safe: Command, tools: Tools): void {
  safe
    .command('close-out <safe> <wanted>')
    .description(`say whether users say what they did after a check-out: ${closeOutWanted.join(', ')}`)
    .addHelpText('after', examples('tagout safe close-out line-3 required'))
    .action(async (name: string, given: string) => {
      const closeOut = closeOutWanted.find((known) => known === given)
      if (closeOut === undefined)
        throw misuse(`${JSON.stringify(given)} is none of them`, `choose from ${closeOutWanted.join(', ')}`)
      const changed = await tools.withVault((vault) => vault.ask('safe.closeOut', { safe: name, closeOut }))
      tools.show(changed, () => `in ${changed.name} ${closeOutText(changed.closeOut)}`)
    })
}

export function closeOutText(wanted: CloseOutWanted): string {
  if (wanted === 'none') return 'nobody is asked what they did'
  return wanted === 'asked'
    ? 'users are asked what they did'
    : 'users say what they did before they check out again'
}
