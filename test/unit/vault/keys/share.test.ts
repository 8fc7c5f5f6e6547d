import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { asTyped, toBase32 } from '../../../../vault/kernel/base32.ts'
import { Secret } from '../../../../vault/kernel/secret.ts'
import { combineShares, custodiansOf, isShareOf, makeSet } from '../../../../vault/keys/custodians.ts'
import { parseShare, parseShareRow, type Share, shareText, valueBytes } from '../../../../vault/keys/share.ts'

const aShare = (): Share => ({
  set: toBase32(randomBytes(5)),
  index: 2,
  threshold: 3,
  value: new Secret(new Uint8Array(randomBytes(valueBytes))),
})
const bytesOf = (secret: Secret) => secret.expose((bytes) => Buffer.from(bytes).toString('hex'))

test('a share comes back as it was, also typed small, without dashes and with letters for digits', () => {
  const share = aShare()
  const text = shareText(share)
  expect(text.trim().split('\n').length).toBe(6)
  for (const typed of [
    text,
    text.toLowerCase(),
    text.replaceAll('-', ' '),
    text.replaceAll('0', 'o').replaceAll('1', 'l'),
    `# for anna\n${text.replaceAll('\n', '\r\n')}`,
  ]) {
    const parsed = parseShare(typed)
    if (!parsed.ok) throw new Error(parsed.refusal.message)
    expect({ ...parsed.value, value: bytesOf(parsed.value.value) }).toEqual({
      ...share,
      value: bytesOf(share.value),
    })
  }
})

test('each mistyped letter is found, and all but one in a thousand in their row', () => {
  const text = shareText(aShare())
  const rows = text.trim().split('\n')
  let elsewhere = 0
  for (const [row, line] of rows.entries())
    for (const [at, letter] of [...line].entries()) {
      if (letter === '-') continue
      const changed = rows.map((kept, index) =>
        index === row ? `${line.slice(0, at)}${letter === '7' ? '8' : '7'}${line.slice(at + 1)}` : kept,
      )
      const parsed = parseShare(changed.join('\n'))
      expect(parsed.ok).toBe(false)
      if (!parsed.ok && parsed.refusal.message !== `row ${row + 1} of the share was mistyped`) elsewhere += 1
    }
  expect(elsewhere).toBeLessThanOrEqual(1)
  expect(parseShareRow(0, rows[0] ?? '')).toBe(asTyped(rows[0] ?? '').slice(0, 12))
  const isTakenAs = [1, 2, 3, 4].filter((row) => parseShareRow(row, rows[0] ?? '') !== undefined)
  expect(isTakenAs.length).toBeLessThanOrEqual(1)
})

test('rows in another order, rows of two shares and half a share are refused', () => {
  const rows = shareText(aShare()).trim().split('\n')
  const other = shareText(aShare()).trim().split('\n')
  const said = (lines: readonly string[]) => {
    const parsed = parseShare(lines.join('\n'))
    return parsed.ok ? '' : parsed.refusal.message
  }
  expect(said([rows[1] ?? '', rows[0] ?? '', ...rows.slice(2)])).toContain('row 1')
  expect(said([...rows.slice(0, 3), ...other.slice(3)])).toContain('rows do not belong together')
  expect(said(rows.slice(0, 5))).toContain('no whole share')
  expect(said([])).toContain('0 letters')
})

test('any threshold of the custodians open the secret, and fewer do not', async () => {
  const made = await makeSet(['anna', 'bob', 'carl', 'dora'], 3)
  const values = made.shares.map(({ value }) => value)
  for (const without of [0, 1, 2, 3]) {
    using secret = await combineShares(values.filter((_, at) => at !== without))
    expect(bytesOf(secret)).toBe(bytesOf(made.secret))
  }
  using few = await combineShares(values.slice(0, 2))
  expect(bytesOf(few)).not.toBe(bytesOf(made.secret))
})

test('what is kept of a set tells its shares from all others, and holds nothing of them', async () => {
  const made = await makeSet(['anna', 'bob'], 2)
  const parameters = custodiansOf({ kind: 'custodians', parameters: made.parameters })
  if (parameters === undefined) throw new Error('no parameters')
  const [anna, bob] = made.shares
  if (anna === undefined || bob === undefined) throw new Error('no shares')
  expect(isShareOf(parameters, anna)).toBe(true)
  expect(isShareOf(parameters, { ...anna, index: 2 })).toBe(false)
  expect(isShareOf(parameters, { ...anna, index: 3 })).toBe(false)
  expect(isShareOf(parameters, { ...anna, threshold: 3 })).toBe(false)
  expect(isShareOf(parameters, { ...anna, value: bob.value })).toBe(false)
  for (const { value } of made.shares)
    for (const form of ['hex', 'base64'] as const)
      expect(made.parameters).not.toContain(value.expose((bytes) => Buffer.from(bytes).toString(form)))
})
