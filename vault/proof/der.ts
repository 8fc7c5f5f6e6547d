/** DER (X.690) as evidence needs it: CMS, certificates, time-stamps. Strict: each value has one writing. Runs in browsers too. */

/** A value: its tag, its content, and all of its bytes. */
export type Der = { readonly tag: number; readonly content: Uint8Array; readonly bytes: Uint8Array }

export class DerError extends Error {}

export const tags = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  time: 0x18,
} as const

export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, content) => sum + content.length, 0)
  const head = length < 128 ? [tag, length] : [tag, 0, ...bigEndian(length)]
  if (length >= 128) head[1] = 0x80 + head.length - 2
  return concat(Uint8Array.from(head), ...contents)
}

/** An object identifier by its dotted name. */
export function oid(name: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = name.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift(128 + (left % 128))
    bytes.push(...groups)
  }
  return der(tags.oid, Uint8Array.from(bytes))
}

/** A whole number that is not negative, from its bytes. */
export function integer(value: Uint8Array | number): Uint8Array {
  const bytes = typeof value === 'number' ? Uint8Array.from(value === 0 ? [0] : bigEndian(value)) : value
  const start = bytes.findIndex((byte) => byte !== 0)
  const trimmed = start < 0 ? Uint8Array.of(0) : bytes.subarray(start)
  return der(tags.integer, (trimmed[0] ?? 0) >= 0x80 ? concat(Uint8Array.of(0), trimmed) : trimmed)
}

/** Reads one value that is all of `bytes`. Throws `DerError`. */
export function readDer(bytes: Uint8Array): Der {
  const [one, ...more] = readAll(bytes)
  if (one === undefined || more.length > 0) throw new DerError('there is not one value')
  return one
}

/** Reads the values within a constructed one. Throws `DerError`. */
export function inside(value: Der | undefined, tag: number): readonly Der[] {
  if (value?.tag !== tag) throw new DerError('a value is of another kind')
  return readAll(value.content)
}

/** The content of a primitive value. Throws `DerError`. */
export function contentOf(value: Der | undefined, tag: number): Uint8Array {
  if (value?.tag !== tag) throw new DerError('a value is of another kind')
  return value.content
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function readAll(bytes: Uint8Array): readonly Der[] {
  const found: Der[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] as number
    const first = bytes[at + 1]
    if (first === undefined || (tag & 0x1f) === 0x1f) throw new DerError('a value is malformed')
    let length = first
    let start = at + 2
    if (first >= 0x80) {
      const count = first - 0x80
      if (count === 0 || count > 4 || start + count > bytes.length)
        throw new DerError('a length is malformed')
      length = 0
      for (const byte of bytes.subarray(start, start + count)) length = length * 256 + byte
      start += count
      if (length < 128 || bytes[start - count] === 0) throw new DerError('a length is not the shortest')
    }
    if (start + length > bytes.length) throw new DerError('a value is cut short')
    found.push({
      tag,
      content: bytes.subarray(start, start + length),
      bytes: bytes.subarray(at, start + length),
    })
    at = start + length
  }
  return found
}

function bigEndian(value: number): number[] {
  const bytes: number[] = []
  for (let left = value; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256)
  return bytes
}
