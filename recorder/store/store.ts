import { closeSync, constants, fsync, open as openCallback, write as writeCallback } from 'node:fs'
import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { AuditorChain } from '../../vault/auditors/list.ts'
import type { AuditorListLink } from '../../vault/contract.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { isId, type RecordingId } from '../../vault/kernel/id.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import type { ByteSource } from '../replay/source.ts'
import { AuditorsPin } from './auditors-pin.ts'
import { fileSource } from './file-source.ts'

export type StoreOptions = {
  /** The recorder's data folder; recordings lie in `<folder>/recordings/<yyyy-mm-dd>/<rec_…>.tgr`. */
  readonly folder: string
  /** Sessions are refused (`no_space`) below this much free space. Default 1 GiB. */
  readonly floorBytes?: number
  /** Size of the reserve file, which `releaseReserve` frees. Default 256 MiB; 0 for none. */
  readonly reserveBytes?: number
}

export type StoredRecording = {
  readonly recording: RecordingId
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
}

const extension = '.tgr'
const openFd = promisify(openCallback)
const syncFd = promisify(fsync)
const writeFd = promisify(writeCallback)

/** Where the search index of a recording's file lies. */
export function indexPath(path: string): string {
  return `${path.slice(0, -extension.length)}.tgi`
}

/** Where the tombstone of a recording lies that was destroyed. */
export function tombstonePath(path: string): string {
  return `${path.slice(0, -extension.length)}.tgx`
}

/** Opens the file store, making its folders (0700) and its reserve. */
export async function openStore(options: StoreOptions): Promise<RecordingStore> {
  const recordings = join(options.folder, 'recordings')
  await mkdir(recordings, { recursive: true, mode: 0o700 })
  const store = new RecordingStore(options.folder, options.floorBytes ?? 1024 ** 3)
  await store.keepReserve(options.reserveBytes ?? 256 * 1024 * 1024)
  return store
}

/** Recordings as files of one folder. Nothing here changes or deletes a recording; `destroyFile` does, for two people. */
export class RecordingStore {
  readonly folder: string
  readonly floorBytes: number
  readonly #recordings: string
  /** Where recordings were found; a recording never moves. */
  readonly #paths = new Map<RecordingId, string>()
  readonly #pin: AuditorsPin
  #pinning: Promise<unknown> = Promise.resolve()

  constructor(folder: string, floorBytes: number) {
    this.folder = folder
    this.floorBytes = floorBytes
    this.#recordings = join(folder, 'recordings')
    this.#pin = new AuditorsPin(join(folder, 'auditors.pin'))
  }

  /** Refuses with `no_space` below the floor of free space. Ask before `session.open`. */
  async hasRoom(): Promise<Outcome<{ readonly freeBytes: number }>> {
    const freeBytes = await this.freeBytes()
    if (freeBytes >= this.floorBytes) return done({ freeBytes })
    return refuse(
      'no_space',
      'there is too little free space to record a session',
      'ask the administrator to free space on the recorder, then connect again',
    )
  }

  /**
   * Verifies a chain of auditor lists against this recorder's pin, and moves the pin on. The first chain ever seen is
   * pinned as it is.
   */
  acceptLists(links: readonly AuditorListLink[]): Promise<Outcome<AuditorChain>> {
    const accepted = this.#pinning.then(() => this.#pin.accept(links))
    this.#pinning = accepted.catch(() => undefined)
    return accepted
  }

