import type { Mark } from '../replay/frame.ts'

const maxText = 16 * 1024

/** A mark as the format can hold it: text is well-formed and bounded, numbers are whole. */
export function plainMark(mark: Mark): Mark {
  const entries = Object.entries(mark)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, plain(value)])
  return Object.fromEntries(entries) as Mark
}

function plain(value: unknown): unknown {
  if (typeof value === 'string') return value.slice(0, maxText).toWellFormed()
  if (typeof value === 'number')
    return Number.isFinite(value) ? Math.min(Math.max(Math.trunc(value), -(2 ** 53 - 1)), 2 ** 53 - 1) : 0
  return typeof value === 'boolean' ? value : String(value)
}
