import { open as openFile, mkdir, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { open, seal } from '../crypto/envelope.ts'
import { canonicalBytes } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import { Secret } from '../kernel/secret.ts'
import type { GuardMemory } from './guard-load.ts'
import type { Keyring } from './keyring.ts'

const stateShape = z.strictObject({
  installation: z.string(),
  guards: z.record(z.string(), z.strictObject({ counter: z.int(), mac: z.string() })),
})

/** Milliseconds after a change at which the file is written at the latest. */
const delayMs = 100

/**
 * The file `vault.state`: what the vault last wrote to the guarded tables, sealed, kept outside the database. A
 * database that is put back as a whole is older than this file says.
 *
 * It is written shortly after each change, not with it: a roll-back of the last 100 ms is not seen, and a database
 * that is newer than the file (the machine stopped in between) is right.
 */
export class LocalState {
  readonly #path: string
  readonly #keyring: Keyring
  readonly #guards: () => GuardMemory
  readonly #onFault: (fault: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(
    dataDir: string,
    keyring: Keyring,
    guards: () => GuardMemory,
    onFault: (fault: unknown) => void,
  ) {
    this.#path = statePath(dataDir)
    this.#keyring = keyring
    this.#guards = guards
    this.#onFault = onFault
  }

  /** Says that something changed. */
  touch(): void {
    this.#timer ??= setTimeout(() => {
      this.flush().catch(this.#onFault)
    }, delayMs)
  }

  /** Writes the file now; it is on disk afterwards. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const before = this.#writing
    const mine = before.then(
      () => this.#write(),
      () => this.#write(),
    )
    this.#writing = mine
    await mine
  }

  async #write(): Promise<void> {
    const state = { installation: this.#keyring.installation, guards: this.#guards() }
    using plain = new Secret(canonicalBytes(state))
    const envelope = seal(this.#keyring.stateKey, plain, ['local-state', this.#keyring.installation])
    try {
      await writeDurably(this.#path, envelope)
    } catch (error) {
      throw new Fault('configuration', `${this.#path} cannot be written`, { cause: error })
    }
  }
}

export function statePath(dataDir: string): string {
  return join(dataDir, 'vault', 'vault.state')
}

/** Reads the state file: what it says, or a sentence about why it says nothing. */
export async function readLocalState(
  dataDir: string,
  keyring: Keyring,
): Promise<{ readonly guards: GuardMemory } | { readonly finding: string }> {
  const path = statePath(dataDir)
  let envelope: Uint8Array
  try {
    envelope = await readFile(path)
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return { finding: gone ? `${path} is missing` : `${path} cannot be read` }
  }
  try {
    using plain = open(keyring.stateKey, envelope, ['local-state', keyring.installation])
    const state = plain.expose((bytes) => stateShape.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))))
    return { guards: state.guards }
  } catch {
    return { finding: `${path} is damaged or of another installation` }
  }
}

/** Replaces a file so that, whatever happens, either the old or the new one is there, whole. */
async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const fresh = `${path}.new`
  const file = await openFile(fresh, 'w', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(fresh, path)
  const folder = await openFile(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
