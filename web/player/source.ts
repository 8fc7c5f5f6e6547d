import type { ByteSource } from '../../recorder/replay/index.ts'
import { at, fetchRange } from '../api.ts'

/** Bytes fetched at once. */
const blockBytes = 1024 * 1024
/** Blocks kept: however long a recording is, this much of its ciphertext is in memory. */
const keptBlocks = 24

/** A recording's ciphertext over ranged requests, read in blocks of which the last used ones are kept. */
export async function openSource(
  recording: string,
  purpose: 'replay' | 'export' = 'replay',
): Promise<ByteSource> {
  const path = `${at`/api/recordings/${recording}/content`}${purpose === 'export' ? '?purpose=export' : ''}`
  const first = await fetchRange(path, 0, blockBytes)
  const blocks = new Map<number, Promise<Uint8Array>>([[0, Promise.resolve(first.bytes)]])

  const block = (index: number): Promise<Uint8Array> => {
    const known = blocks.get(index)
    const found = known ?? fetchRange(path, index * blockBytes, blockBytes).then(({ bytes }) => bytes)
    blocks.delete(index)
    blocks.set(index, found)
    if (known === undefined) found.catch(() => blocks.delete(index))
    for (const oldest of blocks.keys()) {
      if (blocks.size <= keptBlocks) break
      blocks.delete(oldest)
    }
    return found
  }

  return {
    size: first.size,
    async read(offset, length) {
      const end = Math.min(offset + length, first.size)
      if (end <= offset) return new Uint8Array()
      const out = new Uint8Array(end - offset)
      let filled = 0
      while (filled < out.length) {
        const position = offset + filled
        const bytes = await block(Math.floor(position / blockBytes))
        const piece = bytes.subarray(position % blockBytes, (position % blockBytes) + out.length - filled)
        if (piece.length === 0) break
        out.set(piece, filled)
        filled += piece.length
      }
      return filled === out.length ? out : out.subarray(0, filled)
    },
  }
}
