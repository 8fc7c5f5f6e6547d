import { FitAddon } from '@xterm/addon-fit'
import { SearchAddon } from '@xterm/addon-search'
import { Unicode11Addon } from '@xterm/addon-unicode11'
import { Terminal } from '@xterm/xterm'
import { quieten, terminalColours, terminalFonts } from '../parts/quiet-terminal.ts'

export const fontSizes = { least: 8, usual: 14, most: 32 } as const

export type ScreenEvents = {
  readonly typed: (bytes: Uint8Array) => void
  readonly resized: (columns: number, rows: number) => void
  /** A text is to be pasted: it is not, unless `paste` is called with it. */
  readonly pasting: (text: string) => void
  /** A key of the page's own; true when it was one and goes nowhere else. */
  readonly key: (event: KeyboardEvent) => boolean
}

export type LiveScreen = Disposable & {
  readonly size: () => { readonly columns: number; readonly rows: number }
  /** Draws bytes; `drawn` is called when they are on the screen. */
  readonly write: (bytes: Uint8Array | string, drawn: () => void) => void
  readonly paste: (text: string) => void
  readonly selection: () => string
  readonly find: (text: string, direction: 1 | -1) => boolean
  readonly clearSearch: () => void
  readonly setFontSize: (size: number) => void
  readonly setReadOnly: (readOnly: boolean) => void
  readonly focus: () => void
}

/** Puts a terminal for typing into `host`. */
export function mountLiveScreen(host: HTMLElement, fontSize: number, events: ScreenEvents): LiveScreen {
  const terminal = new Terminal({
    cursorBlink: false,
    cursorInactiveStyle: 'outline',
    scrollback: 10_000,
    fontFamily: terminalFonts,
    fontSize,
    // For the table of widths and the marks of a search.
    allowProposedApi: true,
    linkHandler: { activate: () => undefined, allowNonHttpProtocols: false },
    theme: terminalColours,
    minimumContrastRatio: 4.5,
    windowOptions: {},
    screenReaderMode: false,
    rightClickSelectsWord: false,
  })
  quieten(terminal)
  const fit = new FitAddon()
  const search = new SearchAddon()
  terminal.loadAddon(fit)
  terminal.loadAddon(search)
  terminal.loadAddon(new Unicode11Addon())
  terminal.unicode.activeVersion = '11'
  terminal.open(host)
  terminal.textarea?.setAttribute('aria-label', 'Terminal')
  fit.fit()

  terminal.onData((text) => events.typed(new TextEncoder().encode(text)))
  terminal.onBinary((text) => events.typed(Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff)))
  terminal.onResize(({ cols, rows }) => events.resized(cols, rows))
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type !== 'keydown' || !events.key(event)) return true
    event.preventDefault()
    return false
  })
  const onPaste = (event: ClipboardEvent) => {
    // SECURITY: before xterm sees it, so that nothing is pasted that was not looked at.
    event.preventDefault()
    event.stopPropagation()
    events.pasting(event.clipboardData?.getData('text/plain') ?? '')
  }
  host.addEventListener('paste', onPaste, { capture: true })
  const observer = new ResizeObserver(() => fit.fit())
  observer.observe(host)

  const marks = { matchOverviewRuler: '#f0ab00', activeMatchColorOverviewRuler: '#c9190b' }
  return {
    size: () => ({ columns: terminal.cols, rows: terminal.rows }),
    write: (bytes, drawn) => terminal.write(bytes, drawn),
    paste: (text) => terminal.paste(text),
    selection: () => terminal.getSelection(),
    find: (text, direction) => {
      const options = {
        decorations: {
          ...marks,
          matchBackground: '#5a4a00',
          activeMatchBackground: '#8a3a00',
        },
      }
      return direction === 1 ? search.findNext(text, options) : search.findPrevious(text, options)
    },
    clearSearch: () => search.clearDecorations(),
    setFontSize: (size) => {
      terminal.options.fontSize = size
      fit.fit()
    },
    setReadOnly: (readOnly) => {
      terminal.options.disableStdin = readOnly
      terminal.options.cursorBlink = false
    },
    focus: () => terminal.focus(),
    [Symbol.dispose]: () => {
      host.removeEventListener('paste', onPaste, { capture: true })
      observer.disconnect()
      terminal.dispose()
    },
  }
}
