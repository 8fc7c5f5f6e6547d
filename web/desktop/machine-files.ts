import type { ServerMessage } from '../../recorder/live/protocol.ts'
import { bytes as bytesText } from '../parts/wording.ts'
import { FilesRefusal, type FileEntry, nameHere, pathIn, SftpClient } from './sftp.ts'

/** A file on its way, or that went. */
export type Transfer = {
  readonly id: number
  readonly name: string
  /** `in`: to the machine; `out`: off it. */
  readonly way: 'in' | 'out'
  readonly size: number
  readonly done: number
  readonly state: 'waiting' | 'going' | 'there' | 'exists' | 'stopped' | 'failed'
  /** What more there is to say. */
  readonly why?: string
}

export type FilesView = {
  readonly state: 'closed' | 'opening' | 'open'
  /** Why they are closed, where that was not the user's wish. */
  readonly why: string | null
  readonly reads: boolean
  readonly writes: boolean
  readonly folder: string
  readonly entries: readonly FileEntry[]
  readonly isListing: boolean
  /** Why the folder is not listed. */
  readonly listing: string | null
  readonly transfers: readonly Transfer[]
}

/** A browser keeps what it takes off a machine until it is whole. */
const mostTaken = 2 * 1024 ** 3
/** Pieces are put together in blocks, which a browser can put aside. */
const blockBytes = 8 * 1024 * 1024
const mostTransfers = 200
/** How often a progress is shown anew, in milliseconds. */
const shownEvery = 100

const closed: FilesView = {
  ...{ state: 'closed', why: null, reads: false, writes: false, folder: '', entries: [] },
  ...{ isListing: false, listing: null, transfers: [] },
}

type Wire = {
  readonly ask: (open: boolean) => void
  readonly send: (bytes: Uint8Array) => void
  /** Gives the user a file that was taken off the machine. */
  readonly give: (name: string, content: Blob) => void
}

type Job = {
  readonly abort: AbortController
  readonly run: (signal: AbortSignal) => Promise<string | undefined>
}

/** The files beside a desktop, as its page has them: a folder that is looked at, and what goes over, one after the other. */
export class MachineFiles implements Disposable {
  readonly #wire: Wire
  readonly #listeners = new Set<() => void>()
  readonly #jobs = new Map<number, Job>()
  #view = closed
  #client: SftpClient | undefined
  #nextId = 1
  #isWorking = false
  #shownAt = 0

  constructor(wire: Wire) {
    this.#wire = wire
  }

  readonly listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  readonly view = (): FilesView => this.#view

