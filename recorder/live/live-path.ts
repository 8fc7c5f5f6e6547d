import { join } from 'node:path'

/** The folder in which each worker listens for live sockets. */
export function liveFolder(dataDir: string): string {
  return join(dataDir, 'run', 'live')
}

/** Where a worker listens for live sockets, which the api splices through to it. */
export function liveSocketPath(dataDir: string, worker: string): string {
  return join(liveFolder(dataDir), `${worker}.sock`)
}
