import { randomInt } from 'node:crypto'
import { closeSync } from 'node:fs'
import { type MessagePort, parentPort } from 'node:worker_threads'
import sodium from 'libsodium-wrappers'
import { Container } from './container.ts'
import { DayKeys } from './day-keys.ts'
import type { SealOrder, SealReport } from './seal-message.ts'
import { Sealing } from './sealing.ts'
import { SearchWriter } from './search-writer.ts'

/**
 * The sealing thread: deflates, encrypts, hashes, signs and writes for all recordings of its process, so that the
 * thread which relays does not. Writing is synchronous: a store that hangs holds this thread, and the relaying
 * thread, which sees no answer, stops relaying.
 */
type Open = { readonly sealing: Sealing; readonly fd: number; nextCheckpointAt: number }

const checkpointEveryMs = 4500
const sweepEveryMs = 500
const restEverySweeps = 360
const syncsAtOnce = 4
const readForMs = 4
/** Of each half second, at most so much is for search indexes. */
const indexForMs = 40
/** Smaller buffers are cheaper to make than to pass around. */
const worthReturning = 64 * 1024

// Orders wait in the port until somebody listens.
await sodium.ready
const port = parentPort as MessagePort
const dayKeys = new DayKeys()
const open = new Map<number, Open>()
const unsynced = new Set<number>()
/** Recordings with a screen to read when there is nothing to seal. */
const toRead = new Set<number>()
/** Recordings with texts that are not indexed yet. */
const toIndex = new Set<number>()
let isReading = false
let reports: SealReport[] = []
let returned: ArrayBuffer[] = []
let syncing = 0
let sweeps = 0

port.on('message', (orders: readonly SealOrder[]) => {
  for (const order of orders) {
    try {
      carryOut(order)
    } catch (error) {
      fail(order.id, error)
    }
  }
  send()
})

setInterval(sweep, sweepEveryMs).unref()
port.postMessage([])

function carryOut(order: SealOrder): void {
  if (order.op === 'open') {
    const container = new Container(order.fd, order.size, order.keys)
    // Each recording at its own moment: a thousand at once would hold up everybody's echo.
    const nextCheckpointAt = performance.now() + randomInt(checkpointEveryMs)
    const search =
      order.search === undefined ? undefined : new SearchWriter(order.search, order.keys, dayKeys)
    open.set(order.id, { sealing: new Sealing(container, search), fd: order.fd, nextCheckpointAt })
    return
  }
  const recording = open.get(order.id)
  if (recording === undefined) return // failed before: already reported
  const { sealing } = recording
  switch (order.op) {
    case 'chunk': {
      sealing.chunk(order.plain)
      const buffer = order.plain.buffer as ArrayBuffer
      const size = sealing.container.size
      if (buffer.byteLength >= worthReturning) {
        returned.push(buffer)
        reports.push({ op: 'written', id: order.id, plain: order.plain.length, size, buffer })
      } else reports.push({ op: 'written', id: order.id, plain: order.plain.length, size })
      unsynced.add(order.id)
      checkpointWhenDue(order.id, recording)
      tellCommands(order.id, sealing)
      if (sealing.isDue) readLater(order.id)
      if (sealing.isIndexDue) toIndex.add(order.id)
      return
    }
    case 'screens':
      reports.push({ op: 'screens', id: order.id, request: order.request, screens: sealing.screens() })
      tellCommands(order.id, sealing)
      return
    case 'follow':
      sealing.follow(order.on)
      return
    case 'finish': {
      const { size, root } = sealing.finish(order.reason)
      forget(order.id)
      // The end is durable before it is told: what says complete stays complete.
      void sealing.container.sync().then(
        () => conclude(recording.fd, { op: 'finished', id: order.id, size, root }),
        (error: unknown) => conclude(recording.fd, { op: 'failed', id: order.id, code: codeOf(error) }),
      )
      return
    }
    case 'abandon':
      sealing.abandon()
      forget(order.id)
      closeSync(recording.fd)
  }
}

function checkpointWhenDue(id: number, recording: Open): void {
  const now = performance.now()
  if (now < recording.nextCheckpointAt) return
  while (recording.nextCheckpointAt <= now) recording.nextCheckpointAt += checkpointEveryMs
  if (!recording.sealing.container.hasUncheckpointed) return
  const written = recording.sealing.container.checkpoint()
  if (written === undefined) return
  reports.push({ op: 'checkpoint', id, ...written })
}

function tellCommands(id: number, sealing: Sealing): void {
  for (const command of sealing.takeCommands()) reports.push({ op: 'command', id, ...command })
}

function readLater(id: number): void {
  toRead.add(id)
  if (isReading) return
  isReading = true
  setImmediate(read)
}

/** Reads screens for a few milliseconds, and then lets the port have its turn: sealing comes first. */
function read(): void {
  const until = performance.now() + readForMs
  for (const id of toRead) {
    toRead.delete(id)
    try {
      const sealing = open.get(id)?.sealing
      sealing?.readScreens()
      if (sealing !== undefined) tellCommands(id, sealing)
    } catch (error) {
      fail(id, error)
    }
    if (performance.now() > until) break
  }
  send()
  isReading = toRead.size > 0
  if (isReading) setImmediate(read)
}

/** Every half second: checkpoints that no further chunk brought about, and the disk for what was written. */
function sweep(): void {
  sweeps += 1
  dayKeys.forgetPast()
  for (const id of unsynced) {
    const recording = open.get(id)
    if (recording === undefined) {
      unsynced.delete(id)
      continue
    }
    if (syncing < syncsAtOnce) {
      unsynced.delete(id)
      syncing += 1
      recording.sealing.container
        .sync()
        .catch((error: unknown) => {
          fail(id, error)
          send()
        })
        .finally(() => {
          syncing -= 1
        })
    }
  }
  const until = performance.now() + indexForMs
  for (const id of toIndex) {
    toIndex.delete(id)
    const sealing = open.get(id)?.sealing
    sealing?.indexTexts(until)
    // Behind the others: each has its turn.
    if (sealing?.isIndexDue === true) toIndex.add(id)
    if (performance.now() > until) break
  }
  for (const [id, recording] of open) {
    try {
      recording.sealing.flushFound()
      recording.sealing.writeIndex()
      checkpointWhenDue(id, recording)
      if (sweeps % restEverySweeps === 0) recording.sealing.rest()
    } catch (error) {
      fail(id, error)
    }
  }
  send()
}

function fail(id: number, error: unknown): void {
  const recording = open.get(id)
  if (recording === undefined) return
  forget(id)
  recording.sealing.abandon()
  conclude(recording.fd, { op: 'failed', id, code: codeOf(error) })
}

function conclude(fd: number, report: SealReport): void {
  try {
    closeSync(fd)
  } finally {
    reports.push(report)
    send()
  }
}

function forget(id: number): void {
  open.delete(id)
  unsynced.delete(id)
  toRead.delete(id)
  toIndex.delete(id)
}

function send(): void {
  if (reports.length === 0) return
  port.postMessage(reports, returned)
  reports = []
  returned = []
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'internal'
}
