import { argon2, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Argon2id of login passwords (RFC 9106 §4, second recommended option: 64 MiB, three passes). */
const memoryKib = 64 * 1024
const passes = 3
const parallelism = 4
const tagLength = 32
const mostAtOnce = 2

export type PasswordHash = { readonly salt: Buffer; readonly hash: Buffer }

/**
 * Who waits for a turn: people who sign in from where they have before, and everybody else.
 *
 * SECURITY: those go first, and are kept from it by none of these: whoever guesses from many places at once makes others
 * wait who guess, and who come from somewhere new.
 */
export type Turn = 'known' | 'anybody'

let running = 0
const waiting: Readonly<Record<Turn, (() => void)[]>> = { known: [], anybody: [] }
const mostWaiting: Readonly<Record<Turn, number>> = { known: 100, anybody: 60 }

/** Hashes `password`. The pepper comes from the keyring: a stolen table alone cannot be guessed against. */
export async function hashPassword(
  password: string,
  pepper: Uint8Array,
  salt: Uint8Array = randomBytes(16),
  turn: Turn = 'anybody',
): Promise<PasswordHash> {
  const message = createHmac('sha256', pepper).update(password.normalize('NFC')).digest()
  const hash = await inTurn(
    () =>
      new Promise<Buffer>((resolve, reject) => {
        argon2(
          'argon2id',
          { message, nonce: salt, parallelism, tagLength, memory: memoryKib, passes },
          (error, tag) => (error === null ? resolve(Buffer.from(tag)) : reject(error)),
        )
      }),
    turn,
  )
  return { salt: Buffer.from(salt), hash }
}

/**
 * Does `password` give this hash? Without a hash (unknown user, no password) the same work is done and the answer
 * is no, so that names cannot be told by the time it takes.
 */
export async function isPassword(
  password: string,
  pepper: Uint8Array,
  known: PasswordHash | undefined,
  turn: Turn,
): Promise<boolean> {
  const made = await hashPassword(password, pepper, known?.salt ?? Buffer.alloc(16), turn)
  return known !== undefined && timingSafeEqual(made.hash, known.hash)
}

/** Are so many logins waiting for their turn that further ones should be refused? */
export function isPasswordWorkPiledUp(turn: Turn): boolean {
  return waiting[turn].length >= mostWaiting[turn]
}

async function inTurn<T>(work: () => Promise<T>, turn: Turn): Promise<T> {
  if (running >= mostAtOnce) await new Promise<void>((resolve) => waiting[turn].push(resolve))
  else running += 1
  try {
    return await work()
  } finally {
    const next = waiting.known.shift() ?? waiting.anybody.shift()
    if (next === undefined) running -= 1
    else next()
  }
}

/** Why a new password is refused, or undefined. Length rules over character classes (NIST SP 800-63B §3.1.1). */
export function passwordFault(password: string, name: string): string | undefined {
  if (password.length < 10) return 'use at least 10 characters'
  if (password.length > 256) return 'use at most 256 characters'
  if (password.toLowerCase().includes(name.toLowerCase()) && password.length < name.length + 8)
    return 'do not build it from your name'
  if (new Set(password).size < 5) return 'use more than four different characters'
  return undefined
}
