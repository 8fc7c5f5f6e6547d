import serializing from '@xterm/addon-serialize'
import unicode from '@xterm/addon-unicode11'
import headless from '@xterm/headless'
import { shorten } from './terminal-shorten.ts'

/** What is used of xterm's inside. The package is pinned, and a test fails where these are gone. */
type Core = {
  writeSync(bytes: Uint8Array): void
  readonly buffer: { readonly scrollTop: number; readonly scrollBottom: number }
  readonly coreService: { readonly isCursorHidden: boolean }
  readonly _inputHandler: {
    readonly _parser: { readonly currentState: number }
    readonly _utf8Decoder: { readonly interim: Uint8Array }
  }
}
type Live = {
  readonly terminal: headless.Terminal
  readonly core: Core
  readonly serialize: serializing.SerializeAddon
}

const maxColumns = 500
const maxRows = 300

/**
 * What one channel's terminal shows, without scroll-back: the source of keyframes and of command lines. The terminal
 * itself is made when first needed, and given up (`rest`) when nothing happens for long.
 *
 * SECURITY: this parses what a hostile target prints. It runs in the sealing thread, holds no credential, its size is
 * bounded, and whatever it throws costs the keyframe, not the recording.
 */
export class TerminalModel {
  #columns: number
  #rows: number
  #live: Live | undefined
  #kept: Uint8Array = new Uint8Array()
  #pending: Uint8Array[] = []
  #gathered = 0
  #isLost = false
  isIdle = false

  constructor(columns: number, rows: number) {
    this.#columns = clamp(columns, maxColumns)
    this.#rows = clamp(rows, maxRows)
  }

  get columns(): number {
    return this.#columns
  }

  get rows(): number {
    return this.#rows
  }

  /** Takes output, and keeps it until something is asked: a terminal reads long outputs faster. `bytes` are retained. */
  feed(bytes: Uint8Array): void {
    this.isIdle = false
    this.#pending.push(bytes)
    this.#gathered += bytes.length
  }

  resize(columns: number, rows: number): void {
    this.#catchUp()
    this.#columns = clamp(columns, maxColumns)
    this.#rows = clamp(rows, maxRows)
    this.#guard(() => this.#live?.terminal.resize(this.#columns, this.#rows))
  }

  /** The bytes that put a fresh terminal of this size in the present state. Undefined where the model is lost. */
  keyframe(): Uint8Array | undefined {
    this.#catchUp()
    if (this.#live === undefined) return this.#isLost ? undefined : this.#kept
    return this.#guard(() => {
      const { serialize, terminal, core } = this.#live as Live
      let text = serialize.serialize({ scrollback: 0 })
      const { scrollTop, scrollBottom } = core.buffer
      if (scrollTop !== 0 || scrollBottom !== terminal.rows - 1) {
        const { cursorX, cursorY } = terminal.buffer.active
        const row = terminal.modes.originMode ? cursorY - scrollTop : cursorY
        text += `\x1b[${scrollTop + 1};${scrollBottom + 1}r\x1b[${row + 1};${cursorX + 1}H`
      }
      if (core.coreService.isCursorHidden) text += '\x1b[?25l'
      return Buffer.from(text)
    })
  }

  /** The line that the cursor is on, wrapped rows joined, and its part before the cursor. Undefined in full-screen programs. */
  cursorLine(): { readonly line: string; readonly before: string } | undefined {
    this.#catchUp()
    return this.#guard(() => {
      const buffer = this.#wake().terminal.buffer.active
      if (buffer.type === 'alternate') return undefined
      const cursorRow = buffer.baseY + buffer.cursorY
      let first = cursorRow
      while (first > 0 && buffer.getLine(first)?.isWrapped) first -= 1
      let line = ''
      let before = ''
      // Asked for a row past the last, xterm answers with the first.
      for (let row = first; row < buffer.length; row += 1) {
        if (row !== first && !buffer.getLine(row)?.isWrapped) break
        const cells = buffer.getLine(row)
        if (row < cursorRow) before += cells?.translateToString(false) ?? ''
        if (row === cursorRow) before += cells?.translateToString(false, 0, buffer.cursorX) ?? ''
        line += cells?.translateToString(false) ?? ''
      }
      return { line: line.trimEnd(), before }
    })
  }

  /** The line above the one that the cursor is on, wrapped rows joined; empty at the top, undefined in full-screen programs. */
  lineAbove(): string | undefined {
    this.#catchUp()
    return this.#guard(() => {
      const buffer = this.#wake().terminal.buffer.active
      if (buffer.type === 'alternate') return undefined
      let first = buffer.baseY + buffer.cursorY
      while (first > 0 && buffer.getLine(first)?.isWrapped) first -= 1
      let line = ''
      for (let row = first - 1; row >= 0; row -= 1) {
        line = `${buffer.getLine(row)?.translateToString(false) ?? ''}${line}`
        if (buffer.getLine(row)?.isWrapped !== true) break
      }
      return line.trimEnd()
    })
  }

  /** Gives the terminal up, keeping its state. It wakes by itself. */
  rest(): void {
    const state = this.keyframe()
    // What is half said would be lost, and the other half be read as text.
    if (state === undefined || this.#live === undefined || !isBetween(this.#live.core)) return
    this.#kept = state
    this.#live.terminal.dispose()
    this.#live = undefined
  }

  dispose(): void {
    this.#live?.terminal.dispose()
    this.#live = undefined
    this.#pending = []
  }

  #catchUp(): void {
    if (this.#gathered === 0) return
    const output =
      this.#pending.length === 1 ? (this.#pending[0] as Uint8Array) : Buffer.concat(this.#pending)
    this.#pending = []
    this.#gathered = 0
    this.#guard(() => {
      const { core, terminal } = this.#wake()
      const scrollsWhole = core.buffer.scrollTop === 0 && core.buffer.scrollBottom === terminal.rows - 1
      core.writeSync(scrollsWhole && isBetween(core) ? shorten(output, terminal.rows) : output)
    })
  }

  #wake(): Live {
    if (this.#live !== undefined) return this.#live
    const terminal = new headless.Terminal({
      cols: this.#columns,
      rows: this.#rows,
      scrollback: 0,
      allowProposedApi: true,
      logLevel: 'off',
    })
    const serialize = new serializing.SerializeAddon()
    terminal.loadAddon(serialize)
    // As wide as the terminals of today make them: with the table of 2002 an emoji would move what stands after it.
    terminal.loadAddon(new unicode.Unicode11Addon())
    terminal.unicode.activeVersion = '11'
    const core = (terminal as unknown as { readonly _core: Core })._core
    if (this.#kept.length > 0) core.writeSync(this.#kept)
    this.#live = { terminal, core, serialize }
    return this.#live
  }

  #guard<T>(use: () => T): T | undefined {
    if (this.#isLost) return undefined
    try {
      return use()
    } catch {
      this.#isLost = true
      this.dispose()
      return undefined
    }
  }
}

/** Whether no sequence and no character has begun that later output would end. */
function isBetween({ _inputHandler: { _parser, _utf8Decoder } }: Core): boolean {
  return _parser.currentState === 0 && _utf8Decoder.interim[0] === 0
}

function clamp(value: number, most: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(Math.trunc(value), 1), most) : 80
}
