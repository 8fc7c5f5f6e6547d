/** Where a recording's bytes come from: a file, HTTP ranges, memory. A read past the end is short. */
export type ByteSource = {
  readonly size: number
  readonly read: (offset: number, length: number) => Promise<Uint8Array>
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: async (offset, length) => bytes.subarray(offset, offset + length) }
}
