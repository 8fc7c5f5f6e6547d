import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const variable = 'TAGOUT_TEST_ONCE'

/** Of vitest's `globalSetup`: the folder of one run for what its files need and one of them makes. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-once-'))
  process.env[variable] = folder
  // Where Node keeps what it has compiled: files of tests, and the programs that they start, share most of it.
  process.env['NODE_COMPILE_CACHE'] = join(folder, 'compiled')
  // A process that ends writes there what it compiled, and may do so while this is removed.
  return () => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}

/**
 * Answers the folder `name` of this run. Who asks first has it made; it is never older than the run, and goes with
 * it. Undefined outside of a run of vitest.
 *
 * Two who ask at once both make one, and the one that is ready first is everybody's: nobody waits on a lock.
 */
export async function onceARun(
  name: string,
  make: (folder: string) => Promise<void>,
): Promise<string | undefined> {
  const room = process.env[variable]
  if (room === undefined) return undefined
  const ready = join(room, name)
  if (existsSync(ready)) return ready
  const draft = `${ready}.${randomBytes(6).toString('hex')}`
  await make(draft)
  try {
    await rename(draft, ready)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    await rm(draft, { recursive: true, force: true })
  }
  return ready
}
