import { randomBytes } from 'node:crypto'
import { chmod, lstat, rm, unlink } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { proofFileName } from './client.ts'
import { done, type Outcome, refuse } from './kernel/outcome.ts'
import { type Dispatch, Peer } from './kernel/rpc.ts'
import { isProofOf, type Plane, type PlaneIdentity, provePlane } from './plane.ts'

/** Who holds the other end of a door's connection, proven. */
export type Caller =
  | { readonly kind: 'local'; readonly uid: number; readonly peer: Peer }
  | { readonly kind: 'plane'; readonly plane: Exclude<Plane, 'vault'>; readonly peer: Peer }

export type DoorOptions = {
  readonly path: string
  readonly door: 'planes' | 'admin'
  readonly identity: PlaneIdentity
  /** Permissions of the socket: 0o660 for the planes' (their group), 0o600 for the administrator's. */
  readonly mode: number
  /** Answers a verb of a proven caller. Unknown verbs too: the answer is a refusal. */
  readonly answer: (caller: Caller, verb: string, params: unknown) => Promise<Outcome<unknown>>
  readonly onFault: (verb: string, error: unknown) => void
  readonly onClosed?: (caller: Caller) => void
}

const helloParams = z.strictObject({
  as: z.enum(['recorder', 'rotation', 'api', 'local']),
  nonce: z.base64().max(64),
})
type As = z.output<typeof helloParams>['as']
const proveParams = z.strictObject({ proof: z.base64().max(200).optional() })

/** Milliseconds within which a caller must have proven itself. */
const graceMs = 5_000

/** Opens one of the vault's two doors. A caller that has not proven itself can ask nothing. */
export async function openDoor(options: DoorOptions): Promise<AsyncDisposable> {
  await rm(options.path, { force: true })
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    greet(socket, options)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.path, resolve)
  })
  await chmod(options.path, options.mode)
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      // A door that waited for its callers to leave would never close.
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function greet(socket: Socket, options: DoorOptions): void {
  let hello: { readonly as: As; readonly theirs: Buffer; readonly ours: Buffer } | undefined
  let caller: Caller | undefined
  const grace = setTimeout(() => socket.destroy(), graceMs)

  const dispatch: Dispatch = (method) => {
    if (method === 'hello')
      return async (params) => {
        const parsed = helloParams.safeParse(params)
        const fits = parsed.success && (parsed.data.as === 'local') === (options.door === 'admin')
        if (!fits || hello !== undefined) return refuse('unauthenticated', 'this door does not open that way')
        hello = {
          as: parsed.data.as,
          theirs: Buffer.from(parsed.data.nonce, 'base64'),
          ours: randomBytes(32),
        }
        const proof =
          options.door === 'planes'
            ? provePlane(options.identity.privateKey, 'vault', hello.theirs, hello.ours).toString('base64')
            : null
        return done({ nonce: hello.ours.toString('base64'), proof })
      }
    if (method === 'prove')
      return async (params) => {
        const parsed = proveParams.safeParse(params)
        if (!parsed.success || hello === undefined || caller !== undefined)
          return refuse('unauthenticated', 'say hello first, once')
        caller = await prove(hello, parsed.data.proof, options, peer)
        if (caller === undefined) {
          setImmediate(() => socket.end())
          return refuse('unauthenticated', 'the proof does not hold')
        }
        clearTimeout(grace)
        return done(null)
      }
    return async (params) => {
      if (caller === undefined) return refuse('unauthenticated', 'prove who you are first')
      return options.answer(caller, method, params)
    }
  }
  const peer = new Peer(socket, { dispatch, onFault: options.onFault })
  void peer.closed.then(() => {
    clearTimeout(grace)
    if (caller !== undefined) options.onClosed?.(caller)
  })
}

async function prove(
  hello: { readonly as: As; readonly theirs: Buffer; readonly ours: Buffer },
  proof: string | undefined,
  options: DoorOptions,
  peer: Peer,
): Promise<Caller | undefined> {
  if (hello.as === 'local') {
    // SECURITY: only who may enter the 0700 folder can make the file, and nobody can make one of another's uid.
    const path = join(dirname(options.path), proofFileName(hello.ours))
    const stat = await lstat(path).catch(() => undefined)
    if (stat === undefined || !stat.isFile() || stat.nlink !== 1) return undefined
    await unlink(path)
    return { kind: 'local', uid: stat.uid, peer }
  }
  const key = options.identity.peers[hello.as]
  const holds = isProofOf(key, hello.as, hello.ours, hello.theirs, Buffer.from(proof ?? '', 'base64'))
  return holds ? { kind: 'plane', plane: hello.as, peer } : undefined
}
