import headless from '@xterm/headless'
import type { WatchMessage } from '../../recorder/live/protocol.ts'
import { visible } from './io.ts'

type Window = { readonly columns: number; readonly rows: number }
type Cell = NonNullable<ReturnType<NonNullable<ReturnType<headless.IBuffer['getLine']>>['getCell']>>

const most = { columns: 500, rows: 300, terminals: 8 } as const

/**
 * The terminals of a watched session, drawn anew cell by cell.
 *
 * SECURITY: what the target prints never reaches the watcher's own terminal: it could set its title or clipboard, or have it
 * answer. Of it only characters, colours and the place of the cursor are taken over.
 */
export class WatchScreen implements Disposable {
  readonly #terminals = new Map<number, headless.Terminal>()
  readonly #changed: () => void
  #named: number | undefined
  #front: number | undefined
  #pinned: number | undefined
  #painted: readonly string[] = []

  constructor(changed: () => void) {
    this.#changed = changed
  }

  told(message: WatchMessage): void {
    switch (message.kind) {
      case 'screen': {
        const terminal = this.#terminal(message.channel)
        this.#named = message.channel
        this.#show(message.channel)
        // After what waits to be drawn: it is of the screen before.
        return terminal.write('', () => {
          terminal.reset()
          terminal.resize(bound(message.columns, most.columns), bound(message.rows, most.rows))
          this.#changed()
        })
      }
      case 'channel':
        this.#named = message.channel
        this.#show(message.channel)
        return
      case 'resize': {
        const terminal = this.#terminals.get(message.channel)
        return terminal?.write('', () => {
          terminal.resize(bound(message.columns, most.columns), bound(message.rows, most.rows))
          this.#changed()
        })
      }
      case 'closed':
        // What it showed last stays while it is the only one.
        if (this.#terminals.size < 2) return
        this.#drop(message.channel)
        this.#pinned = undefined
        this.#front = [...this.#terminals.keys()].at(-1)
        return this.#changed()
      case 'mark':
        return
    }
  }

  /** Takes bytes of the terminal that was named last; `drawn` is called when they have been. */
  output(bytes: Uint8Array, drawn: () => void): void {
    const terminal = this.#named === undefined ? undefined : this.#terminals.get(this.#named)
    if (terminal === undefined) return drawn()
    terminal.write(bytes, () => {
      this.#changed()
      drawn()
    })
  }

  /** Keeps one terminal in front, whatever else prints: the one that keys go into. Undefined: the one that printed last. */
  pin(): number | undefined {
    this.#pinned = this.#front
    return this.#front
  }

  unpin(): void {
    this.#pinned = undefined
  }

  #show(channel: number): void {
    if (this.#pinned === undefined) this.#front = channel
  }

  /** Has the next picture be drawn whole. */
  forget(): void {
    this.#painted = []
  }

  /** What makes of the last picture the present one, in a window whose last row is `status`. */
  paint({ columns, rows }: Window, status: string): string {
    const lines = [
      ...this.#lines(columns, rows - 1),
      `\x1b[7m${visible(status).slice(0, columns).padEnd(columns)}`,
    ]
    const changes = lines.flatMap((line, row) =>
      line === this.#painted[row] ? [] : [`\x1b[${row + 1};1H\x1b[0m${line}\x1b[0m\x1b[K`],
    )
    this.#painted = lines
    return changes.length === 0 ? '' : `\x1b[?25l${changes.join('')}`
  }

  [Symbol.dispose](): void {
    for (const channel of [...this.#terminals.keys()]) this.#drop(channel)
  }

  #terminal(channel: number): headless.Terminal {
    const known = this.#terminals.get(channel)
    if (known !== undefined) return known
    if (this.#terminals.size >= most.terminals) this.#drop([...this.#terminals.keys()][0] as number)
    const made = new headless.Terminal({ scrollback: 0, allowProposedApi: true, logLevel: 'off' })
    this.#terminals.set(channel, made)
    return made
  }

  #drop(channel: number): void {
    this.#terminals.get(channel)?.dispose()
    this.#terminals.delete(channel)
  }

  /** The part of the terminal that has the cursor in it, where the window is smaller. */
  #lines(columns: number, rows: number): readonly string[] {
    const terminal = this.#front === undefined ? undefined : this.#terminals.get(this.#front)
    if (terminal === undefined) return Array.from({ length: rows }, () => '')
    const buffer = terminal.buffer.active
    const top = Math.max(0, Math.min(buffer.cursorY - rows + 1, terminal.rows - rows))
    const cell = buffer.getNullCell()
    return Array.from({ length: rows }, (_, index) => {
      const row = top + index
      const line = row < terminal.rows ? buffer.getLine(buffer.baseY + row) : undefined
      if (line === undefined) return ''
      let text = ''
      let style = ''
      for (let column = 0; column < Math.min(columns, terminal.cols); column += 1) {
        const found = line.getCell(column, cell)
        // The second half of a wide character has none of its own.
        if (found === undefined || found.getWidth() === 0) continue
        if (found.getWidth() > Math.min(columns, terminal.cols) - column) break
        const isCursor = row === buffer.cursorY && column === buffer.cursorX
        const next = styleOf(found, isCursor)
        if (next !== style) text += `\x1b[0m${next}`
        style = next
        text += found.isInvisible() !== 0 ? ' ' : plain(found.getChars())
      }
      return style === '' ? text.trimEnd() : text
    })
  }
}

/** What stands in a cell, without what changes the direction of what follows. */
function plain(chars: string): string {
  const shown = chars.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
  return shown === '' ? ' ' : shown
}

function styleOf(cell: Cell, isCursor: boolean): string {
  const codes: (string | number)[] = []
  if (cell.isBold() !== 0) codes.push(1)
  if (cell.isDim() !== 0) codes.push(2)
  if (cell.isItalic() !== 0) codes.push(3)
  if (cell.isUnderline() !== 0) codes.push(4)
  if ((cell.isInverse() !== 0) !== isCursor) codes.push(7)
  if (cell.isFgPalette()) codes.push(38, 5, cell.getFgColor())
  else if (cell.isFgRGB()) codes.push(38, 2, ...rgb(cell.getFgColor()))
  if (cell.isBgPalette()) codes.push(48, 5, cell.getBgColor())
  else if (cell.isBgRGB()) codes.push(48, 2, ...rgb(cell.getBgColor()))
  return codes.length === 0 ? '' : `\x1b[${codes.join(';')}m`
}

function rgb(colour: number): readonly number[] {
  return [(colour >> 16) & 255, (colour >> 8) & 255, colour & 255]
}

function bound(value: number, limit: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(Math.trunc(value), 1), limit) : 80
}
