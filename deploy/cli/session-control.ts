import type { Command } from 'commander'
import type { SessionView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { parseDuration } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

/** A session's state in a word or two: who froze it, and whether its recorder holds the input yet. */
export function stateOf({ state, freeze }: Pick<SessionView, 'state' | 'freeze'>): string {
  if (freeze === null) return state
  if (freeze.waits) return freeze.reason
  const why = freeze.reason === '' ? '' : `: ${freeze.reason}`
  return `${freeze.isHeld ? 'frozen by' : 'freezing, by'} ${whoText(freeze.by)}${why}`
}

/** The commands of `tagout session` that act on a live session. */
export function addControlCommands(session: Command, tools: Tools): void {
  const idOf = (text: string) => parseGivenId('ses', text, 'tagout session list --live')

  session
    .command('freeze <session>')
    .description(
      "hold a session's input: its output goes on, nothing that its user sends reaches the machine",
    )
    .option('--reason <text>', 'why, for its user and the audit log')
    .addHelpText('after', examples('tagout session freeze ses_… --reason "wrong valve"'))
    .action(async (text: string, options: { reason?: string }) => {
      const id = idOf(text)
      const found = await tools.withVault((vault) =>
        vault.ask('session.freeze', {
          session: id,
          ...(options.reason === undefined ? {} : { reason: options.reason }),
        }),
      )
      tools.show(found, () => `${id}: ${stateOf(found)}`)
      if (found.freeze?.isHeld === false)
        tools.note('its recorder has not answered yet: look again with tagout session show')
    })

  session
    .command('unfreeze <session>')
    .description("let a session's input go on")
    .addHelpText('after', examples('tagout session unfreeze ses_…'))
    .action(async (text: string) => {
      const id = idOf(text)
      const found = await tools.withVault((vault) => vault.ask('session.unfreeze', { session: id }))
      tools.show(found, () => `${id}: ${stateOf(found)}`)
    })

  session
    .command('message <session> <text>')
    .description("show a line in a session's terminals")
    .addHelpText('after', examples('tagout session message ses_… "the line stops at two"'))
    .action(async (text: string, line: string) => {
      const id = idOf(text)
      const { terminals } = await tools.withVault((vault) =>
        vault.ask('session.message', { session: id, text: line }),
      )
      tools.show({ session: id, terminals }, () =>
        terminals === 0
          ? `${id} has no terminal open: nobody was shown the line`
          : `shown in ${terminals === 1 ? 'one terminal' : `${terminals} terminals`} of ${id}`,
      )
    })

  session
    .command('terminate <session>')
    .description('cut a live session; its user is told')
    .option('--reason <text>', 'why, for its user and the audit log')
    .option('--hold <duration>', 'keep its user off that target so long, or until the hold is released')
    .addHelpText(
      'after',
      examples(
        'tagout session terminate ses_… --reason "line 3 stops"',
        'tagout session terminate ses_… --hold 30m',
      ),
    )
    .action(async (text: string, options: { reason?: string; hold?: string }) => {
      const id = idOf(text)
      await tools.withVault((vault) =>
        vault.ask('session.terminate', {
          session: id,
          ...(options.reason === undefined ? {} : { reason: options.reason }),
          ...(options.hold === undefined ? {} : { holdSeconds: parseDuration(options.hold) }),
        }),
      )
      tools.show({ terminated: id }, () => `terminated ${id}`)
    })
}

/** `tagout hold`: who is kept off which target after a terminate. */
export function addHoldCommands(root: Command, tools: Tools): void {
  const hold = root.command('hold').description('holds: who is kept off which target for a while')

  hold
    .command('list')
    .description('list the holds that stand')
    .addHelpText('after', examples('tagout hold list', 'tagout hold list --json'))
    .action(async () => {
      const holds = await tools.withVault((vault) => vault.ask('hold.list', {}))
      tools.list(
        holds,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['TARGET', (row) => row.target],
          ['UNTIL', (row) => when(row.until)],
          ['BY', (row) => whoText(row.heldBy)],
          ['REASON', (row) => row.reason],
        ],
        'nobody is held off a target',
      )
    })

  hold
    .command('release <hold>')
    .description('let a user connect again')
    .addHelpText('after', examples('tagout hold release hld_…'))
    .action(async (text: string) => {
      const id = parseGivenId('hld', text, 'tagout hold list')
      await tools.withVault((vault) => vault.ask('hold.release', { hold: id }))
      tools.show({ released: id }, () => `released ${id}`)
    })
}
