import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { Complaint, exit, misuse } from './complaint.ts'
import type { Io } from './io.ts'

/** The folder of the installation: `--data`, else TAGOUT_DATA, else ./data where one has been started. */
export function dataFolder(io: Io, given: string | undefined): string {
  const named = given ?? (io.env['TAGOUT_DATA'] || undefined)
  if (named !== undefined) return resolve(io.cwd, named)
  const usual = join(io.cwd, 'data')
  if (existsSync(join(usual, 'ready.json')) || existsSync(join(usual, 'admin'))) return usual
  throw misuse('which installation?', 'set TAGOUT_DATA to its data folder, or give --data DIR')
}

// Read loosely: later versions say more.
const readyFile = z.looseObject({
  console: z.string(),
  ssh: z.looseObject({
    host: z.string(),
    port: z.int(),
    /** The gateway's public keys as lines of a known_hosts file, without the host. */
    knownHosts: z.array(z.string()).optional(),
  }),
})
export type Ready = z.infer<typeof readyFile>

/** The addresses of the running installation. */
export async function readReady(dataDir: string): Promise<Ready> {
  const path = join(dataDir, 'ready.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    throw new Complaint(
      `no installation is running at ${dataDir}`,
      'start it with npm start, or set TAGOUT_DATA to its data folder',
      exit.away,
    )
  }
  const parsed = readyFile.safeParse(parseJson(text))
  if (!parsed.success) throw new Complaint(`${path} is malformed`, 'start the installation again: npm start')
  return parsed.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The certificate authority of the installation's own, where it made one. */
export function consoleAuthority(dataDir: string, ready: Ready): string | undefined {
  if (!ready.console.startsWith('https:')) return undefined
  const own = join(dataDir, 'api', 'tls', 'ca.crt')
  return existsSync(own) ? own : undefined
}
