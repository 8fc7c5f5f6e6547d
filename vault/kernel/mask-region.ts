/** A part of a machine's screen: in its pixels, or per cent of the screen, whole numbers from its upper left corner. */
export type MaskRegion = {
  readonly unit: 'pixels' | 'percent'
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** The largest coordinate of a screen in pixels that a region may name. */
export const mostPixels = 16_384

/** Reads `40,420,300,120` (pixels) or `0%,90%,50%,10%`: left, top, width, height. Undefined where it is neither. */
export function parseRegion(text: string): MaskRegion | undefined {
  const parts = text.split(',').map((part) => /^(\d{1,5})(%?)$/.exec(part.trim()))
  const units = new Set(parts.map((part) => part?.[2]))
  if (parts.length !== 4 || parts.includes(null) || units.size !== 1) return undefined
  const [x, y, width, height] = parts.map((part) => Number(part?.[1]))
  const unit = units.has('%') ? 'percent' : 'pixels'
  const most = unit === 'percent' ? 100 : mostPixels
  if (x === undefined || y === undefined || !width || !height) return undefined
  return x + width <= most && y + height <= most ? { unit, x, y, width, height } : undefined
}

/** As `parseRegion` reads it. */
export function regionText({ unit, x, y, width, height }: MaskRegion): string {
  return [x, y, width, height].map((one) => `${one}${unit === 'percent' ? '%' : ''}`).join(',')
}

/** Regions for people and for the audit log. */
export function regionsText(regions: readonly MaskRegion[]): string {
  return regions.map((one) => `${regionText(one)}${one.unit === 'percent' ? '' : ' px'}`).join(' and ')
}
