import type { Command } from 'commander'
import type { Destroyed, RecordingFound, RetentionView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { Complaint, misuse } from './complaint.ts'
import { when } from './io.ts'
import { confirmed } from './secret-input.ts'
import { examples, type Tools } from './tools.ts'

type Change = { readonly reason: string; readonly yes?: boolean }

/** `tagout retention`: for how long recordings are kept. */
export function addRetentionCommands(root: Command, tools: Tools): void {
  const retention = root
    .command('retention')
    .description('for how long recordings are kept: classes, which safes have')

  retention
    .command('list')
    .description('list the classes, their safes, and how many recordings are past their time')
    .addHelpText('after', examples('tagout retention list', 'tagout retention list --json'))
    .action(async () => {
      const view = await tools.withVault((vault) => vault.ask('retention.list', {}))
      if (tools.json()) return tools.show(view, () => '')
      tools.list(
        view.classes,
        [
          ['CLASS', (row) => row.name],
          ['KEPT', (row) => keptText(row.days)],
          ['SAFES', (row) => row.safes.join(', ') || '-'],
          ['RECORDINGS', (row) => String(row.recordings)],
          ['DUE', (row) => String(row.due)],
          ['SET', (row) => (row.set === null ? 'never' : `by ${row.set.by}, ${when(row.set.at)}`)],
        ],
        'there are no classes',
      )
      tools.note(
        view.floor === null
          ? 'no law or contract is noted by which all is kept for a time; note one: tagout retention floor DAYS --basis TEXT'
          : `everything is kept ${keptText(view.floor.days)} at least: ${view.floor.basis}`,
      )
    })

  retention
    .command('set <class> <days>')
    .description('make a class, or say that it keeps for another time: days, or forever')
    .requiredOption('--reason <text>', 'why; it is in the audit log')
    .option('--yes', 'also where that shortens how long recordings are kept')
    .addHelpText(
      'after',
      examples(
        'tagout retention set vendors 730 --reason "NIS2 audit cycle"',
        'tagout retention set standard forever --reason "until the works agreement is signed"',
      ),
    )
    .action(async (name: string, text: string, { reason, yes }: Change) => {
      const days = parseDays(text)
      const after = await tools.withVault((vault) =>
        shortening(tools, yes === true, (shortens) =>
          vault.ask('retention.set', { retentionClass: name, days, reason, ...shortens }),
        ),
      )
      const row = after.classes.find((one) => one.name === name.toLowerCase())
      tools.show(
        after,
        () => `recordings of the class ${name.toLowerCase()} are kept ${keptText(row?.days ?? null)}`,
      )
    })

  retention
    .command('remove <class>')
    .description('take a class away that no safe has')
    .addHelpText('after', examples('tagout retention remove trial'))
    .action(async (name: string) => {
      const after = await tools.withVault((vault) => vault.ask('retention.remove', { retentionClass: name }))
      tools.show(after, () => `removed the class ${name}`)
    })

  retention
    .command('floor <days>')
    .description('say for how many days all recordings are kept at least, whatever their class says')
    .requiredOption('--basis <text>', 'the law or the contract that asks for it')
    .addHelpText(
      'after',
      examples('tagout retention floor 180 --basis "BSI KRITIS, evidence of two quarters"'),
    )
    .action(async (text: string, { basis }: { readonly basis: string }) => {
      if (!/^\d{1,5}$/.test(text)) throw misuse(`${JSON.stringify(text)} is no number of days`)
      const after = await tools.withVault((vault) =>
        vault.ask('retention.floor', { days: Number(text), basis }),
      )
      tools.show(after, () => `everything is kept ${keptText(Number(text))} at least`)
    })
}

/** `tagout safe retention`: which class a safe has. */
export function addSafeRetention(safe: Command, tools: Tools): void {
  safe
    .command('retention <safe> <class>')
    .description('give a safe another class of retention; retention list has them')
    .requiredOption('--reason <text>', 'why; it is in the audit log')
    .option('--yes', 'also where that shortens how long its recordings are kept')
    .addHelpText('after', examples('tagout safe retention line-3 vendors --reason "only vendors work there"'))
    .action(async (name: string, retentionClass: string, { reason, yes }: Change) => {
      const after = await tools.withVault((vault) =>
        shortening(tools, yes === true, (shortens) =>
          vault.ask('safe.retention', { safe: name, retentionClass, reason, ...shortens }),
        ),
      )
      tools.show(after, () => {
        const row = after.classes.find((one) => one.name === retentionClass.toLowerCase())
        return `recordings of ${name} are kept ${keptText(row?.days ?? null)} (${retentionClass.toLowerCase()})`
      })
    })
}

/** Asks; where it shortens, shows what that means, and asks again once somebody has said yes. */
async function shortening(
  tools: Tools,
  yes: boolean,
  ask: (shortens: { readonly shortens?: true }) => Promise<RetentionView>,
): Promise<RetentionView> {
  if (yes) return ask({ shortens: true })
  try {
    return await ask({})
  } catch (error) {
    if (!(error instanceof Complaint) || !error.message.startsWith('this shortens')) throw error
    tools.note(error.message)
    if (await confirmed(tools.io, false, 'Shorten it?')) return ask({ shortens: true })
    throw new Complaint('nothing was changed', 'say that it shortens with --yes')
  }
}

export function keptText(days: number | null): string {
  return days === null ? 'for good' : count(days, 'day')
}

function parseDays(text: string): number | null {
  if (text === 'forever') return null
  if (!/^[1-9]\d{0,4}$/.test(text))
    throw misuse(`${JSON.stringify(text)} is no number of days`, 'write one, or forever')
  return Number(text)
}

/** Who had a recording destroyed, when and why. */
export function destroyedFact({ at, askedBy, approvedBy, reason, destruction }: Destroyed): string {
  const by = `by ${askedBy} and ${approvedBy} (${destruction}): ${reason}`
  return at === null ? `being destroyed, ${by}` : `${when(at)}, ${by}`
}

/** For how long a recording is kept, and what holds it. */
export function keepingFacts({ keeping }: RecordingFound): readonly (readonly [string, string])[] {
  if (keeping === null) return []
  const { retentionClass, until, holds } = keeping
  return [
    ['kept', `${until === null ? 'for good' : `until ${when(until)}`} (${retentionClass})`],
    ...holds.map(({ id, on, matter }) => ['legal hold', `${matter}, on the ${on} (${id})`] as const),
  ]
}
