import Guacamole, { type Display, type MouseState } from 'guacamole-common-js'
import { openClient } from './client.ts'
import { encode, instructionReader } from './instructions.ts'
import { listenToPen } from './pen.ts'

export type DesktopScreen = Disposable & {
  /** Draws instructions; `taken` is called when they are read. */
  readonly write: (bytes: Uint8Array, taken: () => void) => void
  /** Presses and lets go of keys together, by X11 keysyms. */
  readonly press: (...keysyms: readonly number[]) => void
  readonly focus: () => void
  /** Has a device without keys of its own show its keyboard, where this user uses the desktop. */
  readonly showKeyboard: () => void
  readonly blur: () => void
  /** As large as there is room for, or pixel by pixel. */
  readonly scaleTo: (scaling: Scaling) => void
  /**
   * Its mouse and keys are the user's from here on; null: it is only looked at. `own` says whether a key is one of the
   * page's own, which goes nowhere else.
   */
  readonly use: (own: ((event: KeyboardEvent) => boolean) | null) => void
}

/** How a desktop is shown: no larger than there is room for, or as large as it is, to be moved about. */
export type Scaling = 'fit' | 'actual'

/** The other end of a desktop: it takes instructions. */
export type DesktopEnd = {
  readonly send: (bytes: Uint8Array) => void
  /** It is watched: it takes keys and the mouse alone, and only when they are this user's. */
  readonly isWatched?: true
  /** Takes instructions that are no picture's; true: they are none of the display's. */
  readonly hears?: (opcode: string, args: readonly string[]) => boolean
}

/** Puts a desktop into `host`, as large as there is room for and no larger than it is. */
export function mountDesktop(host: HTMLElement, end: DesktopEnd): DesktopScreen {
  const tunnel = new Guacamole.Tunnel()
  const decoder = new TextDecoder()
  const { client, close } = openClient(tunnel)
  tunnel.connect = () => tunnel.setState(Guacamole.Tunnel.State.OPEN)
  tunnel.disconnect = () => tunnel.setState(Guacamole.Tunnel.State.CLOSED)
  let listening: Disposable | undefined
  tunnel.sendMessage = (...elements) => {
    const isInput = elements[0] === 'key' || elements[0] === 'mouse' || elements[0] === 'size'
    if (isInput ? listening !== undefined : end.isWatched !== true) end.send(encode(elements))
  }
  const read = instructionReader((opcode, args) => {
    if (end.hears?.(opcode, args) !== true) tunnel.oninstruction?.(opcode, args)
  })
  const display = client.getDisplay()
  const element = display.getElement()
  host.append(element)
  const fitting = fit(host, display)
  let room: ReturnType<typeof setTimeout> | undefined
  const watchingRoom = new ResizeObserver(() => {
    clearTimeout(room)
    // A window that is dragged is measured when it rests.
    room = setTimeout(() => {
      if (listening !== undefined && end.isWatched !== true) tellRoom(host, client)
    }, roomRestsMs)
  })
  watchingRoom.observe(host)
  client.connect()
  return {
    write: (bytes, taken) => {
      read(decoder.decode(bytes, { stream: true }))
      taken()
    },
    press: (...keysyms) => {
      for (const keysym of keysyms) client.sendKeyEvent(1, keysym)
      for (const keysym of keysyms.toReversed()) client.sendKeyEvent(0, keysym)
    },
    focus: () => host.focus(),
    showKeyboard: () => host.querySelector('textarea')?.focus(),
    blur: () => host.blur(),
    scaleTo: (scaling) => fitting.scaleTo(scaling),
    use: (own) => {
      listening?.[Symbol.dispose]()
      listening = own === null ? undefined : listen(host, element, client, display, own)
      if (listening !== undefined && end.isWatched !== true) tellRoom(host, client)
    },
    [Symbol.dispose]: () => {
      listening?.[Symbol.dispose]()
      fitting[Symbol.dispose]()
      watchingRoom.disconnect()
      clearTimeout(room)
      close()
      element.remove()
    },
  }
}

const roomRestsMs = 300

