import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ArchiveWriter, isMemberName, verifyArchive } from '../../../deploy/backup/archive.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-archive-'))
let count = 0

async function archive(members: Readonly<Record<string, string>>): Promise<string> {
  count += 1
  const path = join(folder, `a${count}.tgb`)
  await using writer = await ArchiveWriter.create(path)
  for (const [name, text] of Object.entries(members)) await writer.add(name, text)
  await writer.finish()
  return path
}

function changed(path: string, change: (bytes: Buffer) => Buffer): string {
  count += 1
  const copy = join(folder, `c${count}.tgb`)
  writeFileSync(copy, change(readFileSync(path)))
  return copy
}

test('an archive verifies, is nobody else’s to read, and any tar lists it', async () => {
  const path = await archive({ 'backup.json': '{}', 'tables/safe/000000.jsonl': '{"a":1}\n', empty: '' })
  const verified = await verifyArchive(path)
  expect(verified.ok && verified.value.map((member) => member.name)).toEqual([
    'backup.json',
    'tables/safe/000000.jsonl',
    'empty',
  ])
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).trim().split('\n')).toEqual([
    'backup.json',
    'tables/safe/000000.jsonl',
    'empty',
    'manifest.json',
  ])
})

test('a flipped bit anywhere is found', async () => {
  const path = await archive({ 'backup.json': '{}', 'tables/safe/000000.jsonl': 'rows\n' })
  const size = statSync(path).size
  for (let at = 0; at < size; at += 1) {
    const copy = changed(path, (bytes) => {
      bytes[at] = (bytes[at] ?? 0) ^ 0x01
      return bytes
    })
    expect(await verifyArchive(copy)).toMatchObject({ ok: false, refusal: { code: 'invalid' } })
  }
  const inContent = readFileSync(path).indexOf('rows')
  const verdict = await verifyArchive(
    changed(path, (bytes) => {
      bytes[inContent] = 0x52
      return bytes
    }),
  )
  expect(verdict).toMatchObject({ ok: false, refusal: { message: 'tables/safe/000000.jsonl was changed' } })
})

test('an archive cut anywhere does not verify', async () => {
  const path = await archive({ 'backup.json': '{}', 'tables/safe/000000.jsonl': 'rows\n' })
  const size = statSync(path).size
  for (let length = 0; length < size; length += 128)
    expect((await verifyArchive(changed(path, (bytes) => bytes.subarray(0, length)))).ok).toBe(false)
})

test('a member taken out, put in or moved is found and named', async () => {
  const path = await archive({ one: '1', two: '2', three: '3' })
  const block = (bytes: Buffer, index: number) => bytes.subarray(index * 1024, (index + 1) * 1024)
  const without = changed(path, (bytes) => Buffer.concat([block(bytes, 0), bytes.subarray(2048)]))
  expect(await verifyArchive(without)).toMatchObject({
    refusal: { message: 'three stands where two should' },
  })
  const twice = changed(path, (bytes) =>
    Buffer.concat([bytes.subarray(0, 3072), block(bytes, 0), bytes.subarray(3072)]),
  )
  expect(await verifyArchive(twice)).toMatchObject({ refusal: { message: 'one is not in the manifest' } })
  const moved = changed(path, (bytes) =>
    Buffer.concat([block(bytes, 1), block(bytes, 0), bytes.subarray(2048)]),
  )
  expect(await verifyArchive(moved)).toMatchObject({ refusal: { message: 'two stands where one should' } })
})

test('an unfinished archive leaves no file behind', async () => {
  const path = join(folder, 'unfinished.tgb')
  await (async () => {
    await using writer = await ArchiveWriter.create(path)
    await writer.add('one', '1')
    throw new Error('the disk is full')
  })().catch(() => {})
  expect(execFileSync('ls', ['-A', folder], { encoding: 'utf8' })).not.toMatch(/unfinished|\.tagout/)
})

test('an archive never replaces a file', async () => {
  const path = await archive({ one: '1' })
  await expect(
    (async () => {
      await using writer = await ArchiveWriter.create(path)
      await writer.add('one', '2')
      await writer.finish()
    })(),
  ).rejects.toThrow(/EEXIST/)
})

test.each([
  '../x',
  '/etc/passwd',
  'a/../b',
  'a//b',
  './a',
  'a/',
  '-rf',
  'a\u0000b',
  '',
  `${'a'.repeat(101)}`,
])('%j is no name of a member', (name) => {
  expect(isMemberName(name)).toBe(false)
})
