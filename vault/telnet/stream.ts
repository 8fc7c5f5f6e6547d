import { Fault } from '../kernel/fault.ts'

/** A piece of what one end of Telnet sends (RFC 854): text, or a command of the protocol, whole. */
export type TelnetPiece = { readonly kind: 'text' | 'command'; readonly bytes: Buffer }

const iac = 255
const sb = 250
const se = 240
/** WILL, WONT, DO, DONT: an option follows. */
const withOption = [251, 252, 253, 254]
const mostCommand = 4_096

/** Takes apart what one end of Telnet sends, in whatever pieces it comes. What it holds is bounded. */
export class TelnetStream {
  #command: number[] = []

  /** What has come of a command that is not whole yet. */
  get rest(): Buffer {
    return Buffer.from(this.#command)
  }

  push(chunk: Uint8Array): TelnetPiece[] {
    const pieces: TelnetPiece[] = []
    let text: number[] = []
    const flush = () => {
      if (text.length > 0) pieces.push({ kind: 'text', bytes: Buffer.from(text) })
      text = []
    }
    for (const byte of chunk) {
      if (this.#command.length === 0 && byte !== iac) {
        text.push(byte)
        continue
      }
      this.#command.push(byte)
      if (this.#command.length > mostCommand) throw new Fault('protocol', 'a command of Telnet without end')
      if (!isWhole(this.#command)) continue
      const isText = this.#command.length === 2 && byte === iac
      flush()
      pieces.push({ kind: isText ? 'text' : 'command', bytes: Buffer.from(this.#command) })
      this.#command = []
    }
    flush()
    return pieces
  }
}

function isWhole(command: readonly number[]): boolean {
  const [, what] = command
  if (what === undefined) return false
  if (withOption.includes(what)) return command.length === 3
  if (what !== sb) return true
  return command.length >= 4 && command.at(-1) === se && command.at(-2) === iac
}
