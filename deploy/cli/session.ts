import type { Command } from 'commander'
import type { SessionView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { addCloseOutCommands } from './close-out.ts'
import { accountCell, forwardFacts } from './forward-words.ts'
import { parseGivenId } from './grant.ts'
import { size, when } from './io.ts'
import { mostRows, newest, parseLimit } from './limit.ts'
import { addControlCommands, stateOf } from './session-control.ts'
import { addTakeCommand, addWatchCommand } from './session-watch.ts'
import { examples, facts, type Tools } from './tools.ts'

/** `tagout session`: who is connected, and who was. */
export function addSessionCommands(root: Command, tools: Tools): void {
  const session = root.command('session').description('sessions: who is connected, and who was')

  session
    .command('list')
    .description('list sessions, newest first')
    .option('--live', 'only those that are connected now')
    .option('--limit <count>', 'at most so many (default: 1000)')
    .addHelpText('after', examples('tagout session list --live', 'tagout session list --json'))
    .action(async (options: { live?: boolean; limit?: string }) => {
      const limit = parseLimit(options.limit, 1_000)
      const { sessions, note } = await tools.withVault(async (vault) => {
        const most = { limit: Math.min(limit + 1, mostRows) }
        const [found, recordings] = await Promise.all([
          vault.ask('session.list', options.live === true ? { ...most, live: true } : most),
          // A session that lives may be older than many that ended.
          vault.ask('recording.list', options.live === true ? { limit: mostRows } : most),
        ])
        const bytes = new Map(recordings.map((recording) => [recording.id, recording.sizeBytes]))
        const shown = newest(found, limit)
        const withSize = shown.rows.map((row) => ({
          ...row,
          session: row.id,
          sizeBytes: bytes.get(row.recording) ?? 0,
        }))
        return { sessions: withSize, note: shown.note }
      })
      tools.list(
        sessions,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['ACCOUNT', accountCell],
          ['FROM', (row) => row.source],
          ['STARTED', (row) => when(row.startedAt)],
          ['ENDED', (row) => when(row.endedAt)],
          ['STATE', (row) => row.endReason ?? stateOf(row)],
          ['ACTIVE', (row) => when(row.lastActivityAt)],
          ['WATCHED BY', (row) => row.watchers.join(' ')],
          ['SIZE', (row) => size(row.sizeBytes)],
        ],
        options.live === true ? 'nobody is connected' : 'there are no sessions',
      )
      if (note !== undefined) tools.note(note)
    })

  session
    .command('show <session>')
    .description('show a session')
    .addHelpText('after', examples('tagout session show ses_…'))
    .action(async (text: string) => {
      const id = parseGivenId('ses', text, 'tagout session list')
      const found = await tools.withVault((vault) => vault.ask('session.show', { session: id }))
      tools.show(found, () => describe(found))
    })

  addWatchCommand(session, tools)
  addTakeCommand(session, tools)
  addControlCommands(session, tools)
  addCloseOutCommands(session, tools)
}

function describe(session: SessionView): string {
  return facts([
    ['id', session.id],
    ['user', session.user],
    ['account', session.account],
    ['target', session.target],
    ['from', session.source],
    ...forwardFacts(session),
    ['grant', session.grant],
    ...(session.breakGlass === null ? [] : [['break-glass', session.breakGlass] as const]),
    ['recording', session.recording],
    ['started', when(session.startedAt)],
    ['ends at the latest', when(session.endsAt)],
    ['state', stateOf(session)],
    ['last activity', when(session.lastActivityAt)],
    ...(session.watchers.length === 0 ? [] : [['watched by', session.watchers.join(', ')] as const]),
    ...(session.endedAt === null ? [] : [['ended', when(session.endedAt)] as const]),
    ...(session.endReason === null ? [] : [['because', becauseOf(session)] as const]),
  ])
}

/** Why a session ended; of one that was terminated, by whom and why. */
function becauseOf({ endReason, endedBy }: SessionView): string {
  if (endedBy === null) return endReason ?? ''
  return `terminated by ${whoText(endedBy.by)}${endedBy.reason === '' ? '' : `: ${endedBy.reason}`}`
}
