import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { combine, split } from 'shamir-secret-sharing'
import { z } from 'zod'
import { purposes } from '../crypto/purpose.ts'
import { toBase32 } from '../kernel/base32.ts'
import { canonicalJson, encodeParts, fromBase64, toBase64 } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import { type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import type { Share } from './share.ts'

/** What the wrap of a set of custodians keeps: who they are and what their shares hash to, nothing of the shares. */
export const custodianParameters = z.strictObject({
  set: z.string().regex(/^[0-9A-HJKMNP-TV-Z]{8}$/),
  threshold: z.int().min(2).max(16),
  custodians: z
    .array(
      z.strictObject({ index: z.int().min(1).max(16), name: z.string().max(63), commitment: z.base64() }),
    )
    .min(2)
    .max(16),
})
export type CustodianParameters = z.output<typeof custodianParameters>

/** Which wraps hold custodians, with what they say. Throws `Fault('forged_row')` for what says nothing readable. */
export function custodiansOf(wrap: {
  readonly kind: string
  readonly parameters: string
}): CustodianParameters | undefined {
  if (wrap.kind !== 'custodians') return undefined
  try {
    return custodianParameters.parse(JSON.parse(wrap.parameters))
  } catch (error) {
    throw new Fault('forged_row', 'the parameters of the custodians are malformed', { cause: error })
  }
}

export type NewSet = {
  readonly parameters: string
  /** The secret that the shares open. */
  readonly secret: Secret
  readonly shares: readonly (Share & { readonly name: string })[]
}

/** Splits a new random secret so that any `threshold` of the custodians open it and fewer learn nothing of it. */
export async function makeSet(names: readonly string[], threshold: number): Promise<NewSet> {
  const set = toBase32(randomBytes(5))
  const bytes = new Uint8Array(randomBytes(32))
  const values = await split(bytes, names.length, threshold)
  const shares = names.map((name, at) => ({
    set,
    index: at + 1,
    threshold,
    name,
    value: new Secret(values[at] ?? new Uint8Array(0)),
  }))
  const parameters: CustodianParameters = {
    set,
    threshold,
    custodians: shares.map((share) => ({
      index: share.index,
      name: share.name,
      commitment: toBase64(commitment(share)),
    })),
  }
  return { parameters: canonicalJson(parameters), secret: new Secret(bytes), shares }
}

/** Why there cannot be such a set; undefined where there can. */
export function faultOfSet(custodians: readonly string[], threshold: number): Outcome<never> | undefined {
  const names = custodians.map((name) => name.toLowerCase())
  const twice = custodians.find((name, at) => names.indexOf(name.toLowerCase()) !== at)
  if (twice !== undefined)
    return refuse('invalid', `custodian ${twice} is named twice`, 'each holds one share')
  if (threshold > custodians.length)
    return refuse(
      'invalid',
      `${threshold} of ${custodians.length} custodians cannot be had`,
      'ask for as many as there are, or fewer',
    )
  return undefined
}

/** Combines the first and the last shares that suffice: each share has been shown to be good for something. */
export async function proveSet(made: NewSet): Promise<void> {
  const threshold = made.shares[0]?.threshold ?? 0
  const values = made.shares.map(({ value }) => value)
  for (let from = 0; from + threshold <= values.length; from += 1) {
    using secret = await combineShares(values.slice(from, from + threshold))
    const same = secret.expose((a) => made.secret.expose((b) => Buffer.compare(a, b) === 0))
    if (!same) throw new Fault('internal', 'the shares of a new set do not give its secret')
  }
}

/** Is this the share that this custodian was given? */
export function isShareOf(parameters: CustodianParameters, share: Share): boolean {
  const known = parameters.custodians.find(({ index }) => index === share.index)
  if (known === undefined || share.set !== parameters.set || share.threshold !== parameters.threshold)
    return false
  const right = fromBase64(known.commitment)
  const found = commitment(share)
  return right.length === found.length && timingSafeEqual(right, found)
}

/** Combines the values of shares. The caller owns the secret, which is right only if all shares are. */
export async function combineShares(values: readonly Secret[]): Promise<Secret> {
  const copies = values.map((value) => value.expose((bytes) => bytes.slice()))
  try {
    return new Secret(await combine(copies))
  } finally {
    for (const copy of copies) copy.fill(0)
  }
}

/**
 * What a share hashes to. A share is as random as the secret itself, so its hash helps nobody to find one; but each
 * share can be told right from wrong alone, before the others have come.
 */
function commitment(share: Share): Uint8Array {
  return share.value.expose(
    (value) =>
      new Uint8Array(
        hash(
          'sha256',
          encodeParts(purposes['share-commitment'], share.set, String(share.index), value),
          'buffer',
        ),
      ),
  )
}
