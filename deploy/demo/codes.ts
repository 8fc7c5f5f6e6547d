import { setTimeout as pause } from 'node:timers/promises'
import { totpCode, totpStep } from '../../vault/identity/totp.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import type { DemoPerson } from './folder.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** A code that the vault takes now or at the next step, and until when (milliseconds of the epoch). */
export type Code = { readonly code: string; readonly step: number; readonly until: number }

/** The present code of a person, or the next one where the present is used up here: the vault takes it early. */
export async function freshCode({ name, totp, lastStep }: DemoPerson): Promise<Code> {
  if (totp === null)
    throw new Fault(
      'configuration',
      `${name} has no second factor yet: fill the demo first, with tagout demo`,
    )
  for (;;) {
    const present = totpStep(Date.now())
    const step = Math.max(present, lastStep + 1)
    if (step <= present + 1)
      return { code: totpCode(fromBase32(totp), step), step, until: (step + 1) * 30_000 }
    await pause(250)
  }
}

function fromBase32(text: string): Uint8Array {
  const out: number[] = []
  let bits = 0
  let value = 0
  for (const char of text) {
    value = ((value & 0xff) << 5) | alphabet.indexOf(char)
    bits += 5
    if (bits < 8) continue
    bits -= 8
    out.push((value >>> bits) & 255)
  }
  return Uint8Array.from(out)
}
