/** `00:12:30` or `12:30`, in nanoseconds; undefined where it is none. */
export function parseClock(text: string): number | undefined {
  const [, hours = '0', minutes, seconds] = /^(?:(\d{1,3}):)?(\d{1,2}):(\d{2})$/.exec(text.trim()) ?? []
  if (minutes === undefined || seconds === undefined) return undefined
  return (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1e9
}

/** A time of a recording, in nanoseconds, as players show it: `00:01:02`. */
export function clockText(nanoseconds: number): string {
  const seconds = Math.floor(nanoseconds / 1e9)
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}
