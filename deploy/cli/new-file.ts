import { randomBytes } from 'node:crypto'
import { link, open, rename, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Complaint } from './complaint.ts'

/**
 * Writes a file whole or not at all, durable before it has its name. It never replaces an existing one unless
 * `replace` says so. Mode 0600 unless told otherwise.
 */
export async function writeNewFile(
  path: string,
  content: string | Uint8Array,
  options: { readonly mode?: number; readonly replace?: boolean } = {},
): Promise<void> {
  const full = resolve(path)
  const draft = join(dirname(full), `.tagout-${randomBytes(8).toString('hex')}`)
  const file = await open(draft, 'wx', options.mode ?? 0o600)
  try {
    await file.writeFile(content)
    await file.chmod(options.mode ?? 0o600)
    await file.sync()
  } catch (error) {
    // SECURITY: a part of a key or a share stays nowhere, under no name that anybody would look for.
    await unlink(draft).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
  try {
    if (options.replace === true) await rename(draft, full)
    else {
      await link(draft, full)
      await unlink(draft)
    }
  } catch (error) {
    // What went wrong is told; a draft that cannot be taken away either has the mode of the file.
    await unlink(draft).catch(() => {})
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new Complaint(`${path} exists already`, 'choose another name, or move it away first')
    throw error
  }
}
