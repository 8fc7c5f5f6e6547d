import { existsSync, statfsSync } from 'node:fs'
import type { Finding } from './examine.ts'

/** Below this no session starts by default; the recorder's own floor may be set otherwise. */
const floorBytes = 1024 ** 3

/** The machine's clock, and the room on the data folder's disk. */
export function clockAndDisk(dataDir: string): readonly Finding[] {
  const findings: Finding[] = []
  // Before this was written no clock can have been right.
  const right = Date.now() > Date.parse('2026-01-01T00:00:00Z')
  findings.push(
    right
      ? { name: 'clock', level: 'fine', text: `the clock says ${new Date().toISOString()}` }
      : {
          name: 'clock',
          level: 'wrong',
          text: `the clock says ${new Date().toISOString()}, which cannot be: grants and codes go by it`,
          next: 'set the clock, and keep it right with a time server',
        },
  )
  if (!existsSync(dataDir)) return findings
  const disk = statfsSync(dataDir)
  const free = disk.bavail * disk.bsize
  const gib = (free / 1024 ** 3).toFixed(1)
  if (free < floorBytes)
    findings.push({
      name: 'disk',
      level: 'wrong',
      text: `${gib} GiB are free for the data folder: no session starts with so little`,
      next: 'make room, or move recordings to another disk (TAGOUT_RECORDER_STORE)',
    })
  else if (free < 5 * floorBytes)
    findings.push({
      name: 'disk',
      level: 'note',
      text: `${gib} GiB are free for the data folder`,
      next: 'make room soon: below 1 GiB no session starts',
    })
  else findings.push({ name: 'disk', level: 'fine', text: `${gib} GiB are free for the data folder` })
  return findings
}
