/** A picture of a film, encoded. `at` in milliseconds from the start. */
export type FilmChunk = { readonly bytes: Uint8Array; readonly at: number; readonly isKey: boolean }

export type FilmFacts = {
  readonly width: number
  readonly height: number
  /** Milliseconds. */
  readonly duration: number
  readonly title: string
}

/** A cluster begins with a key picture after so many milliseconds; its times have 16 bits. */
const clusterMs = 5_000
const mostClusterMs = 30_000

/**
 * Writes VP9 as WebM (Matroska, RFC 9559), from front to back: what `begin` and `add` answer is to be appended. `finish` says what
 * comes last, and what is to be written over at the front, so that players can jump.
 */
export class WebmWriter {
  readonly #clusters: { readonly at: number; readonly offset: number }[] = []
  #size = 0
  /** Where the content of the segment begins: places in the file count from there. */
  #segment = 0
  #clusterAt: number | undefined
  #seekHead = 0

  begin({ width, height, duration, title }: FilmFacts): Uint8Array {
    const head = element(
      0x1a45dfa3,
      element(0x4286, whole(1)),
      element(0x42f7, whole(1)),
      element(0x42f2, whole(4)),
      element(0x42f3, whole(8)),
      element(0x4282, text('webm')),
      element(0x4287, whole(4)),
      element(0x4285, whole(2)),
    )
    const length = new Uint8Array(8)
    length.set([1, 255, 255, 255, 255, 255, 255, 255])
    const segment = join([id(0x18538067), length])
    this.#segment = head.length + segment.length
    this.#seekHead = this.#segment
    const info = element(
      0x1549a966,
      element(0x2ad7b1, whole(1_000_000)),
      element(0x4489, float(duration)),
      element(0x7ba9, text(title)),
      element(0x4d80, text('tagout')),
      element(0x5741, text('tagout')),
    )
    // As browsers encode what is drawn: BT.709 of full range.
    const colour = element(
      0x55b0,
      element(0x55b1, whole(1)),
      element(0x55b9, whole(2)),
      element(0x55ba, whole(1)),
      element(0x55bb, whole(1)),
    )
    const video = element(0xe0, element(0xb0, whole(width)), element(0xba, whole(height)), colour)
    const track = element(
      0xae,
      element(0xd7, whole(1)),
      element(0x73c5, whole(1)),
      element(0x83, whole(1)),
      element(0x86, text('V_VP9')),
      video,
    )
    return this.#append(join([head, segment, seekHead(0), info, element(0x1654ae6b, track)]))
  }

  add({ bytes, at, isKey }: FilmChunk): Uint8Array {
    const time = Math.round(at)
    const pieces: Uint8Array[] = []
    const since = this.#clusterAt === undefined ? Number.POSITIVE_INFINITY : time - this.#clusterAt
    if ((isKey && since >= clusterMs) || since >= mostClusterMs) {
      this.#clusterAt = time
      if (isKey) this.#clusters.push({ at: time, offset: this.#size - this.#segment })
      // Of a length that is not said: it ends where the next one begins.
      pieces.push(
        id(0x1f43b675),
        Uint8Array.of(1, 255, 255, 255, 255, 255, 255, 255),
        element(0xe7, whole(time)),
      )
    }
    const relative = time - (this.#clusterAt ?? 0)
    const block = Uint8Array.of(0x81, (relative >> 8) & 0xff, relative & 0xff, isKey ? 0x80 : 0)
    pieces.push(element(0xa3, block, bytes))
    return this.#append(join(pieces))
  }

  finish(): {
    readonly last: Uint8Array
    readonly over: { readonly offset: number; readonly bytes: Uint8Array }
  } {
    const offset = this.#size - this.#segment
    const points = this.#clusters.map(({ at, offset: place }) =>
      element(
        0xbb,
        element(0xb3, whole(at)),
        element(0xb7, element(0xf7, whole(1)), element(0xf1, whole(place))),
      ),
    )
    return {
      last: element(0x1c53bb6b, ...points),
      over: { offset: this.#seekHead, bytes: seekHead(offset) },
    }
  }

  #append(bytes: Uint8Array): Uint8Array {
    this.#size += bytes.length
    return bytes
  }
}

/** Where the index is; always of the same length. */
function seekHead(offset: number): Uint8Array {
  const place = new Uint8Array(8)
  new DataView(place.buffer).setBigUint64(0, BigInt(offset))
  return element(0x114d9b74, element(0x4dbb, element(0x53ab, id(0x1c53bb6b)), element(0x53ac, place)))
}

function element(name: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = join(content)
  return join([id(name), size(body.length), body])
}

function id(name: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = name; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Uint8Array.from(bytes)
}

/** A length of one to eight bytes, of which the first says how many they are. */
function size(value: number): Uint8Array {
  let count = 1
  while (value >= 2 ** (7 * count) - 1) count += 1
  const bytes = new Uint8Array(count)
  for (let at = count - 1, rest = value; at >= 0; at -= 1, rest = Math.floor(rest / 256))
    bytes[at] = rest % 256
  bytes[0] = (bytes[0] as number) | (0x80 >> (count - 1))
  return bytes
}

function whole(value: number): Uint8Array {
  return value === 0 ? Uint8Array.of(0) : id(value)
}

function float(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setFloat64(0, value)
  return bytes
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
