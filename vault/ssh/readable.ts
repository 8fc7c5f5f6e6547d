/** Sequences that drive a terminal: CSI, strings (OSC, DCS, SOS, PM, APC) up to their end, other escapes. */
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]?/gu

/**
 * What a machine says in words, as lines that may be shown and kept: without what drives a terminal, turns the direction
 * of writing, or hides; at most so many lines of so many characters.
 *
 * SECURITY: what is left are printable characters and line feeds.
 */
export function readableLines(text: string, mostLines = 40, mostColumns = 200): readonly string[] {
  const lines = text
    .replaceAll(sequences, '')
    .replaceAll(/\r\n?|[\v\f\u0085\u2028\u2029]/g, '\n')
    .replaceAll('\t', '    ')
    .replaceAll(/[^\P{C}\n]/gu, '')
    .split('\n')
    .map((line) => line.trimEnd())
  while (lines[0] === '') lines.shift()
  while (lines.at(-1) === '') lines.pop()
  const shown = lines.slice(0, mostLines).map((line) => [...line].slice(0, mostColumns).join(''))
  return lines.length > mostLines ? [...shown, '…'] : shown
}

/** The first line of what a machine says, short enough to be quoted in a sentence. */
export function quotable(text: string): string {
  const line = readableLines(text.slice(0, 1_000))[0] ?? ''
  return line.length > 60 ? `${line.slice(0, 60)}…` : line
}
