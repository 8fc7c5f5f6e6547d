import type { Layer } from 'guacamole-common-js'

/** The picture of a layer in memory while parts of it are moved, and what of it the canvas does not show yet. */
type Held = {
  readonly picture: ImageData
  readonly pixels: Uint32Array
  left: number
  top: number
  right: number
  bottom: number
}
type Box = { readonly x: number; readonly y: number; readonly width: number; readonly height: number }

/** Channel masks under which what is opaque replaces what was there: SRC and OVER of the Guacamole protocol. */
const replaces = [0xc, 0xe]
/** After these the layer's own context alone knows where it draws. */
const bends = new Set(['clip', 'transform', 'setTransform', 'push', 'pop'])

/**
 * Has a layer move parts of itself in memory, where it costs what the bytes cost. A canvas takes a copy of its whole picture
 * before it draws onto itself, and a terminal that scrolls by one line does it eight times (guacd 1.3).
 *
 * The picture is read once and put back once for all that is drawn before the page gets its turn. Images that come between are
 * drawn into it; before anything else it is put back.
 */
export function movePixels(layer: Layer): void {
  const own: Pick<Layer, 'copy' | 'drawImage'> = {
    copy: layer.copy.bind(layer),
    drawImage: layer.drawImage.bind(layer),
  }
  const canvas = layer.getCanvas()
  const context = canvas.getContext('2d')
  const scratch = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  if (context === null || scratch === null) return
  let held: Held | undefined
  let isStraight = true
  let mask = 0xe

  const putBack = () => {
    if (held === undefined) return
    const { picture, left, top, right, bottom } = held
    held = undefined
    if (right > left) context.putImageData(picture, 0, 0, left, top, right - left, bottom - top)
  }
  const hold = (): Held => {
    if (held !== undefined) return held
    const picture = context.getImageData(0, 0, canvas.width, canvas.height)
    const pixels = new Uint32Array(picture.data.buffer)
    held = { picture, pixels, left: canvas.width, top: canvas.height, right: 0, bottom: 0 }
    queueMicrotask(putBack)
    return held
  }
  const isInside = ({ x, y, width, height }: Box) =>
    width > 0 && height > 0 && x >= 0 && y >= 0 && x + width <= canvas.width && y + height <= canvas.height
  const isPlain = (box: Box) => isStraight && replaces.includes(mask) && isInside(box)

  const anyLayer = layer as unknown as Record<string, unknown>
  for (const [name, act] of Object.entries(anyLayer)) {
    if (typeof act !== 'function') continue
    anyLayer[name] = (...args: readonly unknown[]) => {
      if (name === 'setChannelMask') mask = Number(args[0])
      else putBack()
      if (bends.has(name)) isStraight = false
      else if (name === 'reset') isStraight = true
      return Reflect.apply(act, layer, args)
    }
  }
  layer.copy = (from, sourceX, sourceY, width, height, x, y) => {
    const to = { x, y, width, height }
    if (from !== layer || !isPlain(to) || !isInside({ ...to, x: sourceX, y: sourceY })) {
      putBack()
      own.copy(from, sourceX, sourceY, width, height, x, y)
      return
    }
    const on = hold()
    moveWithin(on.pixels, canvas.width, { x: sourceX, y: sourceY }, to)
    grow(on, to)
  }
  layer.drawImage = (x, y, image) => {
    const to = { x, y, width: image.width, height: image.height }
    const drawn = held !== undefined && isPlain(to) ? opaquePixels(scratch, image) : undefined
    if (held === undefined || drawn === undefined) {
      putBack()
      own.drawImage(x, y, image)
      return
    }
    for (let row = 0; row < to.height; row += 1)
      held.pixels.set(drawn.subarray(row * to.width, (row + 1) * to.width), (y + row) * canvas.width + x)
    grow(held, to)
  }
}

/** Moves a part of a picture, whose lines are `line` pixels long, to where it may overlap what it was. */
export function moveWithin(
  pixels: Uint32Array,
  line: number,
  from: Pick<Box, 'x' | 'y'>,
  { x, y, width, height }: Box,
): void {
  for (let row = 0; row < height; row += 1) {
    // What is still to be read is not written over.
    const at = y <= from.y ? row : height - 1 - row
    const start = (from.y + at) * line + from.x
    pixels.copyWithin((y + at) * line + x, start, start + width)
  }
}

function grow(held: Held, { x, y, width, height }: Box): void {
  held.left = Math.min(held.left, x)
  held.top = Math.min(held.top, y)
  held.right = Math.max(held.right, x + width)
  held.bottom = Math.max(held.bottom, y + height)
}

/** The pixels of an image; undefined: some of them let through what is below. */
function opaquePixels(
  scratch: CanvasRenderingContext2D,
  image: Parameters<Layer['drawImage']>[2],
): Uint32Array | undefined {
  const { width, height } = image
  scratch.canvas.width = width
  scratch.canvas.height = height
  scratch.drawImage(image, 0, 0)
  const { data } = scratch.getImageData(0, 0, width, height)
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return undefined
  return new Uint32Array(data.buffer)
}
