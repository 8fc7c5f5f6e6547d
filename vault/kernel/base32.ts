/** Crockford's base32 for what people print and type. Runs in browsers too: no Node imports here. */

export const base32Letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** Five bits a letter; bits that fill no letter are left out. */
export function toBase32(bytes: Uint8Array): string {
  let text = ''
  let value = 0
  let bits = 0
  for (const byte of bytes) {
    value = ((value & 0x1f) << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += base32Letters[(value >>> bits) & 31]
    }
  }
  return text
}

/** Whole bytes only; undefined for text with another character. */
export function fromBase32(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let at = 0
  let value = 0
  let bits = 0
  for (const char of text) {
    const digit = base32Letters.indexOf(char)
    if (digit < 0) return undefined
    value = ((value & 0xff) << 5) | digit
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[at++] = (value >>> bits) & 0xff
    }
  }
  return bytes
}

/** What was typed without the lines that begin with `#`: those are for people. */
export function withoutNotes(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
}

/** As typed: case, spaces and dashes do not matter, letters that look like digits are read as the digits. */
export function asTyped(text: string): string {
  return text.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')
}
