import { head } from '../proof/leaf.ts'

/** The bytes of a leaf (`vault/proof/leaf.ts` takes it apart again). */
export function leafBytes(
  seq: number,
  prev: Uint8Array | undefined,
  entry: Uint8Array,
  unproven: boolean,
): Buffer {
  const tail = `,"prev":"${prev === undefined ? '' : Buffer.from(prev.buffer, prev.byteOffset, prev.length).toString('hex')}","seq":${seq}${unproven ? ',"unproven":true' : ''}}`
  return Buffer.concat([Buffer.from(head), entry, Buffer.from(tail)])
}
