import { expect, test } from 'vitest'
import { unrehearsedFindings } from '../../../deploy/doctor/planes.ts'
import type { SealView } from '../../../vault/contract.ts'

const now = Date.parse('2026-11-30T12:00:00Z')
const daysAgo = (days: number) => new Date(now - days * 24 * 3600_000).toISOString()
const seal = (more: Partial<SealView>): SealView => ({
  id: 'wrp_1',
  kind: 'recovery',
  createdAt: daysAgo(400),
  followsRotation: true,
  path: null,
  outside: null,
  byItself: false,
  custodians: null,
  rehearsedAt: null,
  ...more,
})

test.each<[string, Partial<SealView>, string | undefined]>([
  ['never, made long ago', {}, 'nobody has rehearsed yet whether this recovery key opens the vault'],
  ['never, made last week', { createdAt: daysAgo(7) }, undefined],
  ['never, made 31 days ago', { createdAt: daysAgo(31) }, 'nobody has rehearsed yet whether'],
  ['this year', { rehearsedAt: daysAgo(364) }, undefined],
  [
    'more than a year ago',
    { kind: 'key-file', path: '/media/stick/seal.key', rehearsedAt: daysAgo(366) },
    'this key file /media/stick/seal.key was last rehearsed on 2025-11-29, more than a year ago',
  ],
  ['never, and it opens the vault at each start', { kind: 'key-file', byItself: true }, undefined],
])('a way to unseal that was rehearsed %s', (_when, more, text) => {
  const findings = unrehearsedFindings([seal(more)], now)
  expect(findings.map((one) => one.level)).toEqual(text === undefined ? [] : ['note'])
  if (text !== undefined) expect(findings[0]?.text).toContain(text)
})

test.each<[SealView['kind'], string]>([
  ['recovery', 'tagout unseal --recovery-key-file FILE --dry-run'],
  ['passphrase', 'tagout unseal --ask --dry-run'],
  ['custodians', 'tagout unseal --share --dry-run'],
  ['pkcs11', 'tagout unseal --token wrp_1 --dry-run'],
  ['plug-in', 'tagout unseal --plug-in wrp_1 --dry-run'],
])('the finding about a %s says how to rehearse it', (kind, command) => {
  expect(unrehearsedFindings([seal({ kind })], now)[0]?.next).toContain(command)
})
