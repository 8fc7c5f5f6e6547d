const encoder = new TextEncoder()

/** An instruction for the other end; lengths count characters. */
export function encode(elements: readonly (string | number)[]): Uint8Array {
  return encoder.encode(`${elements.map((one) => `${[...String(one)].length}.${one}`).join(',')};`)
}

/** Longest instruction that is waited for, in characters: the recorder takes 64 KiB at most. */
const longest = 1024 * 1024

/**
 * Reads instructions out of text that comes in any pieces, and hands each on. It keeps only what is not whole yet, where the
 * client's own parser keeps all that came in whole pieces. Throws where the text is none.
 */
export function instructionReader(take: (opcode: string, args: string[]) => void): (piece: string) => void {
  let waiting = ''
  return (piece) => {
    const text = waiting + piece
    let begin = 0
    try {
      for (let found = instructionAt(text, begin); found !== undefined; found = instructionAt(text, begin)) {
        const [opcode = '', ...args] = found.elements
        begin = found.end
        take(opcode, args)
      }
    } finally {
      waiting = text.slice(begin)
    }
    if (waiting.length > longest) throw malformed()
  }
}

/** The instruction that begins at a place, and where it ends; undefined where it is not whole. */
function instructionAt(text: string, begin: number) {
  const elements: string[] = []
  for (let at = begin; ; ) {
    const dot = text.indexOf('.', at)
    const digits = text.slice(at, dot < 0 ? undefined : dot)
    if (!/^\d{0,7}$/.test(digits) || (dot >= 0 && digits === '')) throw malformed()
    if (dot < 0) return undefined
    let end = dot + 1
    // Lengths count characters, of which some are two units of the text.
    for (let left = Number(digits); left > 0 && end < text.length; left -= 1)
      end += (text.charCodeAt(end) & 0xfc00) === 0xd800 ? 2 : 1
    if (end >= text.length) return undefined
    elements.push(text.slice(dot + 1, end))
    at = end + 1
    if (text[end] === ';') return { elements, end: at }
    if (text[end] !== ',') throw malformed()
  }
}

const malformed = () => new Error('what the desktop drew cannot be read from here on')
