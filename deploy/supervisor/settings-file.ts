import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { writeFor } from './data-folder.ts'
import type { Settings } from './settings.ts'

/** Writes `tagout.json` on the first start, with the addresses it was given, so that the next needs no options. */
export function rememberAddresses(dataDir: string, settings: Settings): void {
  const path = join(dataDir, 'tagout.json')
  if (existsSync(path)) return
  const { http, ssh, workers } = settings
  const text = {
    http: { host: http.host, port: http.port, ...(http.plain ? { plain: true } : {}) },
    ssh: { host: ssh.host, port: ssh.port },
    recorder: { workers },
  }
  // The planes' users read it too; it holds no secret.
  writeFor(undefined, path, `${JSON.stringify(text, null, 2)}\n`, 0o644)
}
