/**
 * Looks for something to do again and again, one look at a time. What a look throws is said once, and not at each look while it
 * lasts.
 */
export function lookEvery(
  ms: number,
  look: () => Promise<void>,
  onFault: (error: unknown) => void,
): AsyncDisposable {
  let isAway = false
  let running: Promise<void> | undefined
  const tick = () => {
    running ??= look()
      .then(
        () => {
          isAway = false
        },
        (error: unknown) => {
          if (!isAway) onFault(error)
          isAway = true
        },
      )
      .finally(() => {
        running = undefined
      })
  }
  const timer = setInterval(tick, ms)
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 2_000).unref())])
    },
  }
}
