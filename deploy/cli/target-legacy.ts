import type { Command } from 'commander'
import { type LegacyAlgorithm, legacyAlgorithms, type TargetView } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { parseDuration, parseMoment } from './duration.ts'
import { when } from './io.ts'
import { collect, examples, type Tools } from './tools.ts'

type LegacyOptions = {
  readonly allow?: readonly string[]
  readonly for?: string
  readonly until?: string
  readonly reason?: string
  readonly end?: boolean
}

function parseAlgorithms(names: readonly string[]): LegacyAlgorithm[] {
  return names.map((name) => {
    const found = legacyAlgorithms.find((known) => known === name)
    if (found === undefined)
      throw misuse(`there is no old algorithm ${name}`, `choose from ${legacyAlgorithms.join(', ')}`)
    return found
  })
}

/** `tagout target legacy`: the old algorithms that one machine may be spoken with, why and until when. */
export function addLegacyCommand(target: Command, tools: Tools): void {
  target
    .command('legacy <target>')
    .description('allow a target the old algorithms that it needs, with a reason and for a time')
    .option(
      '--allow <algorithms>',
      `any of ${legacyAlgorithms.join(', ')}; in place of earlier ones`,
      collect,
    )
    .option('--reason <text>', 'why the machine cannot be updated')
    .option('--for <duration>', 'how long: 90d, at most a year')
    .option('--until <moment>', 'when it ends, instead of --for')
    .option('--end', 'take all of them back now')
    .addHelpText(
      'after',
      examples(
        'tagout target scan switch-7',
        'tagout target legacy switch-7 --allow group1-sha1,3des-cbc --for 90d --reason "replaced in March, order 4711"',
        'tagout target legacy switch-7 --end',
      ),
    )
    .action(async (name: string, options: LegacyOptions) => {
      const { allow = [], end = false } = options
      if (end === allow.length > 0) throw misuse('give either --allow or --end')
      if (!end && (options.for === undefined) === (options.until === undefined))
        throw misuse('say how long: either --for 90d or --until 2026-12-01')
      if (!end && options.reason === undefined)
        throw misuse('say why the machine cannot be updated: --reason')
      const algorithms = parseAlgorithms(allow)
      const changed = await tools.withVault((vault) =>
        vault.ask('target.legacy', {
          target: name,
          algorithms,
          ...(options.reason === undefined ? {} : { reason: options.reason }),
          ...(options.for === undefined ? {} : { forSeconds: parseDuration(options.for) }),
          ...(options.until === undefined ? {} : { until: parseMoment(options.until) }),
        }),
      )
      tools.show(changed, () =>
        changed.legacy === null
          ? `${changed.name} is spoken with in modern algorithms alone`
          : `${changed.name} may be spoken with in ${legacyText(changed)}`,
      )
    })
}

/** The old algorithms of a target and their end, for a list; a dash where it needs none. */
export function legacyText({ legacy }: TargetView): string {
  if (legacy === null) return '-'
  return `${legacy.algorithms.join(',')} ${legacy.isExpired ? 'EXPIRED' : 'until'} ${when(legacy.until)}`
}
