import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isId, type RecordingId, type SessionId } from '../../vault/kernel/id.ts'

export type UnsettledSession = {
  readonly recording: RecordingId
  readonly session: SessionId
  /** The process that carries or carried it. */
  readonly pid: number
}

/**
 * Notes on disk which sessions have begun and whose end the vault has not heard: what a crash leaves to report.
 * One small file each, named after the recording.
 */
export class Unsettled {
  readonly #folder: string

  constructor(storePath: string) {
    this.#folder = join(storePath, 'unsettled')
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
  }

  async note({ recording, session }: Omit<UnsettledSession, 'pid'>): Promise<void> {
    await writeFile(join(this.#folder, recording), `${session} ${process.pid}`, { mode: 0o600 })
  }

  async settle(recording: RecordingId): Promise<void> {
    await rm(join(this.#folder, recording), { force: true })
  }

  async list(): Promise<readonly UnsettledSession[]> {
    const found: UnsettledSession[] = []
    for (const recording of await readdir(this.#folder).catch(() => [])) {
      const text = await readFile(join(this.#folder, recording), 'utf8').catch(() => '')
      const [session = '', pid] = text.split(' ')
      if (isId('rec', recording) && isId('ses', session)) found.push({ recording, session, pid: Number(pid) })
    }
    return found
  }
}
