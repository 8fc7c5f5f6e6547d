import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'

const maxBytes = 16 * 1024 * 1024
const line = z.strictObject({ checkpoint: z.string().max(2_000) })

/**
 * Keeps every signed checkpoint in a file beside the database, one JSON object a line. A database that was put back,
 * or holds another history, does not agree with it. Copies of the file on other machines witness as well.
 *
 * At 16 MiB the file is put aside as `.1` (replacing an older one) and begun anew.
 */
export class FileWitness {
  readonly path: string
  #file: FileHandle | undefined
  #size = 0

  constructor(dataDir: string) {
    this.path = join(dataDir, 'vault', 'audit-witness.log')
  }

  /** All checkpoints in the file, the oldest first; undefined when there is no file. */
  async read(): Promise<readonly string[] | undefined> {
    const text = await readText(this.path)
    if (text === undefined) return undefined
    const before = (await readText(`${this.path}.1`)) ?? ''
    const lines = `${before}${text}`.split('\n')
    return lines.slice(0, -1).map(parseLine)
  }

  /** Adds a checkpoint; it is on disk afterwards. */
  async append(checkpoint: string): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify({ checkpoint })}\n`)
    if (this.#file !== undefined && this.#size + bytes.length > maxBytes) {
      await this.close()
      await rename(this.path, `${this.path}.1`)
    }
    this.#file ??= await this.#open()
    await this.#file.writeFile(bytes)
    await this.#file.datasync()
    this.#size += bytes.length
  }

  /** Puts the file aside under a name that tells when, and begins anew: after a restore that somebody accepted. */
  async putAside(now: Date): Promise<void> {
    await this.close()
    await rename(this.path, `${this.path}.${now.toISOString().replace(/[:.]/g, '-')}`).catch(ignoreMissing)
    await rename(`${this.path}.1`, `${this.path}.1.${now.toISOString().replace(/[:.]/g, '-')}`).catch(
      ignoreMissing,
    )
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
    // A line that a crash cut short would swallow the next one.
    const text = await readText(this.path)
    if (text !== undefined && !text.endsWith('\n'))
      await truncate(this.path, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)))
    const file = await open(this.path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600)
    this.#size = (await file.stat()).size
    return file
  }
}

/** The checkpoint of a line. What is not one is passed on as it is: no signature will hold. */
function parseLine(text: string): string {
  try {
    return line.parse(JSON.parse(text)).checkpoint
  } catch {
    return text
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r')
    try {
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    ignoreMissing(error)
    return undefined
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}
