import { ShownFilter } from '../broker/desktop/desktop-policy.ts'
import { GuacdConnection, type GuacdPlace } from '../broker/desktop/guacd-connection.ts'
import { encodeInstruction } from '../broker/desktop/instruction.ts'

/** Milliseconds for guacd to show a running connection. */
const joinWithin = 10_000
/** How often it is joined before a watch is given up. */
const joinsInARow = 4
/** Bytes that a watcher has not drawn yet, above which they are shown nothing more before they have. */
const mostUndrawn = 2 * 1024 * 1024

/** Where a desktop is watched. `drawn` is called when the bytes were taken. */
export type DesktopViewer = {
  readonly write: (bytes: Uint8Array, drawn: () => void) => void
  /** It cannot be shown any more; `why` is what broke, where something did. */
  readonly over: (why?: Error) => void
}

/**
 * Shows a running desktop to one watcher: guacd shows it from its present picture on, to look at only.
 *
 * INVARIANT: a watcher never slows a session. guacd writes to all who look at once, and would wait for the slowest: what it
 * has is always read, and whoever falls behind leaves, and joins again from the picture of then. SECURITY: nothing of the
 * watcher's reaches guacd but that frames were drawn.
 */
export class DesktopWatch implements Disposable {
  readonly #guacd: GuacdPlace
  readonly #id: string
  readonly #viewer: DesktopViewer
  #desktop: GuacdConnection | undefined
  #undrawn = 0
  #whenDrawn: () => void = () => undefined
  #isOver = false

  constructor(guacd: GuacdPlace, id: string, viewer: DesktopViewer) {
    this.#guacd = guacd
    this.#id = id
    this.#viewer = viewer
    const over = (why?: Error) => {
      if (!this.#isOver) viewer.over(why)
    }
    this.#show().then(
      () => over(),
      (error: unknown) => over(error instanceof Error ? error : new Error(String(error))),
    )
  }

  async #show(): Promise<void> {
    while (!this.#isOver && (await this.#followPatiently())) {
      await new Promise<void>((resolve) => {
        this.#whenDrawn = resolve
        if (this.#undrawn === 0 || this.#isOver) resolve()
      })
    }
  }

  /** The same, joined again where it broke: guacd 1.3 lets in between two pieces of an instruction while much is drawn. */
  async #followPatiently(): Promise<boolean> {
    for (let left = joinsInARow; ; left -= 1) {
      try {
        return await this.#follow()
      } catch (error) {
        if (this.#isOver || left <= 1) throw error
      }
    }
  }

  /** Shows what comes; true when its viewer fell behind, false when there is nothing more. */
  async #follow(): Promise<boolean> {
    const desktop = await GuacdConnection.begin(this.#guacd, { kind: 'join', id: this.#id }, joinWithin)
    this.#desktop = desktop
    try {
      const filter = new ShownFilter()
      for await (const instructions of desktop.instructions()) {
        if (this.#isOver) return false
        // Answered here: what a watcher's browser says goes nowhere.
        for (const one of instructions)
          if (one.opcode === 'sync') desktop.write(encodeInstruction('sync', one.args[0] ?? '0'))
        const shown = instructions.filter((one) => filter.passes(one))
        if (shown.length > 0) this.#write(Buffer.concat(shown.map(({ bytes }) => bytes)))
        if (this.#undrawn > mostUndrawn) return true
      }
      return false
    } finally {
      desktop.close()
    }
  }

  #write(bytes: Uint8Array): void {
    this.#undrawn += bytes.length
    this.#viewer.write(bytes, () => {
      this.#undrawn -= bytes.length
      if (this.#undrawn === 0) this.#whenDrawn()
    })
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#desktop?.close()
    this.#whenDrawn()
  }
}
