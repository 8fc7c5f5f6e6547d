import type { Command } from 'commander'
import type { RotationLimit } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { misuse } from './complaint.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

type LimitOptions = {
  readonly safe?: string
  readonly target?: string
  readonly atOnce?: string
  readonly perHour?: string
  readonly none?: boolean
}

/** `tagout rotation limit` and `limits`: how many rotations go on at a time, and begin within an hour. */
export function addLimitCommands(rotation: Command, tools: Tools): void {
  rotation
    .command('limit')
    .description('say how many rotations go on at a time, and begin within an hour; what is more waits')
    .option('--safe <safe>', 'of this safe; without it and --target: of all')
    .option('--target <target>', 'on this machine')
    .option('--at-once <n>', 'so many at a time')
    .option('--per-hour <n>', 'so many begin within an hour')
    .option('--none', 'take the limit away')
    .addHelpText(
      'after',
      examples(
        'tagout rotation limit --safe line-3 --at-once 2 --per-hour 20',
        'tagout rotation limit --target switch-7 --at-once 1',
        'tagout rotation limit --per-hour 500',
        'tagout rotation limit --safe line-3 --none',
      ),
    )
    .action(async ({ safe, target, atOnce, perHour, none }: LimitOptions) => {
      const isNone = none === true
      if (isNone === (atOnce !== undefined || perHour !== undefined))
        throw misuse('give --at-once, --per-hour or both; or --none', 'see: tagout rotation limit --help')
      const set = await tools.withVault((vault) =>
        vault.ask('rotation.limit', {
          ...(safe === undefined ? {} : { safe }),
          ...(target === undefined ? {} : { target }),
          abreast: numberOf(atOnce, '--at-once'),
          perHour: numberOf(perHour, '--per-hour'),
        }),
      )
      tools.show(set, () => `rotations ${placeOf(set)}: ${rateOf(set)}`)
    })

  rotation
    .command('limits')
    .description('list where rotations are limited')
    .addHelpText('after', examples('tagout rotation limits', 'tagout rotation limits --json'))
    .action(async () => {
      const found = await tools.withVault((vault) => vault.ask('rotation.limits', {}))
      tools.list(
        found,
        [
          ['WHERE', placeOf],
          ['LIMIT', rateOf],
          ['BY', (row) => whoText(row.setBy)],
          ['SINCE', (row) => when(row.setAt)],
        ],
        'nothing is limited but this: two at a time on one machine, five of a batch',
      )
    })
}

function numberOf(text: string | undefined, option: string): number | null {
  if (text === undefined) return null
  if (!/^\d{1,6}$/.test(text)) throw misuse(`${option}: ${JSON.stringify(text)} is no number`, 'write: 2')
  return Number(text)
}

function placeOf({ safe, target }: Pick<RotationLimit, 'safe' | 'target'>): string {
  return target !== null ? `on target ${target}` : safe !== null ? `in safe ${safe}` : 'of all'
}

function rateOf({ abreast, perHour }: Pick<RotationLimit, 'abreast' | 'perHour'>): string {
  const parts = [
    ...(abreast === null ? [] : [`${abreast} at a time`]),
    ...(perHour === null ? [] : [`${perHour} an hour`]),
  ]
  return parts.length === 0 ? 'not limited' : parts.join(', ')
}
