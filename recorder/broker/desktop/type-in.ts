import { setTimeout as wait } from 'node:timers/promises'
import type { AccountId } from '../../../vault/kernel/id.ts'
import { done, type Outcome, refuse } from '../../../vault/kernel/outcome.ts'
import type { Secret } from '../../../vault/kernel/secret.ts'
import { sentenceOf } from '../../../vault/ssh/sentence.ts'
import { encodeInstruction } from './instruction.ts'

/** A linked secret as the vault has released it, for one act. Its owner disposes of it. */
export type ReleasedSecret = { readonly name: string; readonly secret: Secret }

export type TypeInPorts = {
  /** Whether keys may reach the desktop now: false while it is frozen, and when it is over. */
  readonly mayType: () => boolean
  /** Asks the vault for the secret, for this one act. */
  readonly release: (account: AccountId) => Promise<Outcome<ReleasedSecret>>
  /** Lets go of all that the user presses. */
  readonly letGo: () => void
  readonly write: (bytes: Buffer) => void
  /** Into the recording: resolves when it is taken. */
  readonly typed: (detail: string) => Promise<void>
  /** Into recording and audit log. */
  readonly event: (event: 'type-in refused' | 'type-in broken off', detail: string) => void
  /** To the user. */
  readonly tell: (text: string) => void
}

/** Milliseconds between two keys: programs of an engineering station drop keys that come at once. */
const betweenKeys = 25
const enterKey = 0xff0d

/**
 * Types linked secrets into a desktop, one at a time, on the user's act.
 *
 * SECURITY: the keys are recorded nowhere, whatever the input policy, and go to nobody but guacd; that they were typed
 * is recorded before the first of them. Where they end up only the user sees: the vault counts the secret as seen.
 */
export class DesktopTypeIn {
  readonly #ports: TypeInPorts
  #isTyping = false

  constructor(ports: TypeInPorts) {
    this.#ports = ports
  }

  /** While true, nothing of the user's own goes to the desktop: it would fall among the keys. */
  get isTyping(): boolean {
    return this.#isTyping
  }

  /** Types the secret of `account`, and Enter if asked. Rejects where the recording takes nothing. */
  async type(account: AccountId, withEnter: boolean): Promise<void> {
    const ports = this.#ports
    if (this.#isTyping) return ports.tell('a secret is being typed: wait until it is')
    this.#isTyping = true
    try {
      const released = await ports.release(account)
      if (!released.ok) {
        ports.event('type-in refused', released.refusal.message)
        return ports.tell(`nothing was typed: ${sentenceOf(released.refusal)}`)
      }
      const { name } = released.value
      using secret = released.value.secret
      const typable = countKeys(secret)
      if (!typable.ok) {
        ports.event('type-in refused', `${name}: ${typable.refusal.message}`)
        return ports.tell(`nothing was typed of ${name}: ${sentenceOf(typable.refusal)}`)
      }
      const count = typable.value
      // Nothing that is held down changes what a key writes.
      ports.letGo()
      await ports.typed(`${name}: ${keysText(count)}${withEnter ? ' and Enter' : ''}`)
      for (let at = 0; at < count + Number(withEnter); at += 1) {
        if (at > 0) await wait(betweenKeys)
        if (!ports.mayType()) {
          ports.event('type-in broken off', `${name}: after ${keysText(at)}`)
          return ports.tell(`the secret of ${name} was broken off after ${keysText(at)}`)
        }
        ports.write(at < count ? pressOf(secret.expose((bytes) => bytes[at] ?? 0)) : pressOf(enterKey))
      }
      ports.tell(`the secret of ${name} was typed. It counts as seen by you until it is changed`)
    } finally {
      this.#isTyping = false
    }
  }
}

/**
 * How many keys write a secret. SECURITY: only characters that every keyboard has which guacd knows; of others some
 * machine would get other ones, and nobody would know why a password is wrong.
 */
function countKeys(secret: Secret): Outcome<number> {
  return secret.expose((bytes) =>
    bytes.every((byte) => byte >= 0x20 && byte <= 0x7e)
      ? done(bytes.length)
      : refuse(
          'conflict',
          'it has characters that not every keyboard has',
          'have it changed to one of letters without accents, digits and the signs of ASCII',
        ),
  )
}

/** A key pressed and let go in one: nothing stays down wherever it is broken off. A character of ASCII is its own keysym. */
function pressOf(keysym: number): Buffer {
  return Buffer.concat([
    encodeInstruction('key', String(keysym), '1'),
    encodeInstruction('key', String(keysym), '0'),
  ])
}

function keysText(count: number): string {
  return `${count} ${count === 1 ? 'key' : 'keys'}`
}
