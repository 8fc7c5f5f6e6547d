import { expect, test } from 'vitest'
import { describe } from '../../../../vault/audit/describe.ts'
import { type Entry, entryBytes, maxEntryBytes } from '../../../../vault/audit/entry.ts'
import { Fault } from '../../../../vault/kernel/fault.ts'

const at = '2026-11-24T07:00:00.000Z'
const refused = (why: string, source?: string): Entry => ({
  kind: 'refused',
  actor: { kind: 'local', uid: 1000 },
  verb: 'grant.add',
  code: 'forbidden',
  why,
  at,
  ...(source === undefined ? {} : { source }),
})

test('an entry has one form in bytes, whatever the order of its members', () => {
  const { why, kind, ...rest } = refused('no') as Extract<Entry, { kind: 'refused' }>
  const one = Buffer.from(entryBytes({ why, ...rest, kind })).toString()
  expect(one).toBe(
    '{"actor":{"kind":"local","uid":1000},"at":"2026-11-24T07:00:00.000Z","code":"forbidden","kind":"refused","verb":"grant.add","why":"no"}',
  )
  expect(Buffer.from(entryBytes(refused('no'))).toString()).toBe(one)
})

test('text that is no Unicode is made so, and an entry without bounds is refused', () => {
  expect(JSON.parse(Buffer.from(entryBytes(refused('a\ud800b'))).toString()).why).toBe('a\ufffdb')
  expect(() => entryBytes(refused('x'.repeat(maxEntryBytes)))).toThrow(Fault)
})

test('a line for people holds nothing that a terminal obeys', () => {
  const line = describe(refused('\u001b[2J\r\n\u202egnp.exe', '10.0.0.1\u0007'))
  // biome-ignore lint: control characters are the point
  expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
  expect(line).toContain('was refused grant.add (forbidden)')
  expect(line).toContain('local:1000')
})
