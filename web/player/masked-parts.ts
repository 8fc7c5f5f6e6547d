import type { Mask } from '../../vault/contract.ts'

/** A part of a picture, as a style has it: in per cent of it, however large it is shown. */
export type Part = {
  readonly left: string
  readonly top: string
  readonly width: string
  readonly height: string
}

/** Where nothing is recorded of a screen of that size. */
export function maskedParts(
  mask: Mask | undefined,
  screen: { readonly width: number; readonly height: number },
): readonly Part[] {
  return (mask?.regions ?? []).map(({ unit, x, y, width, height }) => {
    const [across, down] = unit === 'percent' ? [1, 1] : [100 / screen.width, 100 / screen.height]
    return {
      left: `${x * across}%`,
      top: `${y * down}%`,
      width: `${width * across}%`,
      height: `${height * down}%`,
    }
  })
}
