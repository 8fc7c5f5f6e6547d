import { once } from 'node:events'
import { lstat } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { RecordingView } from '../../vault/contract.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { done, type Outcome } from '../../vault/kernel/outcome.ts'
import { Peer } from '../../vault/kernel/rpc.ts'
import type { ByteSource } from '../replay/index.ts'

export type ReplayPurpose = 'replay' | 'verify' | 'export'
/** A recording's ciphertext, as long as the recorder lets it be read. Dispose it. */
export type OpenedRecording = ByteSource & AsyncDisposable & { readonly view: RecordingView }

/** The largest piece that one `replay.read` answers. */
export const maxReadBytes = 4 * 1024 * 1024

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

  close(): void {
    this.#peer.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer[Symbol.asyncDispose]()
  }
}

/**
 * Connects to the recorder of the installation in `dataDir`. Throws `Fault('closed')` when it is not running.
 *
 * SECURITY: any plane can make a socket in `run/` while the recorder is away, and what is said here has people's login
 * tokens in it. The socket must belong to the owner of the recorder's folder, before and after connecting: nobody
 * else can take it away, so that it is the one that was connected to.
 */
export async function connectReplay(dataDir: string): Promise<ReplayClient> {
  const path = join(dataDir, 'run', 'replay.sock')
  await requireRecordersOwn(dataDir, path)
  const socket = createConnection(path)
  try {
    await once(socket, 'connect')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Fault('closed', `cannot reach the recorder at ${path} (${code}): is it running?`)
  }
  try {
    await requireRecordersOwn(dataDir, path)
  } catch (error) {
    socket.destroy()
    throw error
  }
  return new ReplayClient(new Peer(socket, { dispatch: () => undefined }))
}

async function requireRecordersOwn(dataDir: string, path: string): Promise<void> {
  const [found, folder] = await Promise.all([lstat(path), lstat(join(dataDir, 'recorder'))]).catch(
    (error: NodeJS.ErrnoException) => {
      throw new Fault(
        'closed',
        `cannot reach the recorder at ${path} (${error.code ?? 'unknown'}): is it running?`,
      )
    },
  )
  if (!found.isSocket() || found.uid !== folder.uid)
    throw new Fault('closed', `${path} is not the recorder's: find out who put it there, then start again`)
}
