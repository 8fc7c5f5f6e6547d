/** A time of a recording, in nanoseconds, as players show it: `00:01:02`. */
export function clockText(nanoseconds: number): string {
  const seconds = Math.floor(nanoseconds / 1e9)
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}
