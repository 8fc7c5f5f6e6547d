/** What is used of guacamole-common-js 1.5.0, Apache Guacamole's own client, which has no types. */
declare module 'guacamole-common-js' {
  class Tunnel {
    static readonly State: { readonly CONNECTING: 0; readonly OPEN: 1; readonly CLOSED: 2 }
    connect: (data?: string) => void
    disconnect: () => void
    sendMessage: (...elements: readonly (string | number)[]) => void
    readonly oninstruction: ((opcode: string, args: string[]) => void) | null
    setState(state: number): void
  }
  /** What is drawn on: the default layer is the screen of the machine. */
  type Layer = {
    getCanvas(): HTMLCanvasElement
    copy: (
      from: Layer,
      sourceX: number,
      sourceY: number,
      width: number,
      height: number,
      x: number,
      y: number,
    ) => void
    drawImage: (x: number, y: number, image: HTMLImageElement | ImageBitmap) => void
  }
  class Display {
    oncursor: ((canvas: HTMLCanvasElement, x: number, y: number) => void) | null
    onresize: ((width: number, height: number) => void) | null
    getElement(): HTMLElement
    getDefaultLayer(): Layer
    getWidth(): number
    getHeight(): number
    scale(scale: number): void
    showCursor(shown: boolean): void
    /** Calls back when all that was drawn before is seen. */
    flush(done: () => void): void
    /** A picture of all its layers. */
    flatten(): HTMLCanvasElement
  }
  type MouseState = {
    readonly x: number
    readonly y: number
    readonly left?: boolean
    readonly middle?: boolean
    readonly right?: boolean
    readonly up?: boolean
    readonly down?: boolean
  }
  class Client {
    constructor(tunnel: Tunnel)
    onerror: ((status: { readonly code: number }) => void) | null
    connect(data?: string): void
    disconnect(): void
    getDisplay(): Display
    sendSize(width: number, height: number): void
    sendKeyEvent(pressed: 0 | 1, keysym: number): void
    sendMouseState(state: MouseState, applyDisplayScale: boolean): void
  }
  class Mouse {
    constructor(element: HTMLElement)
    onmousedown: ((state: MouseState) => void) | null
    onmouseup: ((state: MouseState) => void) | null
    onmousemove: ((state: MouseState) => void) | null
    setCursor(canvas: HTMLCanvasElement, x: number, y: number): boolean
    /** Fingers on a screen in the place of a mouse: a tap clicks, a long one is the right button, two fingers scroll. */
    static readonly Touchscreen: new (
      element: HTMLElement,
    ) => {
      onmousedown: ((state: MouseState) => void) | null
      onmouseup: ((state: MouseState) => void) | null
      onmousemove: ((state: MouseState) => void) | null
    }
  }
  class Keyboard {
    constructor(element: HTMLElement)
    onkeydown: ((keysym: number) => boolean) | null
    onkeyup: ((keysym: number) => void) | null
    reset(): void
  }
  const Guacamole: {
    readonly Tunnel: typeof Tunnel
    readonly Client: typeof Client
    readonly Mouse: typeof Mouse
    readonly Keyboard: typeof Keyboard
  }
  export default Guacamole
  export type { Display, Layer, MouseState, Tunnel }
}
