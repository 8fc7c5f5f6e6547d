import { randomBytes } from 'node:crypto'
import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { z } from 'zod'
import type { VerbAnswer, VerbInput } from '../../vault/contract.ts'
import { isId } from '../../vault/kernel/id.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import { type Dispatch, Peer } from '../../vault/kernel/rpc.ts'
import type { ByteSource } from '../replay/index.ts'
import type { RecordingStore } from '../store/index.ts'
import { maxReadBytes } from './replay-client.ts'
import { searchMethods } from './search-server.ts'
import { SearchShelf } from './search-shelf.ts'

export type ReplayServerOptions = {
  readonly path: string
  readonly store: RecordingStore
  /** Asks the vault whether the holder of a token may read a recording. */
  readonly authorise: (
    input: VerbInput<'recording.authorise'>,
  ) => Promise<Outcome<VerbAnswer<'recording.authorise'>>>
  /** Asks the vault which recordings the holder of a token may search. */
  readonly searchable: (
    input: VerbInput<'recording.searchable'>,
  ) => Promise<Outcome<VerbAnswer<'recording.searchable'>>>
  /** Search indexes, where somebody else has to do with them. */
  readonly shelf?: SearchShelf
  readonly onFault: (method: string, error: unknown) => void
  /** Milliseconds without a read after which a handle is closed. Default 10 minutes. */
  readonly handleLife?: number
}

const openParams = z.strictObject({
  token: z.string().max(200),
  recording: z.string().max(60),
  purpose: z.enum(['replay', 'verify', 'export']),
})
const readParams = z.strictObject({
  handle: z.string().max(60),
  offset: z.int().min(0),
  length: z.int().min(1).max(maxReadBytes),
})
const closeParams = z.strictObject({ handle: z.string().max(60) })

/** Handles that one connection may hold at once. */
const mostHandles = 64

/**
 * Serves recordings' ciphertext to the api and the command line. The vault decides who may read, per recording; a
 * handle is good on the connection that opened it only.
 */
export async function serveReplay(options: ReplayServerOptions): Promise<Server> {
  await rm(options.path, { force: true })
  const search = searchMethods({ ...options, shelf: options.shelf ?? new SearchShelf(options.store) })
  const server = createServer((socket) => serve(socket, options, search))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.path, resolve)
  })
  await chmod(options.path, 0o660)
  return server
}

type Handle = { readonly source: ByteSource & AsyncDisposable; timer: NodeJS.Timeout }

function serve(socket: Socket, options: ReplayServerOptions, search: Dispatch): void {
  const handles = new Map<string, Handle>()
  const life = options.handleLife ?? 600_000
  const close = async (name: string): Promise<void> => {
    const handle = handles.get(name)
    if (handle === undefined) return
    handles.delete(name)
    clearTimeout(handle.timer)
    await handle.source[Symbol.asyncDispose]()
  }
  const closeLater = (name: string) => setTimeout(() => void close(name), life).unref()

  const open = async (params: unknown) => {
    const input = openParams.safeParse(params)
    if (!input.success || !isId('rec', input.data.recording)) return refuse('invalid', 'not a replay.open')
    if (handles.size >= mostHandles)
      return refuse('rate_limited', 'too many recordings are open', 'close some, then try again')
    const allowed = await options.authorise({ ...input.data, recording: input.data.recording })
    if (!allowed.ok) return allowed
    const found = await options.store.read(input.data.recording)
    if (!found.ok) return found
    const name = randomBytes(18).toString('base64url')
    if (!peer.isOpen) {
      await found.value[Symbol.asyncDispose]()
      return refuse('unavailable', 'the connection is closed')
    }
    handles.set(name, { source: found.value, timer: closeLater(name) })
    const { reader: _reader, ...view } = allowed.value
    return done({ handle: name, size: found.value.size, view })
  }

  const read = async (params: unknown) => {
    const input = readParams.safeParse(params)
    if (!input.success) return refuse('invalid', 'not a replay.read')
    const { handle: name, offset, length } = input.data
    const handle = handles.get(name)
    if (handle === undefined) return refuse('expired', 'the recording is not open any more', 'open it again')
    clearTimeout(handle.timer)
    handle.timer = closeLater(name)
    const bytes = await handle.source.read(offset, length)
    return { ok: true as const, value: null, bytes }
  }

  const dispatch: Dispatch = (method) => {
    if (method === 'replay.open') return open
    if (method === 'replay.read') return read
    if (method === 'replay.close')
      return async (params) => {
        const input = closeParams.safeParse(params)
        if (input.success) await close(input.data.handle)
        return done(null)
      }
    return search(method)
  }
  const peer = new Peer(socket, { dispatch, onFault: options.onFault, maxConcurrent: 8 })
  void peer.closed.then(() => Promise.all([...handles.keys()].map(close)))
}