  /** Opens them, where they are not. */
  open(): void {
    if (this.#view.state !== 'closed') return
    this.#change({ state: 'opening', why: null })
    this.#wire.ask(true)
  }

  /** What the gateway says of them. */
  heard(message: Extract<ServerMessage, { kind: 'files' }>): void {
    if (!message.open) {
      const why = message.message ?? null
      this.#client?.close(why ?? 'the files were closed')
      this.#client = undefined
      return this.#change({ state: 'closed', why, isListing: false })
    }
    const client = new SftpClient((bytes) => this.#wire.send(bytes))
    this.#client = client
    this.#change({ reads: message.reads, writes: message.writes })
    client.begin().then(
      (folder) => {
        this.#change({ state: 'open' })
        this.go(folder)
      },
      (error: unknown) => this.#lost(error),
    )
  }

  bytes(bytes: Uint8Array): void {
    try {
      this.#client?.hear(bytes)
    } catch (error) {
      this.#lost(error)
    }
  }

  /** Lists a folder. */
  go(folder: string): void {
    const client = this.#client
    if (client === undefined) return
    this.#change({ isListing: true, listing: null })
    const listed = async () => {
      const path = await client.resolve(folder)
      const entries = [...(await client.list(path))].sort(inOrder)
      this.#change({ folder: path, entries, isListing: false })
    }
    listed().catch((error: unknown) => this.#change({ isListing: false, listing: wordsOf(error) }))
  }

  /** Takes a file of the folder off the machine. */
  take(entry: FileEntry): void {
    const path = pathIn(this.#view.folder, entry.name)
    this.#add({ name: entry.name, way: 'out', size: entry.size }, async (signal, id) => {
      const blocks: Blob[] = []
      let block: Uint8Array<ArrayBuffer>[] = []
      let kept = 0
      const putAside = () => {
        blocks.push(new Blob(block))
        block = []
        kept = 0
      }
      const size = await this.#sftp().read(
        path,
        (piece) => {
          block.push(piece)
          kept += piece.length
          if (kept >= blockBytes) putAside()
        },
        (done) => {
          // SECURITY: a machine may send without end.
          if (done > mostTaken)
            throw new Error(`it is larger than ${bytesText(mostTaken)}: take it by an SFTP client`)
          this.#progress(id, done)
        },
        signal,
      )
      putAside()
      this.#wire.give(nameHere(entry.name), new Blob(blocks))
      return size === entry.size
        ? undefined
        : `it is ${bytesText(size)}; the list said ${bytesText(entry.size)}: it may have changed meanwhile`
    })
  }

  /** Puts files into the folder. `replace`: of this name one may be there already. */
  put(files: readonly File[], replace = false): void {
    const { folder } = this.#view
    for (const file of files) {
      const path = pathIn(folder, file.name)
      this.#add({ name: file.name, way: 'in', size: file.size }, async (signal, id) => {
        const client = this.#sftp()
        if (!replace && (await client.exists(path))) {
          this.#again.set(id, file)
          this.#transfer(id, { state: 'exists' })
          return undefined
        }
        try {
          await client.write(path, file, replace, (done) => this.#progress(id, done), signal)
        } catch (error) {
          // Half a file is no file. Where the session is held this waits with everything else.
          if (signal.aborted) client.remove(path).catch(() => undefined)
          throw error
        }
        if (this.#view.folder === folder) this.go(folder)
        return undefined
      })
    }
  }

  readonly #again = new Map<number, File>()

  /** Puts a file in the place of the one that is there. */
  replace(id: number): void {
    const file = this.#again.get(id)
    this.#again.delete(id)
    if (file === undefined) return
    this.forget(id)
    this.put([file], true)
  }

  stop(id: number): void {
    this.#jobs.get(id)?.abort.abort(new Error('stopped'))
  }

  /** Takes one that is over off the list. */
  forget(id: number): void {
    if (this.#jobs.has(id)) return
    this.#again.delete(id)
    this.#change({ transfers: this.#view.transfers.filter((one) => one.id !== id) })
  }

  #sftp(): SftpClient {
    if (this.#client === undefined) throw new Error(this.#view.why ?? 'the files are closed')
    return this.#client
  }

  #add(
    what: Pick<Transfer, 'name' | 'way' | 'size'>,
    run: (signal: AbortSignal, id: number) => Promise<string | undefined>,
  ): void {
    const id = this.#nextId
    this.#nextId += 1
    this.#jobs.set(id, { abort: new AbortController(), run: (signal) => run(signal, id) })
    const transfers = [...this.#view.transfers, { ...what, id, done: 0, state: 'waiting' as const }]
    this.#change({ transfers: transfers.slice(-mostTransfers) })
    void this.#work()
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return
    this.#isWorking = true
    for (;;) {
      const [next] = this.#jobs
      if (next === undefined) break
      const [id, { abort, run }] = next
      this.#transfer(id, { state: 'going' })
      try {
        abort.signal.throwIfAborted()
        const why = await run(abort.signal)
        this.#jobs.delete(id)
        if (this.#view.transfers.find((one) => one.id === id)?.state === 'going')
          this.#transfer(id, { state: 'there', ...(why === undefined ? {} : { why }) })
      } catch (error) {
        this.#jobs.delete(id)
        this.#transfer(
          id,
          abort.signal.aborted ? { state: 'stopped' } : { state: 'failed', why: wordsOf(error) },
        )
      }
    }
    this.#isWorking = false
  }

  #progress(id: number, done: number): void {
    const now = performance.now()
    if (now - this.#shownAt < shownEvery) return
    this.#shownAt = now
    this.#transfer(id, { done })
  }

  #transfer(id: number, change: Partial<Transfer>): void {
    this.#change({
      transfers: this.#view.transfers.map((one) => (one.id === id ? { ...one, ...change } : one)),
    })
  }

  #lost(error: unknown): void {
    this.#client?.close(wordsOf(error))
    this.#client = undefined
    this.#change({ state: 'closed', why: wordsOf(error), isListing: false })
    this.#wire.ask(false)
  }

  #change(change: Partial<FilesView>): void {
    this.#view = { ...this.#view, ...change }
    for (const listener of this.#listeners) listener()
  }

  [Symbol.dispose](): void {
    this.#client?.close('the session is over')
    this.#client = undefined
    for (const { abort } of this.#jobs.values()) abort.abort(new Error('stopped'))
    this.#change({ ...closed, transfers: this.#view.transfers })
  }
}

function inOrder(one: FileEntry, other: FileEntry): number {
  if (one.isFolder !== other.isFolder) return one.isFolder ? -1 : 1
  return one.name.localeCompare(other.name)
}

function wordsOf(error: unknown): string {
  if (error instanceof FilesRefusal || error instanceof Error) return error.message
  return 'it did not go'
}
