import Guacamole from 'guacamole-common-js'
import type { Mask } from '../../vault/contract.ts'
import { openClient } from '../desktop/client.ts'
import { instructionReader } from '../desktop/instructions.ts'
import { fit } from '../desktop/screen.ts'
import { visible } from '../parts/wording.ts'
import { movePixels } from './moved-pixels.ts'
import type { Screen } from './playback.ts'

/** Bytes of instructions that may wait to be drawn before the player waits for it. */
const maxPending = 1024 * 1024
/** Milliseconds after which a picture that is not drawn yet is shown as far as it is. */
const longestWait = 2_000

/** A display, and what draws on it. */
type Drawing = {
  readonly element: HTMLElement
  readonly draw: (bytes: Uint8Array) => void
  /** Whether each frame is shown, or what is drawn is waited for by `drawn` alone. */
  readonly frames: { areShown: boolean }
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
  const { client, close } = openClient(tunnel)
  const decoder = new TextDecoder()
  const frames = { areShown: true }
  // The display waits for the screen at the end of each frame. What nobody sees yet is drawn as one.
  const read = instructionReader((opcode, args) => {
    if (frames.areShown || opcode !== 'sync') tunnel.oninstruction?.(opcode, args)
  })
  client.connect()
  const display = client.getDisplay()
  movePixels(display.getDefaultLayer())
  return {
    element: display.getElement(),
    display,
    frames,
    draw: (bytes) => read(decoder.decode(bytes, { stream: true })),
    drawn: () => new Promise((resolve) => display.flush(resolve)),
    close,
  }
}

/** Hatches what the recording does not hold, with the reason. It grows with the display. */
function hatch(element: HTMLElement, { regions, reason }: Mask): void {
  for (const { unit, x, y, width, height } of regions) {
    const one = document.createElement('div')
    one.className = 'masked-region'
    one.title = `not recorded: ${visible(reason)}`
    one.textContent = one.title
    const sign = unit === 'percent' ? '%' : 'px'
    one.style.left = `${x}${sign}`
    one.style.top = `${y}${sign}`
    one.style.width = `${width}${sign}`
    one.style.height = `${height}${sign}`
    // What scales the display is its first child.
    ;(element.firstElementChild ?? element).append(one)
  }
}

/**
 * A desktop that only shows. What it showed before a jump stays until the picture of the new place is drawn. It holds its
 * picture and a bounded number of instructions, however long the recording is.
 */
export function mountDesktopScreen(host: HTMLElement, mask?: Mask): Screen & Disposable {
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
    next.frames.areShown = true
    shown = { drawing: next, fitting: fit(host, next.display) }
    next = undefined
    pending = 0
  }
  return {
    reset: () => {
      next?.close()
      next = drawing()
      next.frames.areShown = false
      if (mask !== undefined) hatch(next.element, mask)
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
      // On the way to a place nothing is waited for until there is much of it.
      if (on === next && pending < maxPending) return Promise.resolve()
      return new Promise((resolve) => {
        void on.drawn().then(() => {
          if (of === turn) pending = on.frames.areShown ? pending - bytes.length : 0
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
