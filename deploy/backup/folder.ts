import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** A file of the data folder that belongs into a backup, by its path there. */
export type KeptFile = { readonly path: string; readonly full: string; readonly size: number }

/**
 * What of the data folder a backup holds besides the database.
 *
 * SECURITY: a list of what goes in, not of what stays out. `vault/seal.key` and everything else that unseals the vault
 * is not on it: a backup alone opens nothing. Nor are the planes' keys and database passwords, which a restore makes anew.
 */
const kept: readonly RegExp[] = [
  /^tagout\.json$/,
  /^vault\/vault\.state$/,
  /^vault\/audit-witness\.log$/,
  /^recorder\/auditors\.pin$/,
  /^recorder\/(ssh\/)?ssh_host_[a-z0-9]+_key$/,
  /^api\/tls\/[A-Za-z0-9._-]+$/,
  /^recorder\/recordings\/\d{4}-\d{2}-\d{2}\/rec_[0-9a-z]{26}\.tgx$/,
  /^supervisor\/ca\/ca\.(crt|key)$/,
]
const recordingPath = /^recorder\/recordings\/\d{4}-\d{2}-\d{2}\/rec_[0-9a-z]{26}\.tgr$/

/** The files to keep, recordings apart, in the order in which they must be read. */
export async function keptFiles(
  dataDir: string,
): Promise<{ readonly files: readonly KeptFile[]; readonly recordings: readonly KeptFile[] }> {
  const files: KeptFile[] = []
  const recordings: KeptFile[] = []
  for await (const file of filesUnder(dataDir, '')) {
    if (kept.some((form) => form.test(file.path))) files.push(file)
    else if (recordingPath.test(file.path)) recordings.push(file)
  }
  return { files, recordings }
}

/** Folders that hold nothing of a backup and may be large or not ours to read. */
const passedOver = ['postgres', 'admin', 'run', 'guacd']

async function* filesUnder(root: string, path: string): AsyncGenerator<KeptFile> {
  const names = await readdir(join(root, path))
  for (const name of names.sort()) {
    const below = path === '' ? name : `${path}/${name}`
    if (path === '' && passedOver.includes(name)) continue
    const full = join(root, below)
    // SECURITY: links are not followed; one could lead to what must stay out.
    const found = await lstat(full)
    if (found.isDirectory()) yield* filesUnder(root, below)
    else if (found.isFile()) yield { path: below, full, size: found.size }
  }
}

/** Whether a member's path is one that a backup may hold: a restore writes no other. */
export function isKeptPath(path: string): boolean {
  return kept.some((form) => form.test(path)) || recordingPath.test(path)
}

/** The mode that a restored file has: what every plane reads and what is public may be read by all. */
export function modeOf(path: string): number {
  return path === 'tagout.json' || path.endsWith('.crt') ? 0o644 : 0o600
}