  /** Makes a recording's file (0600) with its first bytes, durable when this resolves. The caller closes `fd`. */
  async create(
    recording: RecordingId,
    startedAt: string,
    first: Uint8Array,
  ): Promise<{ readonly fd: number; readonly path: string }> {
    if (!isId('rec', recording)) throw new Fault('recording', 'not a recording id')
    const day = join(this.#recordings, new Date(startedAt).toISOString().slice(0, 10))
    const path = join(day, recording + extension)
    let fd: number | undefined
    try {
      const isNewDay = (await mkdir(day, { recursive: true, mode: 0o700 })) !== undefined
      fd = await openFd(
        path,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND,
        0o600,
      )
      for (let at = 0; at < first.length; ) at += (await writeFd(fd, first, at)).bytesWritten
      await syncFd(fd)
      await syncFolder(day)
      if (isNewDay) await syncFolder(this.#recordings)
    } catch (error) {
      if (fd !== undefined) closeSync(fd)
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
      throw new Fault('recording', `the recording's file cannot be made (${code})`, { cause: error })
    }
    this.#paths.set(recording, path)
    return { fd, path }
  }

  /** Where the file of a recording is that began then, if it is there. */
  pathOf(recording: RecordingId, startedAt: string): string {
    if (!isId('rec', recording)) throw new Fault('recording', 'not a recording id')
    const day = new Date(startedAt).toISOString().slice(0, 10)
    return this.#paths.get(recording) ?? join(this.#recordings, day, recording + extension)
  }

  /** All recordings, oldest first. */
  async list(): Promise<readonly StoredRecording[]> {
    const found: StoredRecording[] = []
    for await (const one of this.#walk()) found.push(one)
    return found.sort((a, b) => (a.recording < b.recording ? -1 : 1))
  }

  async stat(recording: RecordingId): Promise<Outcome<StoredRecording>> {
    if (!isId('rec', recording)) return refuse('invalid', 'not a recording id')
    const known = this.#paths.get(recording)
    if (known !== undefined) {
      const found = await describe(recording, known)
      if (found !== undefined) return done(found)
    }
    for (const day of await this.#days()) {
      const path = join(this.#recordings, day, recording + extension)
      const found = await describe(recording, path)
      if (found === undefined) continue
      this.#paths.set(recording, path)
      return done(found)
    }
    return refuse('not_found', `this recorder has no recording ${recording}`)
  }

  /** Ranged reads of a recording's ciphertext. Dispose what you get. */
  async read(recording: RecordingId): Promise<Outcome<ByteSource & AsyncDisposable>> {
    const found = await this.stat(recording)
    return found.ok ? done(await fileSource(found.value.path)) : found
  }

  /** Frees the reserve, for break-glass and for the database, when the disk is full. */
  async releaseReserve(): Promise<void> {
    await rm(join(this.folder, 'reserve'), { force: true })
  }

  /** Makes the reserve where it is missing and there is room for it. Answers whether it is there. */
  async keepReserve(bytes: number): Promise<boolean> {
    const path = join(this.folder, 'reserve')
    const present = await stat(path).catch(() => undefined)
    if ((present?.size ?? 0) >= bytes) return true
    if ((await this.freeBytes()) < this.floorBytes + bytes) return false
    const file = await open(path, 'w', 0o600)
    try {
      // Random enough not to be compressed away by a file system, written so that the blocks are really taken.
      const block = crypto.getRandomValues(new Uint8Array(65_536))
      for (let at = 0; at < bytes; at += block.length)
        await file.write(block, 0, Math.min(block.length, bytes - at), at)
      await file.sync()
    } catch (error) {
      await rm(path, { force: true })
      throw new Fault('recording', 'the reserve cannot be made', { cause: error })
    } finally {
      await file.close()
    }
    return true
  }

  /** Free space of the disk, for who is not root. */
  async freeBytes(): Promise<number> {
    const space = await statfs(this.#recordings)
    return space.bavail * space.bsize
  }

  /** Newest day first: most questions are about the latest recordings. */
  async #days(): Promise<readonly string[]> {
    const names = await readdir(this.#recordings)
    return names
      .filter((name) => /^\d{4}-\d\d-\d\d$/.test(name))
      .sort()
      .reverse()
  }

  async *#walk(): AsyncGenerator<StoredRecording> {
    for (const day of await this.#days())
      for (const name of await readdir(join(this.#recordings, day))) {
        const recording = name.endsWith(extension) ? name.slice(0, -extension.length) : ''
        if (!isId('rec', recording)) continue
        const found = await describe(recording, join(this.#recordings, day, name))
        if (found !== undefined) yield found
      }
  }
}

async function describe(recording: RecordingId, path: string): Promise<StoredRecording | undefined> {
  const info = await stat(path).catch(() => undefined)
  if (!info?.isFile()) return undefined
  return { recording, path, sizeBytes: info.size, modifiedAt: info.mtime }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
