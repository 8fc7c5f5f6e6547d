/** Frames wait this long for company before they are sealed as a chunk; the rest of 250 ms is for the writing. */
export const flushAfterMs = 180

type Due = { readonly at: number; readonly flush: () => void }

/** One timer for all recordings of the process: everything waits equally long, so a queue is in order of time. */
const queue: Due[] = []
let head = 0
let timer: NodeJS.Timeout | undefined

/** Calls `flush` once, `flushAfterMs` from now. */
export function flushLater(flush: () => void): void {
  queue.push({ at: performance.now() + flushAfterMs, flush })
  timer ??= setTimeout(run, flushAfterMs)
}

function run(): void {
  timer = undefined
  const now = performance.now()
  for (let due = queue[head]; due !== undefined && due.at <= now + 1; due = queue[head]) {
    head += 1
    due.flush()
  }
  if (head === queue.length) {
    queue.length = 0
    head = 0
    return
  }
  if (head > 1024) {
    queue.splice(0, head)
    head = 0
  }
  timer = setTimeout(run, Math.max(1, (queue[head] as Due).at - now))
}
