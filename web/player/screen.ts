import { Unicode11Addon } from '@xterm/addon-unicode11'
import { Terminal } from '@xterm/xterm'
import { quieten, terminalColours, terminalFonts } from '../parts/quiet-terminal.ts'
import { actOfKey } from '../terminal/keys.ts'
import { judgePaste } from '../terminal/paste.ts'
import type { Screen } from './playback.ts'

/** Bytes that may wait for the terminal before the player waits for it. */
const maxPending = 512 * 1024

export type MountedScreen = Screen & {
  readonly setTerminal: (isTerminal: boolean) => void
  /** As `reset` and `resize`, between what was written before and what is written after, without waiting. */
  readonly resetInOrder: (columns: number, rows: number) => void
  readonly resizeInOrder: (columns: number, rows: number) => void
  /** Gives the keys to somebody, or to nobody. The terminal answers nothing by itself either way. */
  readonly setTyping: (typed: ((bytes: Uint8Array) => void) | null) => void
  readonly dispose: () => void
}

/**
 * A terminal that only shows, until its keys are given to somebody (`setTyping`).
 *
 * SECURITY: what it is fed was written by machines that may be hostile (`quieten`). Before, nobody listens to it, and no
 * key reaches it. Its letters fit its parent, down to `leastFont`; a parent that is narrower yet is to scroll.
 */
export function mountScreen(host: HTMLElement, leastFont = 6): MountedScreen {
  const terminal = new Terminal({
    cols: 80,
    rows: 24,
    disableStdin: true,
    cursorBlink: false,
    cursorInactiveStyle: 'block',
    scrollback: 1_000,
    fontFamily: terminalFonts,
    fontSize: 14,
    // For the table of widths alone, which keyframes are made with too.
    allowProposedApi: true,
    linkHandler: { activate: () => undefined, allowNonHttpProtocols: false },
    theme: terminalColours,
    minimumContrastRatio: 4.5,
    windowOptions: {},
  })
  quieten(terminal)
  terminal.loadAddon(new Unicode11Addon())
  terminal.unicode.activeVersion = '11'
  let typing: ((bytes: Uint8Array) => void) | null = null
  terminal.attachCustomKeyEventHandler((event) => {
    if (typing === null) return false
    if (actOfKey(event) !== 'leave') return actOfKey(event) === undefined
    event.preventDefault()
    if (event.type === 'keydown') terminal.blur()
    return false
  })
  terminal.open(host)
  terminal.onData((text) => typing?.(new TextEncoder().encode(text)))
  host.addEventListener(
    'paste',
    (event) => {
      // SECURITY: before xterm sees it: into another's session goes one plain line at most, and no control character.
      event.preventDefault()
      event.stopPropagation()
      const paste = judgePaste(event.clipboardData?.getData('text/plain') ?? '')
      if (typing !== null && !paste.asks) terminal.paste(paste.text)
    },
    { capture: true },
  )
  const setTyping = (typed: typeof typing) => {
    typing = typed
    terminal.options.disableStdin = typed === null
    const { textarea } = terminal
    if (typed === null) {
      textarea?.setAttribute('tabindex', '-1')
      textarea?.setAttribute('aria-hidden', 'true')
      terminal.blur()
    } else {
      textarea?.setAttribute('tabindex', '0')
      textarea?.removeAttribute('aria-hidden')
      textarea?.setAttribute('aria-label', 'Terminal: you type in this session')
    }
  }
  setTyping(null)

  const ratio = glyphRatio()
  const fit = () => {
    const place = host.parentElement ?? host
    const { clientWidth, clientHeight } = place
    if (clientWidth === 0) return
    const wide = (clientWidth - 24) / (terminal.cols * ratio)
    const high = (clientHeight - 16) / (terminal.rows * 1.2)
    terminal.options.fontSize = Math.max(leastFont, Math.min(28, Math.floor(Math.min(wide, high) * 2) / 2))
    // What has to be scrolled is reached by the keyboard.
    if (wide < leastFont) place.tabIndex = 0
    else place.removeAttribute('tabindex')
  }
  const observer = new ResizeObserver(fit)
  observer.observe(host.parentElement ?? host)

  const resize = (columns: number, rows: number) => {
    terminal.resize(bounded(columns, 80, 1000), bounded(rows, 24, 500))
    fit()
  }

  let pending = 0
  return {
    async reset(columns, rows) {
      // The terminal draws later what it is given: what is still waiting would come onto the fresh screen.
      await new Promise<void>((resolve) => terminal.write('', resolve))
      terminal.reset()
      resize(columns, rows)
    },
    resize,
    write(bytes) {
      pending += bytes.length
      return new Promise((resolve) => {
        terminal.write(bytes, () => {
          pending -= bytes.length
          resolve()
        })
        if (pending < maxPending) resolve()
      })
    },
    // The callback runs when all before it has been drawn, and before anything after it is.
    resetInOrder(columns, rows) {
      terminal.write('', () => {
        terminal.reset()
        resize(columns, rows)
      })
    },
    resizeInOrder(columns, rows) {
      terminal.write('', () => resize(columns, rows))
    },
    setTerminal(isTerminal) {
      // Without a terminal at the other end nobody has made new lines of line feeds.
      terminal.options.convertEol = !isTerminal
    },
    setTyping,
    dispose() {
      observer.disconnect()
      terminal.dispose()
    },
  }
}

/** A client without a terminal of its own asks for none by none: it is shown at the usual size. */
function bounded(value: number, usual: number, most: number): number {
  return Number.isFinite(value) && value >= 2 ? Math.min(most, Math.floor(value)) : usual
}

/** How wide a character is, as a part of the font's size. */
function glyphRatio(): number {
  const context = document.createElement('canvas').getContext('2d')
  if (context === null) return 0.61
  context.font = `100px ${terminalFonts}`
  const { width } = context.measureText('W')
  return width > 0 ? width / 100 : 0.61
}
