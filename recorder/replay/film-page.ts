import type { Mask } from '../../vault/contract.ts'
import type { FilmChunk } from './webm.ts'

/** What is used here of guacamole-common-js. */
export type GuacamoleLibrary = {
  readonly Tunnel: new () => {
    connect: () => void
    sendMessage: () => void
    oninstruction?: ((opcode: string, args: string[]) => void) | null
  }
  readonly Client: new (
    tunnel: never,
  ) => {
    connect: () => void
    disconnect: () => void
    getDisplay: () => {
      getWidth: () => number
      getHeight: () => number
      flush: (done: () => void) => void
      flatten: () => HTMLCanvasElement
    }
  }
  readonly Parser: new () => {
    oninstruction: ((opcode: string, args: string[]) => void) | null
    receive: (text: string) => void
  }
}

export type FilmWords = {
  /** Stands under the picture all the time, and the moment behind it. */
  readonly line: string
  /** Milliseconds since 1970 of the film's start. */
  readonly startedAt: number
  /** Where the recording holds nothing. */
  readonly mask?: Mask
}

export type FilmPage = {
  /** Draws instructions, and puts what is seen then into the film at `at` (milliseconds). Answers what is encoded so far. */
  readonly step: (instructions: string, at: number) => Promise<readonly FilmChunk[]>
  /** Size of the film; undefined before the desktop has one. */
  readonly size: () => { readonly width: number; readonly height: number } | undefined
  readonly finish: () => Promise<readonly FilmChunk[]>
  readonly close: () => void
}

/**
 * Draws a desktop's instructions in a page, and encodes what is seen as VP9. Under the picture stands a line of words: what is
 * filmed, and when.
 *
 * It stands alone: the console calls it, and `tagout` hands its text to a browser. So it uses nothing from outside of itself.
 */
