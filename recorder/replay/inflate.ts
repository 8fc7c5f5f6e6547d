/** Inflates raw deflate (RFC 1951) by the platform; undefined for what is none, or grows past `most` bytes. */
export async function inflate(packed: Uint8Array, most: number): Promise<Uint8Array | undefined> {
  const stream = new DecompressionStream('deflate-raw')
  const writer = stream.writable.getWriter()
  const writing = writer
    .write(packed as Uint8Array<ArrayBuffer>)
    .then(() => writer.close())
    .catch(() => undefined) // the reading side tells
  const parts: Uint8Array[] = []
  let length = 0
  const reader = stream.readable.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      length += value.length
      // SECURITY: a few bytes can inflate to gigabytes; a chunk has its limit.
      if (length > most) {
        await reader.cancel().catch(() => undefined)
        return undefined
      }
      parts.push(value)
    }
  } catch {
    return undefined
  }
  await writing
  if (parts.length === 1) return parts[0]
  const plain = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    plain.set(part, at)
    at += part.length
  }
  return plain
}
