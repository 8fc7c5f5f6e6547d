import type { Terminal } from '@xterm/xterm'

/** The fonts of every terminal that the console shows. */
export const terminalFonts = '"DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace'

export const terminalColours = { background: '#0f1214', foreground: '#d8dee4', cursor: '#f0ab00' } as const

/**
 * Keeps what a terminal is fed from reaching the page, and the terminal from answering it.
 *
 * SECURITY: what is fed was written by machines that may be hostile. Titles (OSC 0, 1, 2) go nowhere, links (OSC 8) are
 * plain text, there is no clipboard (OSC 52), colours are ours (OSC 4, 10, 11, 12). A question to the terminal (device
 * attributes and status, modes, settings, window, focus) is answered to nobody: an answer would be typed in the user's name.
 */
export function quieten(terminal: Terminal): void {
  const { parser } = terminal
  for (const code of [0, 1, 2, 4, 8, 10, 11, 12, 52]) parser.registerOscHandler(code, () => true)
  const questions = [
    { final: 'c' },
    { prefix: '>', final: 'c' },
    { prefix: '=', final: 'c' },
    { final: 'n' },
    { prefix: '?', final: 'n' },
    { final: 't' },
    { intermediates: '$', final: 'p' },
    { prefix: '?', intermediates: '$', final: 'p' },
  ]
  for (const question of questions) parser.registerCsiHandler(question, () => true)
  // Whether the window has the focus would be told at once, and at each change.
  parser.registerCsiHandler({ prefix: '?', final: 'h' }, (modes) => modes.includes(1004))
  parser.registerDcsHandler({ intermediates: '$', final: 'q' }, () => true)
}
