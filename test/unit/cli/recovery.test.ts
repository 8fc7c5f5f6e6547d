import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readShare, shareSheet } from '../../../deploy/cli/share-input.ts'
import { processIo } from '../../../deploy/cli/io.ts'
import { otherPaper, paperKindOf } from '../../../deploy/cli/recovery-kind.ts'
import { loadSodium } from '../../../deploy/cli/sodium.ts'
import { makeRecoveryKey, writeRecoveryFile } from '../../../vault/auditors/recovery.ts'
import { Secret } from '../../../vault/kernel/secret.ts'
import { recoveryKeyText } from '../../../vault/keys/recovery-key.ts'
import { shareText, valueBytes } from '../../../vault/keys/share.ts'
import { tagout } from '../../support/cli.ts'

/** `tagout recovery check`: what a paper is, whether it is whole, and where it was mistyped. */

const folder = mkdtempSync(join(tmpdir(), 'tagout-recovery-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const sodium = await loadSodium()
using key = new Secret(Uint8Array.from({ length: 20 }, (_, at) => at * 11))
const vault = `${recoveryKeyText(key)}\n`
const recordings = writeRecoveryFile(makeRecoveryKey(sodium))
using value = new Secret(new Uint8Array(valueBytes).fill(7))
const share = shareSheet({
  opens: 'the vault',
  notes: [],
  ...{ name: 'anna', index: 1, of: 3, threshold: 2, set: 'AAAA-BBBB', madeAt: '2026-11-24' },
  text: shareText({ set: 'AAAABBBB', index: 1, threshold: 2, value }),
})

const io = { ...processIo(), cwd: folder }
const check = async (text: string) => {
  writeFileSync(join(folder, 'paper'), text)
  return tagout(['recovery', 'check', 'paper'], { cwd: folder })
}

test.each([
  ['vault', vault, 'tagout unseal --recovery-key-file'],
  ['vault', `# the vault of hall 2\n${vault}`, 'tagout unseal --recovery-key-file'],
  ['recordings', recordings, 'tagout recording export'],
  ['share', share, 'tagout unseal --share-file'],
  ['share', share.replaceAll('\n', '\r\n'), 'tagout unseal --share-file'],
] as const)('one of kind %s is whole, and its command is named', async (kind, text, command) => {
  const { code, out, err } = await check(text)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain('and whole; it ')
  expect(out).toContain(command)
  const told = await tagout(['recovery', 'check', 'paper', '--json'], { cwd: folder })
  expect(JSON.parse(told.out)).toEqual({ file: 'paper', opens: kind })
})

/** Another letter of the same kind in its place. */
const wrong = (text: string, at: number) =>
  `${text.slice(0, at)}${text[at] === '7' ? '8' : '7'}${text.slice(at + 1)}`
const inRow = (name: string) => wrong(recordings, recordings.indexOf(`${name}: `) + name.length + 4)

test.each([
  [
    'a letter of the vault’s key',
    wrong(vault, 21),
    'a vault’s recovery key, and was mistyped: look at its group 5',
  ],
  ['two of them', wrong(wrong(vault, 1), 21), 'mistyped: in more than one place, or a letter is missing'],
  ['a letter left out', vault.replace(/^./, ''), 'mistyped: look at its group 1'],
  ['a row of a share', wrong(share, share.length - 60), 'mistyped: row 3 of the share was mistyped'],
  [
    'a share of which a row was left out',
    share.replace(/^[^#\n]+\n/m, ''),
    'a custodian’s share, and was mistyped: this is no whole share: it has 70 letters of 84',
  ],
  [
    'one of which a row was typed twice',
    share.replace(/^[^#\n]+\n/m, (row) => row + row),
    'it has 98 letters of 84',
  ],
  [
    'a row of the recordings’ key',
    inRow('sign-private'),
    'the rows sign-key and sign-private do not belong together',
  ],
  ['another of them', inRow('box-key'), 'the rows box-key and box-private do not belong together'],
  [
    'the name of a row',
    recordings.replace('box-key', 'bok-key'),
    'line 5 of the key file does not belong there',
  ],
  [
    'its first line',
    recordings.replace('tagout', 'tagot'),
    'this is not a tagout-recordings-recovery-key file',
  ],
])('%s that was mistyped is told from the rest', async (_what, text, sentence) => {
  const { code, out, err } = await check(text)
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toContain(sentence)
  expect(err).toContain('compare it with the paper')
})

test('what is none of them is said to be none, and an auditor’s key to be one', async () => {
  for (const text of ['', 'hello', '{"a": 1}', 'x'.repeat(2000), '\u0000\u001b[2J'])
    expect((await check(text)).err).toContain('is no recovery key or share')
  expect((await check('tagout-auditor-identity 1\nname: ingrid\n')).err).toContain('is an auditor’s key')
})

test('nothing that it says holds any of the key', async () => {
  const secrets = (text: string) => text.match(/[0-9A-Za-z+/]{4,}/g) ?? []
  for (const text of [vault, wrong(vault, 21), share, wrong(share, share.length - 60)]) {
    const { out, err } = await check(text)
    const own = secrets(text).filter((group) => /^[0-9A-HJKMNP-TV-Z]{4}$/.test(group) && /\d/.test(group))
    for (const group of own) expect(out + err).not.toContain(group)
  }
})

test('where another kind is asked for, it is named with its own command', () => {
  expect(otherPaper('f', vault, 'vault')).toBeUndefined()
  expect(otherPaper('f', 'hello', 'vault')).toBeUndefined()
  expect(otherPaper('f', recordings, 'vault')).toMatchObject({
    message: 'f is a recordings recovery key, and here a vault’s recovery key is asked for',
    next: expect.stringContaining('tagout recording export'),
  })
  expect(otherPaper('f', share, 'vault')?.next).toContain('--share-file')
  expect(otherPaper('f', wrong(vault, 3), 'recordings')?.message).toContain('is a vault’s recovery key')
  expect(paperKindOf(share)).toBe('share')
})

test('an export by the wrong recovery key says which it is', async () => {
  writeFileSync(join(folder, 'vault.key'), vault)
  const argv = ['recording', 'export', 'rec.tgr', '--as', 'text', '--out', 'o', '--recovery', 'vault.key']
  const { code, err } = await tagout(argv, { cwd: folder })
  expect(code).toBe(1)
  expect(err).toContain(
    'vault.key is a vault’s recovery key, and here a recordings recovery key is asked for',
  )
})

test.each([
  ['vault', vault, 'it unseals the vault: tagout unseal --recovery-key-file FILE'],
  ['recordings', recordings, 'tagout recording export'],
] as const)('a share is not read from the key of kind %s', async (kind, text, next) => {
  writeFileSync(join(folder, kind), text)
  const refused = await readShare(io, { fromStdin: false, file: kind }).catch((error: unknown) => error)
  expect(refused).toMatchObject({
    message: expect.stringContaining('and here a custodian’s share is asked for'),
  })
  expect(refused).toMatchObject({ next: expect.stringContaining(next) })
})

test('a share is read from a file as it stands there, mistyped or not', async () => {
  for (const text of [share, wrong(share, share.length - 60), 'hello']) {
    writeFileSync(join(folder, 'given.share'), text)
    expect(await readShare(io, { fromStdin: false, file: 'given.share' })).toBe(text)
  }
})
