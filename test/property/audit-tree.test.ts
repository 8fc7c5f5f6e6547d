import fc from 'fast-check'
import { expect, test } from 'vitest'
import { consistencyRanges, inclusionRanges, type Range } from '../../vault/audit/proof.ts'
import { isConsistent, isIncluded } from '../../vault/proof/tree.ts'
import { emptyRoot, Frontier, leafHash, nodeHash } from '../../vault/audit/tree.ts'

/** The definition of RFC 6962 §2.1, word for word: slow, and written apart from what it checks. */
function rootByDefinition(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves
  if (only === undefined) return emptyRoot
  if (leaves.length === 1) return leafHash(only)
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return nodeHash(rootByDefinition(leaves.slice(0, k)), rootByDefinition(leaves.slice(k)))
}

const leavesOf = (count: number) => Array.from({ length: count }, (_, at) => Buffer.from(`leaf ${at}`))
const rootOf = (count: number) => rootByDefinition(leavesOf(count))
const hashesOf = (ranges: readonly Range[], count: number) =>
  ranges.map(({ start, end }) => rootByDefinition(leavesOf(count).slice(start, end)))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test('the tree of seven leaves is the one that other implementations compute', () => {
  // The inputs and roots of the test vectors of certificate-transparency-go, merkle/logverifier_test.go.
  const inputs = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ]
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ]
  const frontier = new Frontier()
  expect(hex(frontier.root())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  inputs.forEach((input, at) => {
    frontier.add(leafHash(Buffer.from(input, 'hex')))
    expect(hex(frontier.root())).toBe(roots[at])
  })
})

test('the frontier gives the root of the definition at every size', () => {
  const frontier = new Frontier()
  for (let size = 0; size <= 70; size += 1) {
    expect(hex(frontier.root())).toBe(hex(rootOf(size)))
    frontier.add(leafHash(Buffer.from(`leaf ${size}`)))
  }
})

test('each leaf of each small tree is proven, and nothing else is', async () => {
  for (let size = 1; size <= 20; size += 1)
    for (let index = 0; index < size; index += 1) {
      const proof = hashesOf(inclusionRanges(index, size), size)
      const leaf = leafHash(Buffer.from(`leaf ${index}`))
      const root = rootOf(size)
      expect(await isIncluded(leaf, index, size, proof, root)).toBe(true)
      expect(await isIncluded(leafHash(Buffer.from('another')), index, size, proof, root)).toBe(false)
      if (size > 1) {
        expect(await isIncluded(leaf, (index + 1) % size, size, proof, root)).toBe(false)
        expect(await isIncluded(leaf, index, size, proof.slice(1), root)).toBe(false)
      }
      expect(await isIncluded(leaf, index, size, [...proof, root], root)).toBe(false)
      expect(await isIncluded(leaf, size, size, proof, root)).toBe(false)
    }
})

test('each small tree is proven to begin with each smaller one, and no other is', async () => {
  for (let to = 1; to <= 20; to += 1)
    for (let from = 1; from <= to; from += 1) {
      const proof = hashesOf(consistencyRanges(from, to), to)
      expect(await isConsistent(from, rootOf(from), to, rootOf(to), proof)).toBe(true)
      if (from < to) {
        expect(await isConsistent(from, rootOf(from + 1), to, rootOf(to), proof)).toBe(false)
        expect(await isConsistent(from, rootOf(from), to, rootOf(from), proof)).toBe(false)
        expect(await isConsistent(from, rootOf(from), to, rootOf(to), proof.slice(0, -1))).toBe(false)
      }
    }
})

test('a proof with any bit changed proves nothing', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 40 }), fc.nat(), fc.nat(), async (size, index, bit) => {
      const at = index % size
      const proof = hashesOf(inclusionRanges(at, size), size).map((hashed) => Uint8Array.from(hashed))
      const place = bit % (proof.length * 256)
      const hashed = proof[place >> 8]
      if (hashed === undefined) return
      const byte = (place & 255) >> 3
      hashed[byte] = (hashed[byte] ?? 0) ^ (1 << (place & 7))
      expect(await isIncluded(leafHash(Buffer.from(`leaf ${at}`)), at, size, proof, rootOf(size))).toBe(false)
    }),
  ))
