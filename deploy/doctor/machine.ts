import { existsSync, statfsSync, statSync } from 'node:fs'
import { readConfig } from '../../recorder/config.ts'
import type { Finding } from './examine.ts'

/** Room in which the recorder lets sessions start, and where it writes; its defaults where its settings are wrong. */
function recorderSettings(dataDir: string, env: NodeJS.ProcessEnv) {
  try {
    return readConfig({ ...env, TAGOUT_DATA: dataDir })
  } catch {
    return { floorBytes: 1024 ** 3, storePath: dataDir }
  }
}

/** The machine's clock, and the room on the data folder's disk. */
export function clockAndDisk(dataDir: string, env: NodeJS.ProcessEnv = process.env): readonly Finding[] {
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
  const { floorBytes, storePath } = recorderSettings(dataDir, env)
  // Recordings may have a disk of their own.
  const elsewhere = existsSync(storePath) && statSync(storePath).dev !== statSync(dataDir).dev
  return [
    ...findings,
    room(dataDir, 'the data folder', floorBytes),
    ...(elsewhere ? [room(storePath, `the recordings in ${storePath}`, floorBytes)] : []),
  ]
}

function room(path: string, what: string, floorBytes: number): Finding {
  const disk = statfsSync(path)
  const free = disk.bavail * disk.bsize
  const gib = (bytes: number) => `${(bytes / 1024 ** 3).toFixed(1)} GiB`
  const name = 'disk'
  if (free < floorBytes)
    return {
      name,
      level: 'wrong',
      text: `${gib(free)} are free for ${what}: no session starts with so little`,
      next: `make room until ${gib(floorBytes)} are free, or move recordings to another disk (TAGOUT_RECORDER_STORE)`,
    }
  if (free < 5 * floorBytes)
    return {
      name,
      level: 'note',
      text: `${gib(free)} are free for ${what}`,
      next: `make room soon: below ${gib(floorBytes)} no session starts`,
    }
  return { name, level: 'fine', text: `${gib(free)} are free for ${what}` }
}