/** Says how many pixels there is room for: a machine that can shows as many, any other is scaled. */
function tellRoom(host: HTMLElement, client: InstanceType<typeof Guacamole.Client>): void {
  const within = (pixels: number) => Math.min(8192, Math.max(200, Math.floor(pixels)))
  // Whole words of pixels, as some servers take only such widths.
  client.sendSize(within(host.clientWidth) & ~3, within(host.clientHeight))
}

/** Keeps a display as large as `host` has room for, and no larger than it is unless the whole screen is its. */
export function fit(
  host: HTMLElement,
  display: Display,
): Disposable & { readonly scaleTo: (scaling: Scaling) => void } {
  let scaling: Scaling = 'fit'
  const scale = () => {
    const [wide, high] = [display.getWidth(), display.getHeight()]
    if (wide === 0 || high === 0) return
    const most = document.fullscreenElement === null ? 1 : 4
    const fitted = Math.max(0.1, Math.min(most, host.clientWidth / wide, host.clientHeight / high))
    const by = scaling === 'actual' ? 1 : fitted
    display.scale(by)
    // Words over the picture are scaled with it, and must be read.
    host.style.setProperty('--desktop-scale', String(by))
  }
  display.onresize = scale
  const observer = new ResizeObserver(scale)
  observer.observe(host)
  return {
    scaleTo: (wanted) => {
      scaling = wanted
      scale()
    },
    [Symbol.dispose]: () => observer.disconnect(),
  }
}

function listen(
  host: HTMLElement,
  element: HTMLElement,
  client: InstanceType<typeof Guacamole.Client>,
  display: Display,
  own: (event: KeyboardEvent) => boolean,
): Disposable {
  const abort = new AbortController()
  const { signal } = abort
  // Before the keyboard of the desktop hears it.
  host.addEventListener(
    'keydown',
    (event) => {
      if (!own(event)) return
      event.preventDefault()
      event.stopImmediatePropagation()
      keyboard.reset()
    },
    { capture: true, signal },
  )
  const keyboard = new Guacamole.Keyboard(host)
  keyboard.onkeydown = (keysym) => {
    client.sendKeyEvent(1, keysym)
    return false
  }
  keyboard.onkeyup = (keysym) => client.sendKeyEvent(0, keysym)
  // What is pressed when somebody goes elsewhere is let go.
  host.addEventListener('blur', () => keyboard.reset(), { signal })
  const mouse = new Guacamole.Mouse(element)
  const move = (state: MouseState) => client.sendMouseState(state, true)
  const pointers = [mouse, new Guacamole.Mouse.Touchscreen(element)]
  for (const pointer of pointers) {
    pointer.onmousemove = move
    pointer.onmouseup = move
    pointer.onmousedown = (state) => {
      if (!host.contains(document.activeElement)) host.focus()
      move(state)
    }
  }
  listenToPen(host, element, move, signal)
  // Devices show their keyboard for a field of text alone; what is typed into it comes to the keyboard above.
  const field = document.createElement('textarea')
  field.className = 'desktop-keys'
  field.tabIndex = -1
  field.setAttribute('aria-label', 'Keys for the desktop')
  field.setAttribute('autocapitalize', 'off')
  field.autocomplete = 'off'
  field.spellcheck = false
  field.addEventListener('blur', () => keyboard.reset(), { signal })
  // It keeps nothing of what was typed.
  field.addEventListener(
    'input',
    () => {
      field.value = ''
    },
    { signal },
  )
  host.append(field)
  display.showCursor(false)
  display.oncursor = (canvas, x, y) => {
    if (!mouse.setCursor(canvas, x, y)) display.showCursor(true)
  }
  return {
    [Symbol.dispose]: () => {
      abort.abort()
      keyboard.onkeydown = null
      keyboard.onkeyup = null
      for (const pointer of pointers) {
        pointer.onmousemove = null
        pointer.onmouseup = null
        pointer.onmousedown = null
      }
      field.remove()
      display.oncursor = null
      element.style.cursor = ''
      display.showCursor(true)
    },
  }
}
