import { expect, test } from 'vitest'
import { originOf, signCheckpoint } from '../../../../vault/audit/checkpoint.ts'
import { leafBytes } from '../../../../vault/audit/leaf.ts'
import { parseLeaf } from '../../../../vault/proof/leaf.ts'
import { Frontier, leafHash } from '../../../../vault/audit/tree.ts'
import { verifyAudit } from '../../../../vault/audit/verify.ts'
import { signingKeyOf } from '../../../../vault/crypto/signing.ts'

const key = signingKeyOf(new Uint8Array(32).fill(1))
const otherKey = signingKeyOf(new Uint8Array(32).fill(2))

type Log = { readonly leaves: Buffer[]; readonly checkpoints: string[] }

/** A log of `count` entries, signed at each of `sizes`. */
function log(
  count: number,
  sizes: readonly number[],
  text = 'entry',
  by = key,
  origin = originOf('ins_1'),
): Log {
  const frontier = new Frontier()
  const leaves: Buffer[] = []
  const checkpoints: string[] = []
  let prev: Uint8Array | undefined
  for (let seq = 0; seq < count; seq += 1) {
    const leaf = leafBytes(seq, prev, Buffer.from(`{"why":"${text} ${seq}"}`), false)
    leaves.push(leaf)
    prev = leafHash(leaf)
    frontier.add(prev)
    if (sizes.includes(seq + 1))
      checkpoints.push(
        signCheckpoint(by, {
          origin,
          size: seq + 1,
          root: frontier.root(),
          time: `2026-11-24T00:00:0${seq}.000Z`,
        }),
      )
  }
  return { leaves, checkpoints }
}

async function verdict(leaves: readonly Buffer[], checkpoints: readonly string[]): Promise<string> {
  const verification = await verifyAudit(leaves, checkpoints, key.publicKey)
  return verification.ok ? 'ok' : `${verification.at}: ${verification.sentence}`
}

const { leaves, checkpoints } = log(9, [2, 5, 9])

test('a whole log is whole', async () => {
  expect(await verifyAudit(leaves, checkpoints, key.publicKey)).toEqual({
    ok: true,
    leaves: 9,
    checkpoints: 3,
    sentence: 'all 9 entries are whole, in order and signed (checkpoints: 3)',
  })
  expect(await verdict(leaves, checkpoints.toReversed())).toBe('ok')
  expect(await verdict([], [])).toBe('ok')
})

test('each kind of damage is located', async () => {
  const edited = leaves.with(3, Buffer.from(leaves[3]?.toString().replace('entry 3', 'ENTRY 3') ?? ''))
  expect(await verdict(edited, checkpoints)).toMatch(/^3: entry 3 was changed/)
  expect(await verdict(leaves.toSpliced(3, 1), checkpoints)).toMatch(/^3: entry 3 is missing/)
  expect(await verdict(leaves.toSpliced(3, 0, leaves[2] as Buffer), checkpoints)).toMatch(
    /^3: in place of entry 3/,
  )
  expect(await verdict(leaves.slice(0, 8), checkpoints)).toMatch(/^8: .*the last 1 are missing/)
  expect(await verdict(leaves.slice(0, 5), checkpoints)).toMatch(/^5: .*the last 4 are missing/)
  expect(await verdict(leaves, checkpoints.slice(0, 2))).toMatch(
    /^5: entries 5 to 8 are covered by no signature/,
  )
  expect(await verdict(leaves.slice(1), checkpoints)).toMatch(/^0: entry 0 is missing/)
  expect(await verdict(leaves.with(4, Buffer.from('{}')), checkpoints)).toMatch(/^4: entry 4 is malformed/)
})

test('a log rewritten from some entry on, chain and all, fails at the next signature', async () => {
  const rewritten = log(9, [2, 5, 9], 'story')
  expect(await verdict([...leaves.slice(0, 0), ...rewritten.leaves], checkpoints)).toMatch(
    /^0: entries 0 to 1 are not/,
  )
})

test('only the log’s own key and origin sign', async () => {
  expect(await verdict(leaves, log(9, [9], 'entry', otherKey).checkpoints)).toMatch(/not signed by this log/)
  expect(
    await verdict(leaves, [...checkpoints, ...log(9, [5], 'entry', key, 'tagout/ins_2').checkpoints]),
  ).toMatch(/of another log/)
  for (let at = 0; at < (checkpoints[1]?.length ?? 0); at += 1) {
    const text = checkpoints[1] ?? ''
    const changed = `${text.slice(0, at)}${text[at] === 'x' ? 'y' : 'x'}${text.slice(at + 1)}`
    expect(await verdict(leaves, [changed]), changed).not.toBe('ok')
  }
})

test('no entry can pass for the end of its leaf', () => {
  const entry = Buffer.from('{"why":"x"},"prev":"","seq":7}')
  const leaf = leafBytes(3, undefined, entry, true)
  expect(parseLeaf(leaf)).toEqual({ seq: 3, prev: '', unproven: true, entry })
})
