import type { MouseState } from 'guacamole-common-js'

/** Bits of `buttons` of a pen: its barrel button, and the end that rubs out (Pointer Events, 11.1.1.2). */
const barrel = 2
const rubber = 32

/**
 * A pen as a mouse: its tip is the left button, the button at its side and its other end the right one; how hard it is
 * pressed says nothing. What the browser makes of it besides, touches or a mouse of its own, is kept from the desktop.
 */
export function listenToPen(
  host: HTMLElement,
  element: HTMLElement,
  move: (state: Required<MouseState>) => void,
  signal: AbortSignal,
): void {
  let isNear = false
  const hear = (event: PointerEvent) => {
    if (event.pointerType !== 'pen') return
    isNear = true
    event.preventDefault()
    const { left, top } = element.getBoundingClientRect()
    const right = (event.buttons & (barrel | rubber)) !== 0
    if (event.type === 'pointerdown') {
      // Also where it is drawn beyond the desktop's edge.
      if (event.isTrusted) element.setPointerCapture(event.pointerId)
      host.focus()
    }
    move({
      x: event.clientX - left,
      y: event.clientY - top,
      left: (event.buttons & 1) !== 0 && !right,
      middle: false,
      right,
      up: false,
      down: false,
    })
  }
  for (const name of ['pointerdown', 'pointermove', 'pointerup', 'pointercancel'] as const)
    element.addEventListener(name, hear, { signal })
  const away = (event: PointerEvent) => {
    if (event.pointerType !== 'pen') isNear = false
  }
  element.addEventListener('pointerdown', away, { capture: true, signal })
  element.addEventListener('pointermove', away, { capture: true, signal })
  const keep = (event: Event) => {
    if (isNear) event.stopImmediatePropagation()
  }
  // Before the mouse and the fingers of the desktop hear them.
  for (const name of ['mousedown', 'mousemove', 'mouseup', 'touchstart', 'touchmove', 'touchend'] as const)
    host.addEventListener(name, keep, { capture: true, signal })
}
