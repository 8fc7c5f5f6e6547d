import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeNewFile } from '../../../deploy/cli/new-file.ts'

// Keys and shares are written to folders that others may have prepared, on disks that may be full.

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-new-file-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('a secret that does not fit leaves no part of itself behind', async () => {
  const module = join(import.meta.dirname, '../../../deploy/cli/new-file.ts')
  const script = `import { writeNewFile } from ${JSON.stringify(module)}
    await writeNewFile(${JSON.stringify(join(folder, 'anna.share'))}, 'secret '.repeat(1000))`
  // The disk is as good as full: no file grows above one block.
  const ran = spawnSync('bash', [
    ...['-c', `trap '' XFSZ; ulimit -f 1; exec "$0" "$@"`],
    ...[process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
  ])
  expect([ran.status, String(ran.stderr)]).toEqual([1, expect.stringContaining('EFBIG')])
  expect(await readdir(folder)).toEqual([])
})

test('a link that lies at the name already is neither followed nor replaced unasked', async () => {
  const other = join(folder, 'other')
  const path = join(folder, 'vault-recovery.key')
  await writeFile(other, 'as it was')
  await symlink(other, path)
  await expect(writeNewFile(path, 'secret')).rejects.toThrow('exists already')
  expect(await readFile(other, 'utf8')).toBe('as it was')
  // Asked to replace it, the link goes, and what it led to stays.
  await writeNewFile(path, 'secret', { replace: true })
  expect([await readFile(other, 'utf8'), await readFile(path, 'utf8')]).toEqual(['as it was', 'secret'])
  expect((await readdir(folder)).sort()).toEqual(['other', 'vault-recovery.key'])
})
