import type { VerbAnswer } from '../../vault/contract.ts'
import type { Id, RecordingId } from '../../vault/kernel/id.ts'
import type { Log } from '../broker/ssh/ports.ts'
import { destroyFile, measure, type RecordingStore } from '../store/index.ts'
import type { VaultLink } from './vault-link.ts'

export type DestroyerPorts = {
  readonly store: RecordingStore
  readonly link: Pick<VaultLink, 'call'>
  readonly log: Log
  /** Forgets what is kept of a recording in memory. */
  readonly forget: (recording: RecordingId) => void
}

type Condemned = VerbAnswer<'destruction.take'>[number]

/** Milliseconds between two questions for what is to be destroyed, and between two looks at which files are there. */
const everyMs = 5_000
const lookEveryMs = 3600_000
const pageRows = 2_000

/**
 * Destroys what two people have had destroyed, and looks whether all other recordings are there: a file that somebody else took
 * away is told to the log.
 */
export class Destroyer implements AsyncDisposable {
  readonly #ports: DestroyerPorts
  #timer: NodeJS.Timeout | undefined
  #lookAt = 0
  #running: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(ports: DestroyerPorts) {
    this.#ports = ports
  }

  start(): void {
    const again = async () => {
      try {
        await this.destroyAll()
        if (Date.now() >= this.#lookAt && (await this.look())) this.#lookAt = Date.now() + lookEveryMs
      } catch (error) {
        this.#ports.log('recordings could not be destroyed, or looked for', { error: String(error) })
      }
      if (this.#isClosed) return
      this.#timer = setTimeout(() => {
        this.#running = again()
      }, everyMs)
      this.#timer.unref()
    }
    this.#running = again()
  }

  /** Destroys what waits for it. While the vault is away nothing does. */
  async destroyAll(): Promise<void> {
    const { link, log } = this.#ports
    const taken = await link.call('destruction.take', {})
    for (const one of taken.ok ? taken.value : []) {
      if (this.#isClosed) return
      if (await this.#destroy(one)) log('a recording was destroyed', { recording: one.recording })
    }
  }

  async #destroy({ recording, startedAt, tombstone }: Condemned): Promise<boolean> {
    const { store, link, forget } = this.#ports
    // INVARIANT: what has a tombstone is not measured again: it may be half gone.
    const signed =
      tombstone === null
        ? await link.call('destruction.sign', { recording, found: await measure(store, recording) })
        : { ok: true as const, value: tombstone }
    if (!signed.ok) return false
    await destroyFile(store, recording, startedAt, signed.value)
    forget(recording)
    return (await link.call('destruction.done', { recording })).ok
  }

  /** Looks whether all recordings are there that have to be. False: the vault was not there to ask. */
  async look(): Promise<boolean> {
    const { store, link, log } = this.#ports
    const present = new Set((await store.list()).map(({ recording }) => recording))
    for (let after: Id<'ses'> | undefined; ; ) {
      const page = await link.call('recording.expected', {
        limit: pageRows,
        ...(after === undefined ? {} : { after }),
      })
      if (!page.ok) return false
      const { recordings, next } = page.value
      const named = (is: 'kept' | 'missing', there: boolean) =>
        recordings.flatMap((one) =>
          one.is === is && present.has(one.recording) === there ? [one.recording] : [],
        )
      const [missing, back] = [named('kept', false), named('missing', true)]
      if (missing.length > 0) log('recordings are missing', { recordings: missing })
      if (missing.length + back.length > 0)
        if (!(await link.call('recording.missing', { missing, back })).ok) return false
      for (const one of recordings)
        if (one.is === 'destroyed' && present.has(one.recording))
          await this.#destroyAgain(one.recording, one.startedAt)
      if (next === null) return true
      after = next
    }
  }

  /** A backup or a copy has brought back what was destroyed. */
  async #destroyAgain(recording: RecordingId, startedAt: string): Promise<void> {
    const { store, link, log, forget } = this.#ports
    const tombstone = await link.call('destruction.sign', { recording, found: null })
    if (!tombstone.ok) return
    log('a recording that was destroyed was there again', { recording })
    await destroyFile(store, recording, startedAt, tombstone.value)
    forget(recording)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#running
  }
}
