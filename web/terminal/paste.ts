/** What a text that is to be pasted would do. */
export type Paste = {
  /** The text without control characters: line feeds and tabs stay. */
  readonly text: string
  /** Lines that the other end would take as entered. */
  readonly lines: number
  /** Control and direction characters that were in it. */
  readonly controls: number
  /** Must it be shown and agreed to first? */
  readonly asks: boolean
}

const longest = 4_096

/**
 * Looks at a text that is to be pasted into a terminal.
 *
 * SECURITY: a line feed runs what stands before it, an escape can end the bracket that a shell puts round a paste, and
 * a direction character makes a command read like another. Controls are never pasted; more than one plain line is shown
 * first.
 */
export function judgePaste(pasted: string): Paste {
  const whole = pasted.replaceAll('\r\n', '\n').replaceAll('\r', '\n')
  const text = whole.replaceAll(/(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
  const controls = [...whole].length - [...text].length
  const lines = text.split('\n').length - 1
  return { text, lines, controls, asks: lines > 0 || controls > 0 || text.length > longest }
}
