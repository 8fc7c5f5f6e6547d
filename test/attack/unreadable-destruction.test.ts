import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { destroyFile, type RecordingStore } from '../../recorder/store/index.ts'
import { newId } from '../../vault/kernel/id.ts'
import { done } from '../../vault/kernel/outcome.ts'

test('what the disk does not let anybody look at is not taken for destroyed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tagout-destroy-'))
  try {
    const path = join(folder, 'r.tgr')
    symlinkSync(path, path)
    const store = { stat: async () => done({ path }), pathOf: () => path } as unknown as RecordingStore
    const destroying = destroyFile(store, newId('rec'), '2026-01-01T00:00:00.000Z', {
      content: '{}',
      signature: 'AAAA',
    })
    await expect(destroying).rejects.toMatchObject({ code: 'ELOOP' })
    // Its tombstone came first, and the next run goes on.
    expect(existsSync(join(folder, 'r.tgx'))).toBe(true)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
