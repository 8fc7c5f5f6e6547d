import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type Canary, CanaryScan, formsOf } from '../support/canary.ts'

const canaries: readonly Canary[] = [
  { name: 'plain', bytes: Buffer.from('canary-Tr0ub4dor&3') },
  { name: 'unicode', bytes: Buffer.from('pä¢🔑-canary') },
  { name: 'bytes', bytes: Buffer.from('00ff17a3b4c5d6e7f809112233445566', 'hex') },
]

test('a secret is looked for in more than twenty forms', () => {
  for (const { bytes } of canaries) expect(formsOf(bytes).length).toBeGreaterThanOrEqual(20)
})

test.each(canaries.map((canary) => [canary.name, canary] as const))(
  'each form of %s is found where it is planted, packed or not',
  (_name, canary) => {
    for (const { name, bytes } of formsOf(canary.bytes)) {
      const planted = Buffer.concat([Buffer.from('before '), bytes, Buffer.from(' after')])
      for (const [how, sink] of [
        ['', planted],
        ['gzip', gzipSync(planted)],
        ['zlib', Buffer.concat([Buffer.from('junk'), deflateSync(planted), Buffer.from('junk')])],
        ['zstd', zstdCompressSync(planted)],
        ['brotli', brotliCompressSync(planted)],
      ] as const) {
        const scan = new CanaryScan(canaries)
        scan.look('planted', sink)
        expect(
          scan.hits.some((hit) => hit.canary === canary.name && hit.form.startsWith(name)),
          `${name} ${how}`,
        ).toBe(true)
      }
    }
  },
)

test('base64 of a text around a secret is found at each alignment', () => {
  for (let before = 0; before < 6; before += 1) {
    const scan = new CanaryScan(canaries)
    scan.look('planted', Buffer.from(`${'x'.repeat(before)}canary-Tr0ub4dor&3 and more`).toString('base64'))
    expect(scan.hits.map((hit) => hit.canary)).toContain('plain')
  }
})

test('nothing is found where nothing is', () => {
  const scan = new CanaryScan(canaries)
  scan.look('clean', Buffer.alloc(1024 * 1024, 'canary-Tr0ub4dor '))
  expect(scan.hits).toEqual([])
})
