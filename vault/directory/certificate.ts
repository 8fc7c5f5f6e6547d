import type { DirectoryFinding } from '../contract.ts'

/** Days before its end at which somebody should look at a certificate. */
const soonDays = 21

/** Until when the certificate of a directory is good. `text`: as TLS gives it. */
export function certificateFinding(text: string | null, now: Date): DirectoryFinding {
  const until = text === null ? Number.NaN : Date.parse(text)
  if (Number.isNaN(until))
    return { about: 'certificate', fine: false, says: 'it does not say until when its certificate is good' }
  const days = Math.floor((until - now.getTime()) / 86_400_000)
  const day = new Date(until).toISOString().slice(0, 10)
  return {
    about: 'certificate',
    fine: days > soonDays,
    says: `its certificate is good until ${day}, ${days} ${days === 1 ? 'day' : 'days'} more`,
  }
}
