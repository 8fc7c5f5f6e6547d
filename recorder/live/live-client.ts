import { randomInt } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { nameText } from '../../vault/contract.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { connectOwn } from '../serve/own-socket.ts'
import { liveFolder, liveSocketPath } from './live-path.ts'

/**
 * Connects to a worker's socket for live sockets: to the one named, else to any that lives. Undefined where there is none.
 */
export async function connectLive(dataDir: string, worker?: string): Promise<Socket | undefined> {
  const names = worker === undefined ? await workersIn(liveFolder(dataDir)) : [worker]
  const first = names.length > 1 ? randomInt(names.length) : 0
  for (const name of [...names.slice(first), ...names.slice(0, first)]) {
    if (!nameText.safeParse(name).success) continue
    try {
      return await connectOwn(dataDir, liveSocketPath(dataDir, name))
    } catch (error) {
      // A worker that died leaves its socket until it is back: the next one is asked.
      if (!(error instanceof Fault) || error.code !== 'closed') throw error
    }
  }
  return undefined
}

async function workersIn(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder)
    return names.filter((name) => name.endsWith('.sock')).map((name) => name.slice(0, -'.sock'.length))
  } catch {
    return []
  }
}