export function makeFilm(library: GuacamoleLibrary, { line, startedAt, mask }: FilmWords): FilmPage {
  const strip = 28
  const keyEveryMs = 10_000
  const mostQueued = 8
  const longestWait = 5_000
  const tunnel = new library.Tunnel()
  tunnel.connect = () => undefined
  tunnel.sendMessage = () => undefined
  const client = new library.Client(tunnel as never)
  const parser = new library.Parser()
  const display = client.getDisplay()
  let pointer: readonly [number, number] | undefined
  parser.oninstruction = (opcode, args) => {
    if (opcode === 'mouse') pointer = [Number(args[0]), Number(args[1])]
    // The display would wait for the screen at the end of each frame.
    if (opcode !== 'sync') tunnel.oninstruction?.(opcode, args)
  }
  client.connect()
  const canvas = document.createElement('canvas')
  const context = canvas.getContext('2d', { alpha: false })
  if (context === null) throw new Error('this browser draws no pictures')
  let size: { readonly width: number; readonly height: number } | undefined
  let chunks: FilmChunk[] = []
  let failure: Error | undefined
  let keyAt = Number.NEGATIVE_INFINITY
  const encoder = new VideoEncoder({
    output: (chunk) => {
      const bytes = new Uint8Array(chunk.byteLength)
      chunk.copyTo(bytes)
      chunks.push({ bytes, at: chunk.timestamp / 1000, isKey: chunk.type === 'key' })
    },
    error: (error) => {
      failure = error
    },
  })
  const takeChunks = () => {
    if (failure !== undefined) throw failure
    const taken = chunks
    chunks = []
    return taken
  }
  const begin = () => {
    const [width, height] = [display.getWidth(), display.getHeight()]
    if (width < 2 || height < 2) return
    // An even number of pixels, as codecs want them. A screen that gets another size later is fitted in.
    size = { width: Math.max(640, width + (width % 2)), height: height + (height % 2) + strip }
    canvas.width = size.width
    canvas.height = size.height
    encoder.configure({
      codec: 'vp09.00.51.08',
      ...size,
      bitrate: Math.max(1_000_000, size.width * size.height * 4),
      latencyMode: 'quality',
    })
  }
  /** Hatches what the recording does not hold, with the reason, as the player does. */
  const hatch = (seen: HTMLCanvasElement, scale: number) => {
    for (const { unit, x, y, width, height } of mask?.regions ?? []) {
      const [wide, high] = unit === 'percent' ? [seen.width / 100, seen.height / 100] : [1, 1]
      const edges = [x * wide, y * high, width * wide, height * high] as const
      const [left, top, across, down] = edges.map((edge) => edge * scale) as [number, number, number, number]
      context.save()
      context.beginPath()
      context.rect(left, top, Math.min(across, seen.width * scale - left), down)
      context.clip()
      context.fillStyle = '#4d4d4d'
      context.fill()
      context.strokeStyle = '#6a6e73'
      context.lineWidth = 8
      context.beginPath()
      for (let from = left - down; from < left + across; from += 24) {
        context.moveTo(from, top)
        context.lineTo(from + down, top + down)
      }
      context.stroke()
      context.fillStyle = '#fff'
      context.font = '14px sans-serif'
      context.textBaseline = 'top'
      context.fillText(`not recorded: ${mask?.reason ?? ''}`, left + 8, top + 4, Math.max(1, across - 16))
      context.restore()
    }
  }
  const paint = (at: number) => {
    const room = { width: canvas.width, height: canvas.height - strip }
    context.fillStyle = '#000'
    context.fillRect(0, 0, canvas.width, canvas.height)
    const seen = display.flatten()
    if (seen.width > 0 && seen.height > 0) {
      const scale = Math.min(1, room.width / seen.width, room.height / seen.height)
      context.drawImage(seen, 0, 0, seen.width * scale, seen.height * scale)
      hatch(seen, scale)
      if (pointer !== undefined) {
        const [x, y] = [pointer[0] * scale, pointer[1] * scale]
        context.beginPath()
        context.moveTo(x, y)
        context.lineTo(x, y + 16)
        context.lineTo(x + 4, y + 12)
        context.lineTo(x + 11, y + 11)
        context.closePath()
        context.fillStyle = '#fff'
        context.strokeStyle = '#000'
        context.fill()
        context.stroke()
      }
    }
    context.fillStyle = '#151515'
    context.fillRect(0, room.height, canvas.width, strip)
    context.fillStyle = '#fff'
    context.font = '13px monospace'
    context.textBaseline = 'middle'
    const moment = new Date(startedAt + at).toISOString().replace('T', ' ').slice(0, 19)
    const words = `${moment} UTC  ${line}`
    context.fillText(words, 8, room.height + strip / 2, canvas.width - 16)
  }
  const drawn = () =>
    // A picture that cannot be decoded must not hold the film.
    Promise.race([
      new Promise<void>((resolve) => display.flush(resolve)),
      new Promise<void>((resolve) => setTimeout(resolve, longestWait)),
    ])
  return {
    size: () => size,
    step: async (instructions, at) => {
      parser.receive(instructions)
      await drawn()
      if (size === undefined) begin()
      if (size === undefined) return []
      paint(at)
      const frame = new VideoFrame(canvas, { timestamp: Math.round(at * 1000) })
      const keyFrame = at - keyAt >= keyEveryMs
      if (keyFrame) keyAt = at
      encoder.encode(frame, { keyFrame })
      frame.close()
      while (encoder.encodeQueueSize > mostQueued && failure === undefined)
        await new Promise<void>((resolve) =>
          encoder.addEventListener('dequeue', () => resolve(), { once: true }),
        )
      return takeChunks()
    },
    finish: async () => {
      if (size !== undefined) await encoder.flush()
      return takeChunks()
    },
    close: () => {
      if (encoder.state !== 'closed') encoder.close()
      client.disconnect()
    },
  }
}
