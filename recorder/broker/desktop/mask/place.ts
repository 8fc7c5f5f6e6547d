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

export type Size = { readonly width: number; readonly height: number }

/**
 * Where regions are on a screen. SECURITY: a machine that was larger may show the same in fewer pixels, or a part of it: what was
 * hidden stays so either way, where the region is by the screen's present size and where it was by the largest.
 */
export function placesOf(
  regions: readonly MaskRegion[],
  screen: Size | undefined,
  largest: Size | undefined,
): readonly Place[] {
  return regions.flatMap((region) => {
    const now = placeOf(region, screen)
    if (screen === undefined || largest === undefined) return [now]
    if (screen.width >= largest.width && screen.height >= largest.height) return [now]
    return [now, region.unit === 'percent' ? placeOf(region, largest) : scaled(now, largest, screen)]
  })
}

/** A place of one screen on another that shows the same, rounded outwards. */
function scaled({ x, y, width, height }: Place, from: Size, to: Size): Place {
  const [across, down] = [to.width / from.width, to.height / from.height]
  const [left, top] = [Math.floor(x * across), Math.floor(y * down)]
  return {
    x: left,
    y: top,
    width: Math.ceil((x + width) * across) - left,
    height: Math.ceil((y + height) * down) - top,
  }
}

/** Where a region is on a screen of that size, rounded outwards. */
function placeOf(region: MaskRegion, screen: Size | undefined): Place {
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
