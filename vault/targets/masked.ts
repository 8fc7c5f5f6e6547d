import { z } from 'zod'
import { type Mask, mostRegions, type TargetView } from '../contract.ts'
import type { Row } from '../rows.ts'

const shape = z.strictObject({
  reason: z.string(),
  regions: z
    .array(
      z.strictObject({
        unit: z.enum(['pixels', 'percent']),
        x: z.int(),
        y: z.int(),
        width: z.int(),
        height: z.int(),
      }),
    )
    .min(1)
    .max(mostRegions),
  setBy: z.string(),
})

/** What of a target's screen is not recorded, why, and who said so; null: all is recorded. */
export function maskOf({ mask }: Pick<Row<'target'>, 'mask'>): TargetView['mask'] {
  return mask === null ? null : shape.parse(JSON.parse(mask))
}

/** The mask as a session's permit, and the recording's header, have it. */
export function permittedMask(target: Pick<Row<'target'>, 'mask'>): Mask | undefined {
  const { regions, reason } = maskOf(target) ?? {}
  return regions === undefined || reason === undefined ? undefined : { regions, reason }
}
