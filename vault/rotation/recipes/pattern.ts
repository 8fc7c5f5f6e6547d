/**
 * How a recipe names what a machine shows: a text that is the whole line on which the machine has stopped. `*` stands for
 * any characters, `{login}` for the login name, and `{host}` for what the first prompt had in that place. Nothing else
 * means anything, so that no pattern can be slow, or match more than it says.
 */

/** What is known of a line when it is looked at. */
export type Known = { readonly login: string; readonly host: string | undefined }

/** Most characters that `*` or `{host}` stand for. */
const mostAny = 100
export const mostStars = 2

/** Is this line what the pattern says? The spaces at the ends of both count for nothing. */
export function isLine(pattern: string, line: string, known: Known): boolean {
  if (pattern.includes('{host}') && known.host === undefined)
    return hostIn(pattern, line, known) !== undefined
  const parts = pattern
    .trim()
    .split('*')
    .map((part) => filled(part, known))
  const text = line.trim()
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return text === first
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false
  let at = first.length
  const end = text.length - last.length
  for (const part of [...rest, undefined]) {
    const next = part === undefined ? end : text.indexOf(part, at)
    if (next < at || next > end || next - at > mostAny) return false
    at = next + (part?.length ?? 0)
  }
  return at <= end
}

/**
 * What stands in the place of `{host}` in a line of this pattern; undefined where it is none. It is a name: it has a letter
 * or a digit in it.
 */
export function hostIn(pattern: string, line: string, known: Omit<Known, 'host'>): string | undefined {
  const text = line.trim()
  const [before = '', after = ''] = pattern
    .trim()
    .split('{host}')
    .map((part) => filled(part, { ...known, host: undefined }))
  const stars = before.split('*')
  const near = stars.at(-1) ?? ''
  if (!text.endsWith(after)) return undefined
  const end = text.length - after.length
  // With `*` before it, the name begins after the last of what stands between.
  const start = stars.length === 1 ? (text.startsWith(near) ? 0 : -1) : text.lastIndexOf(near, end - 1)
  if (start < 0 || start > mostAny || !text.startsWith(stars[0] ?? '')) return undefined
  const host = text.slice(start + near.length, end)
  return host.length <= mostAny && /^[\x20-\x7e]*[A-Za-z0-9][\x20-\x7e]*$/.test(host) ? host : undefined
}

function filled(part: string, { login, host }: Known): string {
  return part.replaceAll('{login}', login).replaceAll('{host}', host ?? '{host}')
}

/** Why a text is no pattern, or undefined. */
export function patternFault(pattern: string): string | undefined {
  if ((pattern.match(/\*/g) ?? []).length > mostStars) return `a pattern has ${mostStars} * at most`
  const named = pattern.match(/\{[^}]*\}/g) ?? []
  if (named.some((one) => one !== '{host}' && one !== '{login}'))
    return 'a pattern holds {host} and {login}, and no other name in braces'
  if (named.filter((one) => one === '{host}').length > 1) return 'a pattern has {host} once'
  const [, after = ''] = pattern.split('{host}')
  if (pattern.includes('*{host}') || after.includes('*'))
    return 'between * and {host} stands something, and * is not after {host}'
  return pattern.replaceAll(/\{host\}|\{login\}|\*|\s/g, '') === ''
    ? 'a pattern says something besides * and names'
    : undefined
}
