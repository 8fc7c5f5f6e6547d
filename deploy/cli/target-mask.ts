import type { Command } from 'commander'
import type { MaskRegion, TargetView } from '../../vault/contract.ts'
import { parseRegion, regionsText } from '../../vault/kernel/mask-region.ts'
import { misuse } from './complaint.ts'
import { examples, type Tools } from './tools.ts'

type MaskOptions = { readonly region?: readonly string[]; readonly reason?: string; readonly none?: boolean }

/** `tagout target mask`: what of a machine's screen its recordings do not hold. */
export function addMaskCommand(target: Command, tools: Tools): void {
  target
    .command('mask <target>')
    .description("say which regions of a desktop's screen are not recorded, from its next session on")
    .option(
      '--region <place...>',
      'left,top,width,height in the pixels of its screen, or each in per cent: 0%,90%,50%,10%',
    )
    .option('--reason <text>', 'why; every recording says it')
    .option('--none', 'all of its screen is recorded again')
    .addHelpText(
      'after',
      examples(
        'tagout target mask hmi-3 --region 40,420,300,120 --reason "recipe, works agreement 12"',
        'tagout target mask scada-1 --region 0%,90%,50%,10% --reason "operators\' names"',
        'tagout target mask hmi-3 --none',
      ),
    )
    .action(async (name: string, { region = [], reason, none = false }: MaskOptions) => {
      if (none === region.length > 0) throw misuse('give either --region or --none')
      if (!none && reason === undefined) throw misuse('say why it must not be recorded: --reason')
      const regions = region.map(regionOf)
      const changed = await tools.withVault((vault) =>
        vault.ask('target.mask', { target: name, regions, ...(reason === undefined ? {} : { reason }) }),
      )
      tools.show(changed, () =>
        changed.mask === null
          ? `all of the screen of ${changed.name} is recorded`
          : `of the screen of ${changed.name} ${maskText(changed.mask)}`,
      )
    })
}

/** What of a screen is not recorded, and why. */
export function maskText({ regions, reason }: NonNullable<TargetView['mask']>): string {
  return `${regionsText(regions)} ${regions.length === 1 ? 'is' : 'are'} not recorded: ${reason}`
}

function regionOf(text: string): MaskRegion {
  const region = parseRegion(text)
  if (region === undefined)
    throw misuse(
      `${JSON.stringify(text)} is no region of a screen`,
      'write left,top,width,height: 40,420,300,120 or 0%,90%,50%,10%',
    )
  return region
}
