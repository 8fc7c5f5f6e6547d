import { expect, test } from 'vitest'
import { maskedParts } from '../../../web/player/masked-parts.ts'

test('where nothing is recorded, on a picture of any size', () => {
  const screen = { width: 800, height: 600 }
  expect(maskedParts(undefined, screen)).toEqual([])
  const regions = [
    { unit: 'percent', x: 0, y: 90, width: 50, height: 10 },
    { unit: 'pixels', x: 40, y: 300, width: 400, height: 60 },
  ] as const
  expect(maskedParts({ regions, reason: 'recipe' }, screen)).toEqual([
    { left: '0%', top: '90%', width: '50%', height: '10%' },
    { left: '5%', top: '50%', width: '50%', height: '10%' },
  ])
})
