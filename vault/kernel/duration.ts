const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** Whole seconds of `4h`, `30m`, `2d` or `1h30m`; undefined for what is no duration of a second at least. */
export function durationSeconds(text: string): number | undefined {
  if (!/^(\d{1,6}[smhdw])+$/.test(text)) return undefined
  let total = 0
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/g))
    total += Number(count) * (unitSeconds[unit ?? ''] ?? 0)
  return total < 1 ? undefined : total
}
