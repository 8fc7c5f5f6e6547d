import { concat } from '../../vault/proof/der.ts'

/**
 * Zip archives (APPNOTE 6.3) of one writing: stored, without dates, in the order given. The same files give the same
 * bytes, and bytes that are not so written are no such archive. Runs in browsers too.
 */

export type PackedFile = { readonly name: string; readonly bytes: Uint8Array }

/** Where an archive is not as it is written. */
export class ZipError extends Error {
  readonly at: number

  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

const sizes = { local: 30, central: 46, end: 22 } as const
/** 1 January 1980: the first date that there is. */
const noDate = 0x0021
/** Of names beyond ASCII; ours are ASCII. Version 2.0. */
const version = 20

/** The pieces of an archive, in order. */
export function* writeZip(files: readonly PackedFile[]): Generator<Uint8Array> {
  const entries: Uint8Array[] = []
  let at = 0
  for (const { name, bytes } of files) {
    const named = new TextEncoder().encode(name)
    const crc = crc32(bytes)
    const local = record(sizes.local, [
      [4, 0x04034b50],
      [2, version],
      [2, 0],
      [2, 0],
      [2, 0],
      [2, noDate],
      [4, crc],
      [4, bytes.length],
      [4, bytes.length],
      [2, named.length],
      [2, 0],
    ])
    entries.push(
      record(sizes.central, [
        [4, 0x02014b50],
        // Made on Unix: a plain file that everybody may read.
        [2, 0x0300 | version],
        [2, version],
        [2, 0],
        [2, 0],
        [2, 0],
        [2, noDate],
        [4, crc],
        [4, bytes.length],
        [4, bytes.length],
        [2, named.length],
        [2, 0],
        [2, 0],
        [2, 0],
        [2, 0],
        [4, 0o100644 * 0x10000],
        [4, at],
      ]),
      named,
    )
    yield local
    yield named
    yield bytes
    at += sizes.local + named.length + bytes.length
  }
  const central = concat(...entries)
  yield central
  yield record(sizes.end, [
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, files.length],
    [2, files.length],
    [4, central.length],
    [4, at],
    [2, 0],
  ])
}

/** The files of an archive that `writeZip` wrote. Throws `ZipError` at the first byte that it would have written otherwise. */
export function readZip(archive: Uint8Array): readonly PackedFile[] {
  const files: PackedFile[] = []
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength)
  let at = 0
  while (at + sizes.local <= archive.length && view.getUint32(at, true) === 0x04034b50) {
    const length = view.getUint32(at + 22, true)
    const start = at + sizes.local + view.getUint16(at + 26, true)
    if (start + length > archive.length) throw new ZipError(at, 'a file in it is cut short')
    const name = new TextDecoder().decode(archive.subarray(at + sizes.local, start))
    if (files.length >= 64 || !/^[A-Za-z0-9.-]{1,60}$/.test(name) || files.some((file) => file.name === name))
      throw new ZipError(at, 'it has a file that cannot be in it')
    files.push({ name, bytes: archive.subarray(start, start + length) })
    at = start + length
  }
  let place = 0
  for (const piece of writeZip(files)) {
    const found = archive.subarray(place, place + piece.length)
    const wrong = piece.findIndex((byte, index) => byte !== found[index])
    if (wrong >= 0) throw new ZipError(place + wrong, 'it is not written as a package is')
    place += piece.length
  }
  if (place < archive.length) throw new ZipError(place, 'something was added to it')
  return files
}

function record(size: number, fields: readonly (readonly [bytes: 2 | 4, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [length, value] of fields) {
    if (length === 2) view.setUint16(at, value, true)
    else view.setUint32(at, value, true)
    at += length
  }
  return bytes
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
