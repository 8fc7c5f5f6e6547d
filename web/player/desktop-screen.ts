import Guacamole from 'guacamole-common-js'
import { fit } from '../desktop/screen.ts'
import type { Screen } from './playback.ts'

/** Bytes of instructions that may wait to be drawn before the player waits for it. */
const maxPending = 1024 * 1024
/** Milliseconds after which a picture that is not drawn yet is shown as far as it is. */
const longestWait = 2_000

/** A display, and what draws on it. */
type Drawing = {
  readonly element: HTMLElement
  readonly draw: (bytes: Uint8Array) => void
  /** Resolves when all that was drawn before is seen. */
  readonly drawn: () => Promise<void>
  readonly display: InstanceType<typeof Guacamole.Client> extends { getDisplay(): infer D } ? D : never
  readonly close: () => void
}

/** A fresh display, of nobody: what it would answer goes nowhere. */
export function drawing(): Drawing {
  const tunnel = new Guacamole.Tunnel()
  tunnel.connect = () => tunnel.setState(Guacamole.Tunnel.State.OPEN)
  tunnel.disconnect = () => tunnel.setState(Guacamole.Tunnel.State.CLOSED)
  tunnel.sendMessage = () => undefined
  const client = new Guacamole.Client(tunnel)
  const parser = new Guacamole.Parser()
  const decoder = new TextDecoder()
  parser.oninstruction = (opcode, args) => tunnel.oninstruction?.(opcode, args)
  client.connect()
  const display = client.getDisplay()
  return {
    element: display.getElement(),
    display,
    draw: (bytes) => parser.receive(decoder.decode(bytes, { stream: true })),
    drawn: () => new Promise((resolve) => display.flush(resolve)),
    close: () => client.disconnect(),
  }
}

/**
 * A desktop that only shows. What it showed before a jump stays until the picture of the new place is drawn. It holds its
 * picture and a bounded number of instructions, however long the recording is.
 */
export function mountDesktopScreen(host: HTMLElement): Screen & Disposable {
  let shown: { readonly drawing: Drawing; readonly fitting: Disposable } | undefined
  let next: Drawing | undefined
  let pending = 0
  /** Counts fresh displays: what was drawn on an earlier one does not count any more. */
  let turn = 0

  const show = () => {
    if (next === undefined) return
    shown?.fitting[Symbol.dispose]()
    shown?.drawing.close()
    shown?.drawing.element.remove()
    host.append(next.element)
    shown = { drawing: next, fitting: fit(host, next.display) }
    next = undefined
  }
  return {
    reset: () => {
      next?.close()
      next = drawing()
      pending = 0
      turn += 1
    },
    // Its size comes with its instructions.
    resize: () => undefined,
    write: (bytes) => {
      const on = next ?? shown?.drawing
      if (on === undefined) return Promise.resolve()
      const of = turn
      pending += bytes.length
      on.draw(bytes)
      return new Promise((resolve) => {
        void on.drawn().then(() => {
          if (of === turn) pending -= bytes.length
          resolve()
        })
        if (pending < maxPending) resolve()
      })
    },
    settle: async () => {
      const of = turn
      const on = next ?? shown?.drawing
      if (on === undefined) return
      // A picture that cannot be decoded must not hold what follows.
      await Promise.race([on.drawn(), new Promise((resolve) => setTimeout(resolve, longestWait))])
      if (of === turn) show()
    },
    [Symbol.dispose]: () => {
      turn += 1
      next?.close()
      next = undefined
      shown?.fitting[Symbol.dispose]()
      shown?.drawing.close()
      shown?.drawing.element.remove()
      shown = undefined
    },
  }
}
