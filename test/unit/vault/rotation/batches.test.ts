import { expect, test } from 'vitest'
import { exemptionsCsv } from '../../../../vault/kernel/exemptions-csv.ts'
import { batchesOf, batchText } from '../../../../vault/kernel/rotation-batches.ts'

const run = (batch: string | null, place: number, phase: string, createdAt = '2026-12-01T02:00:00.000Z') => ({
  ...{ id: `rot_${batch}_${place}`, account: `press-${place}/engineer`, batch, place, phase, createdAt },
  ...{ askedBy: 'alice', reason: 'yearly', why: phase === 'failed' ? 'it refused the new one' : '' },
  endedAt: ['done', 'failed', 'cancelled'].includes(phase) ? createdAt : null,
})

test('a batch says how its first went, how far it has come, and what stopped it; the latest comes first', () => {
  const runs = [
    run('rbt_1', 3, 'waiting'),
    run('rbt_1', 0, 'done'),
    run('rbt_1', 1, 'verifying'),
    run('rbt_1', 2, 'probing-current'),
    run(null, 0, 'failed'),
    run('rbt_2', 1, 'cancelled', '2026-12-01T03:00:00.000Z'),
    run('rbt_2', 0, 'unknown', '2026-12-01T03:00:00.000Z'),
  ]
  const [late, early] = batchesOf(runs)
  expect([late?.id, early?.id]).toEqual(['rbt_2', 'rbt_1'])
  expect(early && batchText(early)).toBe('1 of 4 done, 2 under way, 1 waits')
  expect(early).toMatchObject({ isOver: false, canary: { place: 0, phase: 'done' }, stoppedBy: undefined })
  expect(early?.runs.map(({ place }) => place)).toEqual([0, 1, 2, 3])
  // Of one of which nobody knows no other is begun, and nobody waits for it.
  expect(late && batchText(late)).toBe('0 of 2 done, 1 failed, 1 given up')
  expect(late).toMatchObject({ isOver: true, stoppedBy: { phase: 'unknown' }, underWay: 0 })
  expect(batchesOf([])).toEqual([])
})

test('the register of exemptions has who answers, until when, and nothing that has no exemption', () => {
  const row = { account: 'sis/fw', safe: 'line-3', grade: 'G4', gradeReason: '=cmd, "quoted"', since: null }
  const until = '2026-12-31T00:00:00.000Z'
  const text = exemptionsCsv([
    { ...row, exemption: { owner: 'Jonas', until, isOver: true } },
    { ...row, account: 'other/one', exemption: null },
  ])
  const [head, line, ...more] = text.trim().split(/\r?\n/)
  expect(head).toBe('"account","safe","grade","why","owner","until","over","since"')
  expect(line).toContain('"sis/fw","line-3","G4",')
  expect(line).toContain(`"Jonas","${until}","yes",`)
  // No spreadsheet takes a reason for a formula.
  expect(line).not.toMatch(/,"?=cmd/)
  expect(more).toEqual([])
})
