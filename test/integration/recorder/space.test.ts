import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStore, SpaceWatch } from '../../../recorder/store/index.ts'
import type { SpaceState } from '../../../vault/contract.ts'
import { refusalOf } from '../../support/vault.ts'

const mb = 2 ** 20

test('a disk that fills up is said step by step, gives up its reserve for the database and takes it back', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('mounting a small file system needs root')
  const mount = await mkdtemp(join(tmpdir(), 'tagout-space-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', mount], { stdio: 'pipe' })
  } catch {
    await rm(mount, { recursive: true })
    return context.skip('this machine lets nobody mount')
  }
  try {
    const store = await openStore({ folder: mount, floorBytes: 16 * mb, reserveBytes: 8 * mb })
    const told: SpaceState[] = []
    let isVaultThere = true
    const watch = new SpaceWatch({
      store,
      reserveBytes: 8 * mb,
      tell: async (state) => {
        if (isVaultThere) told.push(state)
        return isVaultThere
      },
    })
    const others = (megabytes: number) => writeFile(join(mount, 'others'), Buffer.alloc(megabytes * mb))
    await watch.look()
    expect(told).toEqual([])
    await others(30)
    await watch.look()
    expect(told).toEqual(['low'])
    expect((await store.hasRoom()).ok).toBe(true)
    await others(42)
    await watch.look()
    await watch.look()
    expect(told).toEqual(['low', 'refusing'])
    expect(refusalOf(await store.hasRoom()).code).toBe('no_space')
    expect(existsSync(join(mount, 'reserve'))).toBe(true)
    isVaultThere = false
    await others(55)
    await watch.look()
    expect(existsSync(join(mount, 'reserve'))).toBe(false)
    expect(await store.freeBytes()).toBeGreaterThan(8 * mb)
    isVaultThere = true
    await watch.look()
    expect(told).toEqual(['low', 'refusing', 'reserve freed'])
    await watch.look()
    expect(told).toHaveLength(3)
    await others(1)
    // Another run says what has changed since the last one spoke.
    const later = new SpaceWatch({ store, reserveBytes: 8 * mb, tell: async (state) => told.push(state) > 0 })
    await later.look()
    expect(told.at(-1)).toBe('enough')
    expect(existsSync(join(mount, 'reserve'))).toBe(true)
  } finally {
    execFileSync('umount', ['-l', mount], { stdio: 'pipe' })
    await rm(mount, { recursive: true, force: true })
  }
})
