import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openDataFolder, writeFor } from '../../../deploy/supervisor/data-folder.ts'
import { barrierOnTheWayTo } from '../../../deploy/supervisor/reachable.ts'
import { isRoot } from '../../../deploy/supervisor/system-user.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tagout-folder-')))
chmodSync(folder, 0o711)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a path too long for Unix sockets is refused with the path and the length that fits', () => {
  const path = join(folder, 'd'.repeat(90))
  expect(() => openDataFolder(path, undefined)).toThrow(
    `the path of the data folder is too long for Unix sockets (${path}): give --data a path of at most 77 bytes`,
  )
  expect(existsSync(path)).toBe(false)
})

test('a folder that others cannot enter is found, whichever way leads to it', () => {
  mkdirSync(join(folder, 'closed', 'inner'), { recursive: true })
  chmodSync(join(folder, 'closed'), 0o700)
  symlinkSync(join(folder, 'closed'), join(folder, 'link'))
  expect(barrierOnTheWayTo(join(folder, 'open'))).toBeUndefined()
  expect(barrierOnTheWayTo(join(folder, 'closed', 'inner', 'not', 'there'))).toBe(join(folder, 'closed'))
  expect(barrierOnTheWayTo(join(folder, 'link', 'inner'))).toBe(join(folder, 'closed'))
})

test.runIf(isRoot())('root does not take a folder with something in it where the planes cannot go', () => {
  const path = join(folder, 'closed', 'full')
  mkdirSync(path, { recursive: true })
  chmodSync(join(folder, 'closed'), 0o700)
  writeFileSync(join(path, 'file'), '')
  expect(() => openDataFolder(path, undefined)).toThrow(
    'is not empty: give --data a folder under /var/lib/tagout',
  )
})

test.runIf(isRoot())('for root an empty folder there becomes a link to where the planes can go', () => {
  const path = join(folder, 'closed', 'empty')
  const elsewhere = join(folder, 'elsewhere')
  mkdirSync(path, { recursive: true })
  chmodSync(join(folder, 'closed'), 0o700)
  expect(openDataFolder(path, elsewhere).path).toBe(elsewhere)
  expect(lstatSync(path).isSymbolicLink()).toBe(true)
  // The second start takes the same way.
  expect(openDataFolder(path, join(folder, 'other')).path).toBe(elsewhere)
})

test.runIf(isRoot())('parents that are missing are made so that the planes can go through them', () => {
  const before = process.umask(0o077)
  const opened = openDataFolder(join(folder, 'new', 'parents', 'd'), undefined)
  process.umask(before)
  expect(opened.path).toBe(join(folder, 'new', 'parents', 'd'))
  expect(barrierOnTheWayTo(join(folder, 'new', 'parents'))).toBeUndefined()
})

test.runIf(isRoot())('a closed folder that can be opened to the planes is not moved elsewhere', () => {
  const path = join(folder, 'own')
  mkdirSync(path, { mode: 0o700 })
  expect(openDataFolder(path, join(folder, 'other')).path).toBe(path)
})

test('a link that leads nowhere is not written through', () => {
  const path = join(folder, 'dangling')
  symlinkSync(join(folder, 'gone'), path)
  expect(() => openDataFolder(path, undefined)).toThrow(
    `${path} is a link to ${join(folder, 'gone')}, which is not there: remove the link, or give another --data`,
  )
})

test('what was made for a start is taken back, except where something was put into it', () => {
  const path = join(folder, 'back', 'and', 'forth')
  openDataFolder(path, undefined).takeBack()
  expect(existsSync(join(folder, 'back'))).toBe(false)
  const used = openDataFolder(path, undefined)
  writeFileSync(join(folder, 'back', 'file'), '')
  used.takeBack()
  expect([existsSync(path), existsSync(join(folder, 'back', 'file'))]).toEqual([false, true])
})

test.runIf(isRoot())('a refused start leaves the link behind which another start works by now', () => {
  const closed = join(folder, 'closed-for-two')
  mkdirSync(closed, { mode: 0o700 })
  const given = join(closed, 'data')
  const refused = openDataFolder(given, join(folder, 'real-for-two'))
  mkdirSync(join(openDataFolder(given, undefined).path, 'supervisor'))
  refused.takeBack()
  expect(realpathSync(given)).toBe(join(folder, 'real-for-two'))
  rmSync(join(given, 'supervisor'), { recursive: true })
})

test('a file is replaced whole: a link in its place is not followed, and its mode is the one asked for', () => {
  const victim = join(folder, 'victim')
  const path = join(folder, 'plane.json')
  writeFileSync(victim, 'untouched')
  symlinkSync(victim, path)
  writeFor(undefined, path, 'new', 0o600)
  expect(readFileSync(victim, 'utf8')).toBe('untouched')
  expect(lstatSync(path).isFile()).toBe(true)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})
