import { chmod, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeKeyFile, readKeyFile } from '../../../../vault/keys/key-file.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-key-file-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function why(path: string): Promise<string> {
  const read = await readKeyFile(path)
  if (read.ok) read.value[Symbol.dispose]()
  return read.ok ? 'read' : read.refusal.message
}

test('a key file is made for its owner alone, once', async () => {
  const path = join(folder, 'deeper', 'seal.key')
  expect((await makeKeyFile(path)).ok).toBe(true)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await why(path)).toBe('read')
  const again = await makeKeyFile(path)
  expect(again.ok ? '' : again.refusal.code).toBe('conflict')
})

test('a key file that others may read is refused', async () => {
  const path = join(folder, 'open.key')
  await makeKeyFile(path)
  await chmod(path, 0o640)
  expect(await why(path)).toContain('others may read')
})

test('a link, a folder, a device and another file are no key files', async () => {
  const path = join(folder, 'real.key')
  await makeKeyFile(path)
  await symlink(path, join(folder, 'link.key'))
  expect(await why(join(folder, 'link.key'))).toContain('cannot be read')
  expect(await why(folder)).toContain('not a key file')
  expect(await why('/dev/null')).toContain('not a key file')
  await writeFile(join(folder, 'other'), 'hello\n', { mode: 0o600 })
  expect(await why(join(folder, 'other'))).toContain('not a key file')
  await writeFile(join(folder, 'large'), 'x'.repeat(10_000), { mode: 0o600 })
  expect(await why(join(folder, 'large'))).toContain('not a key file')
  expect(await why(join(folder, 'missing'))).toContain('there is no key file')
})
