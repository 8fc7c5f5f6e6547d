import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import sodium from 'libsodium-wrappers'
import { type AuditorChain, type ChainPin, pinOf, verifyChain } from '../../vault/auditors/list.ts'
import type { AuditorListLink } from '../../vault/contract.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { toHex } from '../../vault/kernel/encoding.ts'
import { done, type Outcome } from '../../vault/kernel/outcome.ts'

/**
 * The pin in the file at `path`, against which chains of auditor lists are verified, and which moves on with them.
 *
 * SECURITY: the vault and its database hand the lists over; this file is what keeps them from handing over a list of
 * their own. A pin that does not parse is a fault, never a reason to begin anew.
 */
export class AuditorsPin {
  readonly #path: string
  /** What was verified last: the same links are not verified again while the file still pins their last list. */
  #last: { readonly links: string; readonly chain: AuditorChain } | undefined

  constructor(path: string) {
    this.#path = path
  }

  async accept(links: readonly AuditorListLink[]): Promise<Outcome<AuditorChain>> {
    await sodium.ready
    const pin = await readPin(this.#path)
    const text = JSON.stringify(links)
    if (this.#last?.links === text && pin !== undefined && isSame(pin, pinOf(this.#last.chain)))
      return done(this.#last.chain)
    const verified = await verifyChain(sodium, links, pin)
    if (!verified.ok) return verified
    const next = pinOf(verified.value)
    if (pin === undefined || next.version > pin.version) {
      const moved = await this.#advance(links)
      if (!moved.ok) return moved
    }
    this.#last = { links: text, chain: verified.value }
    return done(verified.value)
  }

  /** SECURITY: workers share the file. One at a time moves it, from where it then is, so that it never goes back. */
  async #advance(links: readonly AuditorListLink[]): Promise<Outcome<AuditorChain>> {
    const unlock = await lock(`${this.#path}.lock`)
    try {
      const pin = await readPin(this.#path)
      const verified = await verifyChain(sodium, links, pin)
      if (!verified.ok) return verified
      const next = pinOf(verified.value)
      if (pin === undefined || next.version > pin.version) await writePin(this.#path, next)
      return verified
    } finally {
      await unlock()
    }
  }
}

/** Milliseconds after which a lock was left behind by a process that was killed; moving the pin takes a few. */
const staleAfter = 10_000

/** Takes the lock by making its file, waiting for whoever has it. */
async function lock(path: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await (await open(path, 'wx', 0o600)).close()
      return () => rm(path, { force: true })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    // Gone meanwhile: whoever had it is done.
    const since = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now()
    if (Date.now() - since > staleAfter) await rm(path, { force: true })
    else await wait(5)
  }
}

function isSame(one: ChainPin, other: ChainPin): boolean {
  return one.version === other.version && Buffer.from(one.hash).equals(Buffer.from(other.hash))
}

async function readPin(path: string): Promise<ChainPin | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Fault('recording', 'the pin of the auditor lists cannot be read', { cause: error })
  }
  const found = /^tagout-auditors-pin 1\nversion: ([1-9][0-9]{0,8})\nhash: ([0-9a-f]{64})\n$/.exec(text)
  if (found === null) throw new Fault('recording', 'the pin of the auditor lists is damaged')
  return { version: Number(found[1]), hash: Uint8Array.from(Buffer.from(found[2] as string, 'hex')) }
}

async function writePin(path: string, pin: ChainPin): Promise<void> {
  const draft = `${path}.${process.pid}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(`tagout-auditors-pin 1\nversion: ${pin.version}\nhash: ${toHex(pin.hash)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}
