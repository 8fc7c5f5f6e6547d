/**
 * Leaves out of a long output what cannot be seen any more when all of it has been shown: lines that have scrolled
 * off. What is left puts a terminal of `rows` rows, scrolling as a whole and keeping no scroll-back, in exactly the
 * same state. Output with anything but text, line ends, colours (SGR) and the marking of pastes in it is left as it is.
 * The terminal has to stand between sequences when the output begins.
 *
 * SECURITY: what is left out must not mean anything: a target could otherwise have a keyframe show what its terminal
 * did not. Controls are looked for in the whole output, in both spellings, ESC and the one character of C1.
 *
 * A flood of plain lines is thereby read at the speed of a scan, not at that of a terminal.
 */
export function shorten(output: Uint8Array, rows: number): Uint8Array {
  if (output.length < 4096) return output
  // The rest of a character that began before this output may be a control.
  if (isContinuation(output[0] as number)) return output
  const begin = lineAfter(output, 0)
  const tail = lineFromEnd(output, rows + 2)
  if (begin < 0 || tail <= begin) return output
  const colours: Uint8Array[] = []
  let at = 0
  let kept = 0
  while (at < tail) {
    const byte = output[at] as number
    if (byte === escape) {
      const end = endOfKept(output, at, tail)
      if (end < 0) return output
      if (at >= begin) {
        colours.push(output.subarray(at, end))
        kept += end - at
      }
      at = end
    } else if (byte === c1Lead && isC1(output[at + 1] as number)) return output
    else if (isQuiet(byte)) at += 1
    else return output
  }
  const shortened = new Uint8Array(begin + kept + output.length - tail)
  shortened.set(output.subarray(0, begin))
  let to = begin
  for (const colour of colours) {
    shortened.set(colour, to)
    to += colour.length
  }
  shortened.set(output.subarray(tail), to)
  return shortened
}

const escape = 0x1b
/** The controls U+0080 to U+009F are `c2 80` to `c2 9f` in UTF-8: each is ESC and a letter in one. */
const c1Lead = 0xc2

function isC1(byte: number): boolean {
  return byte >= 0x80 && byte <= 0x9f
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}

/** Text, tabulator, back space, line feed, carriage return: nothing that outlives its line. */
function isQuiet(byte: number): boolean {
  return byte >= 0x20 ? byte !== 0x7f : byte === 0x0a || byte === 0x0d || byte === 0x09 || byte === 0x08
}

/** What a shell writes around each command: the marking of pastes on, or off. */
const pasteMarking = [Buffer.from('\x1b[?2004l'), Buffer.from('\x1b[?2004h')]

/** The place after `ESC [ digits ; digits m`, or the marking of pastes, at `at`; -1 for any other sequence. */
function endOfKept(output: Uint8Array, at: number, limit: number): number {
  if (output[at + 1] !== 0x5b) return -1
  const next = output.subarray(at, at + 8)
  if (at + 8 <= limit && pasteMarking.some((marking) => marking.equals(next))) return at + 8
  for (let place = at + 2; place < limit && place < at + 64; place += 1) {
    const byte = output[place] as number
    if (byte === 0x6d) return place + 1
    if (!((byte >= 0x30 && byte <= 0x39) || byte === 0x3b || byte === 0x3a)) return -1
  }
  return -1
}

/** The place after the first CR LF at or past `from`; -1 where there is none. */
function lineAfter(output: Uint8Array, from: number): number {
  for (let at = from; at + 1 < output.length; at += 1)
    if (output[at] === 0x0d && output[at + 1] === 0x0a) return at + 2
  return -1
}

/** The place after the CR LF that has `lines` further ones behind it; -1 where there are not so many. */
function lineFromEnd(output: Uint8Array, lines: number): number {
  let left = lines
  for (let at = output.length - 2; at >= 0; at -= 1)
    if (output[at] === 0x0d && output[at + 1] === 0x0a) {
      if (left === 0) return at + 2
      left -= 1
    }
  return -1
}
