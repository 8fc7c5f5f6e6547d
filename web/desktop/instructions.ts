const encoder = new TextEncoder()

/** An instruction for the other end; lengths count characters. */
export function encode(elements: readonly (string | number)[]): Uint8Array {
  return encoder.encode(`${elements.map((one) => `${[...String(one)].length}.${one}`).join(',')};`)
}
