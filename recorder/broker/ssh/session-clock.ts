import type { Permit } from '../../../vault/contract.ts'

/** How long before the end something is said, in seconds, and in which words. */
const warnings = [
  [900, '15 minutes'],
  [300, '5 minutes'],
  [60, 'one minute'],
  [15, '15 seconds'],
] as const
/** `setTimeout` counts no further. */
const longestTimer = 2 ** 31 - 1

/**
 * Warns 15, 5 and one minute and 15 seconds before the end of a session and ends it in time.
 *
 * SECURITY: the time left is the vault's (end minus start) and runs on the monotonic clock from `openedAt`
 * (`performance.now()`): setting this machine's clock back extends nothing. What would have been said before `from` is
 * not said.
 */
export function startClock(
  permit: Pick<Permit, 'startedAt' | 'endsAt'>,
  openedAt: number,
  act: { readonly warn: (text: string) => void; readonly end: () => void },
  from = openedAt,
): Disposable {
  const length = Date.parse(permit.endsAt) - Date.parse(permit.startedAt)
  const endAt = openedAt + Math.max(0, Number.isFinite(length) ? length : 0)
  const until = permit.endsAt.slice(11, 16)
  const events = warnings
    .map(([seconds, words]) => ({
      at: endAt - seconds * 1_000,
      act: () => act.warn(`this session ends in ${words}, at ${until} UTC`),
    }))
    .filter(({ at }) => at > from)
    .concat([{ at: endAt, act: act.end }])
  let timer: NodeJS.Timeout | undefined
  const next = () => {
    const now = performance.now()
    while (events[0] !== undefined && events[0].at <= now) events.shift()?.act()
    const first = events[0]
    if (first !== undefined) timer = setTimeout(next, Math.min(first.at - now, longestTimer))
  }
  timer = setTimeout(next, 0)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
