/**
 * What stands between the quotes of a JSON string.
 *
 * SECURITY: a password goes from bytes to bytes: JSON of it would be a string that stays.
 */
export function jsonBytes(bytes: Uint8Array): Buffer {
  const quoted = Buffer.alloc(6 * bytes.length)
  let end = 0
  for (const byte of bytes) {
    if (byte < 0x20) end += quoted.write(`\\u00${byte.toString(16).padStart(2, '0')}`, end)
    else {
      if (byte === 0x22 || byte === 0x5c) end = quoted.writeUInt8(0x5c, end)
      end = quoted.writeUInt8(byte, end)
    }
  }
  const exact = Buffer.from(quoted.subarray(0, end))
  quoted.fill(0)
  return exact
}
