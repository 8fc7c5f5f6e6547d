import { join } from 'node:path'
import { z } from 'zod'
import type { RecordingView } from '../../vault/contract.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { done, type Outcome } from '../../vault/kernel/outcome.ts'
import { Peer } from '../../vault/kernel/rpc.ts'
import type { ByteSource } from '../replay/index.ts'
import type { KeyedTrapdoors, OpenedSearch } from '../replay/search.ts'
import { connectOwn } from './own-socket.ts'

export type ReplayPurpose = 'replay' | 'verify' | 'export'
/** A recording's ciphertext, as long as the recorder lets it be read. Dispose it. */
export type OpenedRecording = ByteSource & AsyncDisposable & { readonly view: RecordingView }

/** The largest piece that one `replay.read` answers. */
export const maxReadBytes = 4 * 1024 * 1024

/** The first search after a start reads the index of every recording. */
const searchMs = 120_000

const openAnswer = z.object({ handle: z.string(), size: z.int().min(0), view: z.custom<RecordingView>() })

/** A connection to the recorder's replay socket. It does not reconnect: open another. */
export class ReplayClient implements AsyncDisposable {
  readonly #peer: Peer

  constructor(peer: Peer) {
    this.#peer = peer
  }

  get isOpen(): boolean {
    return this.#peer.isOpen
  }

  /** Opens a recording for the holder of a login token. The vault decides, and writes it down when it is a replay. */
  async open(token: string, recording: string, purpose: ReplayPurpose): Promise<Outcome<OpenedRecording>> {
    const answer = await this.#peer.call('replay.open', { token, recording, purpose })
    if (!answer.ok) return answer
    const { handle, size, view } = openAnswer.parse(answer.value)
    const peer = this.#peer
    return done({
      size,
      view,
      async read(offset: number, length: number): Promise<Uint8Array> {
        const pieces: Uint8Array[] = []
        let at = offset
        const end = Math.min(offset + length, size)
        while (at < end) {
          const piece = await peer.call('replay.read', {
            handle,
            offset: at,
            length: Math.min(end - at, maxReadBytes),
          })
          if (!piece.ok) throw new Fault('closed', piece.refusal.message)
          if (piece.bytes === undefined || piece.bytes.length === 0) break
          pieces.push(piece.bytes)
          at += piece.bytes.length
        }
        return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)
      },
      async [Symbol.asyncDispose](): Promise<void> {
        if (peer.isOpen) await peer.call('replay.close', { handle }).catch(() => undefined)
      },
    })
  }

  /** Begins a search inside the recordings that are asked for, as the holder of a login token. */
  async search(token: string, asked: object): Promise<Outcome<OpenedSearch>> {
    return (await this.#peer.call(
      'search.open',
      { token, asked },
      undefined,
      searchMs,
    )) as Outcome<OpenedSearch>
  }

  /** The recordings of a search that may hold what the trapdoors stand for. */
  async candidates(
    token: string,
    search: string,
    keys: readonly KeyedTrapdoors[],
  ): Promise<Outcome<{ readonly recordings: readonly string[] }>> {
    const answer = await this.#peer.call('search.candidates', { token, search, keys }, undefined, searchMs)
    return answer as Outcome<{ readonly recordings: readonly string[] }>
  }

  /** The header and the sealed index of one recording of a search. The vault decides, and writes it down. */
  async searchIndex(token: string, search: string, recording: string): Promise<Outcome<Uint8Array>> {
    const answer = await this.#peer.call('search.index', { token, search, recording })
    return answer.ok ? done(answer.bytes ?? new Uint8Array()) : answer
  }

  close(): void {
    this.#peer.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer[Symbol.asyncDispose]()
  }
}

/** Connects to the recorder of the installation in `dataDir`. Throws `Fault('closed')` when it is not running. */
export async function connectReplay(dataDir: string): Promise<ReplayClient> {
  const socket = await connectOwn(dataDir, join(dataDir, 'run', 'replay.sock'))
  return new ReplayClient(new Peer(socket, { dispatch: () => undefined }))
}
