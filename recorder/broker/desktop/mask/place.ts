import type { MaskRegion } from '../../../../vault/contract.ts'

/** A part of a picture, in pixels. */
export type Place = {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export function touches(a: Place, b: Place): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

/** What of `a` is not in `b`: up to four places that do not touch each other. */
export function without(a: Place, b: Place): readonly Place[] {
  if (!touches(a, b)) return [a]
  const [left, top] = [Math.max(a.x, b.x), Math.max(a.y, b.y)]
  const [right, bottom] = [Math.min(a.x + a.width, b.x + b.width), Math.min(a.y + a.height, b.y + b.height)]
  return [
    { x: a.x, y: a.y, width: a.width, height: top - a.y },
    { x: a.x, y: bottom, width: a.width, height: a.y + a.height - bottom },
    { x: a.x, y: top, width: left - a.x, height: bottom - top },
    { x: right, y: top, width: a.x + a.width - right, height: bottom - top },
  ].filter(({ width, height }) => width > 0 && height > 0)
}

/** What of a place is in none of `others`. */
export function withoutAll(place: Place, others: readonly Place[]): readonly Place[] {
  return others.reduce<readonly Place[]>((left, other) => left.flatMap((one) => without(one, other)), [place])
}

/** Longer than any screen: the place of a region whose screen is not known yet. */
const everywhere: Place = { x: 0, y: 0, width: 1 << 20, height: 1 << 20 }

/** Where a region is on a screen of that size, rounded outwards. */
export function placeOf(
  region: MaskRegion,
  screen: { readonly width: number; readonly height: number } | undefined,
): Place {
  const { x, y, width, height, unit } = region
  if (unit === 'pixels') return { x, y, width, height }
  if (screen === undefined) return everywhere
  const [left, top] = [Math.floor((x * screen.width) / 100), Math.floor((y * screen.height) / 100)]
  return {
    x: left,
    y: top,
    width: Math.ceil(((x + width) * screen.width) / 100) - left,
    height: Math.ceil(((y + height) * screen.height) / 100) - top,
  }
}
