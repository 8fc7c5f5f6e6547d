/** Keys that the page keeps for itself; everything else goes to the target. */
export const terminalKeys = [
  ['Ctrl+Shift+C', 'copy what is selected'],
  ['Ctrl+Shift+V', 'paste'],
  ['Ctrl+Shift+F', 'search in what was shown'],
  ['Ctrl+Shift+↑ / ↓', 'larger or smaller letters'],
  ['Ctrl+Shift+L', 'leave the terminal: the next Tab goes through the page'],
] as const

export type TerminalAct = 'copy' | 'search' | 'larger' | 'smaller' | 'leave'

const acts: Readonly<Record<string, TerminalAct>> = {
  KeyC: 'copy',
  KeyF: 'search',
  ArrowUp: 'larger',
  ArrowDown: 'smaller',
  KeyL: 'leave',
}

/** Which of the page's own acts a key means, by its place on the keyboard. */
export function actOfKey(
  event: Pick<KeyboardEvent, 'ctrlKey' | 'shiftKey' | 'altKey' | 'metaKey' | 'code'>,
): TerminalAct | 'native' | undefined {
  if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey) return undefined
  // The browser turns it into a paste, which is looked at.
  if (event.code === 'KeyV') return 'native'
  return acts[event.code]
}
