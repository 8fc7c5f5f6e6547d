import type { RiskRule } from '../../vault/contract.ts'

/** What each rule marks, in a few words. */
export const ruleTexts: Readonly<Record<RiskRule, string>> = {
  'first-time': 'First time on a machine',
  'off-hours': 'Outside of ordinary hours',
  'dormant-vendor': 'A vendor who was long away',
  'volume-spike': 'Much more than usual',
  'refused-act': 'Tried what was refused',
  'recording-gap': 'Not all may be recorded',
  'reveal-unrotated': 'Seen, and not rotated in time',
}
