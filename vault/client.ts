import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { open, readdir } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { VerbAnswer, VerbInput, VerbName } from './contract.ts'
import { Fault } from './kernel/fault.ts'
import type { Outcome } from './kernel/outcome.ts'
import { type Dispatch, Peer } from './kernel/rpc.ts'
import { isProofOf, type Plane, type PlaneIdentity, provePlane } from './plane.ts'

const helloAnswer = z.object({ nonce: z.string(), proof: z.string().nullable() })

/** A connection to the vault through one of its doors. It does not reconnect: open another. */
export class VaultClient implements AsyncDisposable {
  readonly peer: Peer

  constructor(peer: Peer) {
    this.peer = peer
  }

  /**
   * Asks the vault. A refusal is a value; a fault, a time-out or a lost connection throws `Fault`.
   * `token` is the login token of the person on whose behalf this is asked, where the door is a plane's; or that of a
   * service, with the address from which it came.
   */
  async call<Name extends VerbName>(
    verb: Name,
    input: VerbInput<Name>,
    token?: string,
    timeout?: number,
    source?: string,
  ): Promise<Outcome<VerbAnswer<Name>>> {
    const answer = await this.peer.call(
      verb,
      { input, ...(token === undefined ? {} : { token }), ...(source === undefined ? {} : { source }) },
      undefined,
      timeout,
    )
    return answer as Outcome<VerbAnswer<Name>>
  }

  close(): void {
    this.peer.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]()
  }
}

async function connect(path: string): Promise<Socket> {
  const socket = createConnection(path)
  try {
    await once(socket, 'connect')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Fault('closed', `cannot reach the vault at ${path} (${code})`)
  }
  return socket
}

/** Connects a plane through `planes.sock`; each side proves its key. `dispatch` answers what the vault asks. */
export async function connectPlane(
  path: string,
  identity: PlaneIdentity,
  dispatch: Dispatch,
): Promise<VaultClient> {
  const plane = identity.plane as Exclude<Plane, 'vault'>
  const peer = new Peer(await connect(path), { dispatch })
  try {
    const nonce = randomBytes(32)
    const hello = await peer.call('hello', { as: plane, nonce: nonce.toString('base64') })
    if (!hello.ok) throw new Fault('protocol', hello.refusal.message)
    const answer = helloAnswer.parse(hello.value)
    const theirs = Buffer.from(answer.nonce, 'base64')
    if (!isProofOf(identity.peers.vault, 'vault', nonce, theirs, Buffer.from(answer.proof ?? '', 'base64')))
      throw new Fault('protocol', `what answers at ${path} does not hold the vault's key`)
    const proof = provePlane(identity.privateKey, plane, theirs, nonce).toString('base64')
    const proven = await peer.call('prove', { proof })
    if (!proven.ok) throw new Fault('protocol', proven.refusal.message)
    return new VaultClient(peer)
  } catch (error) {
    peer.close()
    throw error
  }
}

/** Connects as `local:<uid>` through `admin.sock`: the uid is proven by a file made in the door's 0700 folder. */
export async function connectAdmin(dataDir: string): Promise<VaultClient> {
  const path = join(dataDir, 'admin', 'admin.sock')
  await readdir(dirname(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EACCES')
      throw new Fault(
        'closed',
        `you may not use the machine administrator's door at ${dirname(path)}: run as its owner or as root`,
      )
    throw new Fault(
      'closed',
      `there is no running vault at ${dataDir}: start it with npm start, or set TAGOUT_DATA`,
    )
  })
  const peer = new Peer(await connect(path), { dispatch: () => undefined })
  try {
    const hello = await peer.call('hello', { as: 'local', nonce: randomBytes(32).toString('base64') })
    if (!hello.ok) throw new Fault('protocol', hello.refusal.message)
    const { nonce } = helloAnswer.parse(hello.value)
    const file = await open(join(dirname(path), proofFileName(Buffer.from(nonce, 'base64'))), 'wx', 0o600)
    await file.close()
    const proven = await peer.call('prove', {})
    if (!proven.ok) throw new Fault('protocol', proven.refusal.message)
    return new VaultClient(peer)
  } catch (error) {
    peer.close()
    throw error
  }
}

/** The file by which a local caller proves its uid. The vault removes it. */
export function proofFileName(nonce: Uint8Array): string {
  return `proof-${Buffer.from(nonce).toString('hex')}`
}
