import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib'

/** A secret that must be nowhere but where it was put. */
export type Canary = { readonly name: string; readonly bytes: Buffer }
/** Where which canary was found, and in which form. */
export type Hit = { readonly sink: string; readonly canary: string; readonly form: string }

type Form = { readonly name: string; readonly bytes: Buffer }

/** All the forms in which a secret may lie somewhere. */
export function formsOf(secret: Buffer): readonly Form[] {
  const text = secret.toString('utf8')
  const isText = Buffer.from(text).equals(secret)
  const hex = secret.toString('hex')
  const forms: Form[] = [
    { name: 'as it is', bytes: secret },
    { name: 'hex', bytes: Buffer.from(hex) },
    { name: 'HEX', bytes: Buffer.from(hex.toUpperCase()) },
    { name: 'reversed', bytes: Buffer.from(secret).reverse() },
    { name: 'xor 0xff', bytes: Buffer.from(secret.map((byte) => byte ^ 0xff)) },
    ...base64Forms(secret),
  ]
  for (const digest of ['md5', 'sha1', 'sha256', 'sha512'] as const) {
    const hashed = createHash(digest).update(secret).digest()
    forms.push({ name: digest, bytes: hashed })
    forms.push({ name: `${digest} in hex`, bytes: Buffer.from(hashed.toString('hex')) })
    forms.push({
      name: `${digest} in base64`,
      bytes: Buffer.from(hashed.toString('base64').replace(/=+$/, '')),
    })
  }
  if (isText) {
    const utf16 = Buffer.from(text, 'utf16le')
    const once = encodeURIComponent(text)
    const escaped = [...text]
      .map((char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
      .join('')
    const jsonAscii = JSON.stringify(text)
      .slice(1, -1)
      .replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    const html = text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
    const quoted = [...secret]
      .map((byte) =>
        byte >= 33 && byte <= 126 && byte !== 61
          ? String.fromCharCode(byte)
          : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`,
      )
      .join('')
    forms.push(
      { name: 'utf-16le', bytes: utf16 },
      { name: 'utf-16be', bytes: Buffer.from(utf16).swap16() },
      { name: 'url', bytes: Buffer.from(once) },
      { name: 'url twice', bytes: Buffer.from(encodeURIComponent(once)) },
      { name: 'json escapes', bytes: Buffer.from(escaped) },
      { name: 'json', bytes: Buffer.from(jsonAscii) },
      { name: 'html', bytes: Buffer.from(html) },
      { name: 'quoted-printable', bytes: Buffer.from(quoted) },
    )
  }
  const seen = new Set<string>()
  return forms.filter(({ bytes }) => {
    const key = bytes.toString('latin1')
    if (bytes.length < 6 || seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/** Base64 of a secret that begins at any place of a longer text: the characters that do not depend on its neighbours. */
function base64Forms(secret: Buffer): readonly Form[] {
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), secret])
      .toString('base64')
      .replace(/=+$/, '')
    const first = before === 0 ? 0 : before + 1
    const last = (secret.length + before) % 3 === 0 ? text.length : text.length - 1
    const sure = text.slice(first, last)
    return [
      { name: `base64 at ${before}`, bytes: Buffer.from(sure) },
      { name: `base64url at ${before}`, bytes: Buffer.from(sure.replaceAll('+', '-').replaceAll('/', '_')) },
    ]
  })
}

type Needle = { readonly canary: string; readonly form: string; readonly bytes: Buffer }

/** A search for canaries in all their forms, in what a sink holds and in what is compressed inside it. */
export class CanaryScan {
  readonly hits: Hit[] = []
  readonly sinks = new Map<string, number>()
  /** Which pairs of bytes any needle begins with: hundreds of needles are looked for in one pass. */
  readonly #begins = new Uint8Array(65_536)
  readonly #byBegin = new Map<number, Needle[]>()

  constructor(canaries: readonly Canary[]) {
    for (const { name, bytes } of canaries)
      for (const form of formsOf(bytes)) {
        const begin = form.bytes.readUInt16LE(0)
        this.#begins[begin] = 1
        const needle = { canary: name, form: form.name, bytes: form.bytes }
        this.#byBegin.set(begin, [...(this.#byBegin.get(begin) ?? []), needle])
      }
  }

  /** Searches these bytes. */
  look(sink: string, content: Uint8Array | string, unpack = true): void {
    const bytes =
      typeof content === 'string'
        ? Buffer.from(content)
        : Buffer.from(content.buffer, content.byteOffset, content.length)
    this.sinks.set(sink, (this.sinks.get(sink) ?? 0) + bytes.length)
    this.#search(sink, bytes, '')
    if (!unpack) return
    for (const inner of decompressed(bytes)) this.#search(sink, inner.bytes, ` in ${inner.how}`)
  }

  /** Searches all files below a folder, except those of which `except` says so. */
  lookInFolder(sink: string, folder: string, except: (path: string) => boolean = () => false): void {
    for (const path of filesBelow(folder)) if (!except(path)) this.lookInFile(sink, path)
  }

  lookInFile(sink: string, path: string): void {
    // PostgreSQL packs by a method of its own; its tables are read through it as well.
    const unpack = !path.includes('/postgres/cluster/')
    for (const piece of piecesOf(path)) this.look(`${sink}: ${path}`, piece, unpack)
  }

  #search(sink: string, bytes: Buffer, how: string): void {
    const begins = this.#begins
    const found = new Set<Needle>()
    let pair = (bytes[0] ?? 0) << 8
    for (let at = 0; at + 1 < bytes.length; at += 1) {
      pair = (pair >> 8) | ((bytes[at + 1] as number) << 8)
      if (begins[pair] !== 1) continue
      for (const needle of this.#byBegin.get(pair) ?? []) {
        const end = at + needle.bytes.length
        if (end > bytes.length || found.has(needle)) continue
        if (bytes.compare(needle.bytes, 0, needle.bytes.length, at, end) === 0) found.add(needle)
      }
    }
    for (const { canary, form } of found) this.hits.push({ sink, canary, form: `${form}${how}` })
  }
}

const pieceBytes = 32 * 1024 * 1024
const overlap = 4096
/** One for all files: there are thousands of small ones. */
const pieceBuffer = Buffer.alloc(pieceBytes)

/** A file in pieces that overlap, so that nothing lies on an edge. A piece is there until the next is asked for. */
function* piecesOf(path: string): Generator<Buffer> {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    // Gone meanwhile: a socket, a temporary file.
    return
  }
  try {
    for (let at = 0; ; at += pieceBytes - overlap) {
      const length = readSync(file, pieceBuffer, 0, pieceBytes, at)
      if (length > 0) yield pieceBuffer.subarray(0, length)
      if (length < pieceBytes) return
    }
  } finally {
    closeSync(file)
  }
}

export function* filesBelow(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    let found: ReturnType<typeof lstatSync>
    try {
      found = lstatSync(path)
    } catch {
      continue
    }
    if (found.isDirectory()) yield* filesBelow(path)
    else if (found.isFile()) yield path
  }
}

/** What unpacks somewhere inside these bytes: gzip, zlib, raw deflate of a zip member, zstd; and brotli of the whole. */
function* decompressed(bytes: Buffer): Generator<{ readonly how: string; readonly bytes: Buffer }> {
  const tries: readonly [string, Buffer, number, (input: Buffer) => Buffer][] = [
    ['gzip', Buffer.from([0x1f, 0x8b, 0x08]), 0, gunzipSync],
    ['zlib', Buffer.from([0x78, 0x9c]), 0, inflateSync],
    ['zlib', Buffer.from([0x78, 0xda]), 0, inflateSync],
    ['zlib', Buffer.from([0x78, 0x01]), 0, inflateSync],
    ['zip', Buffer.from([0x50, 0x4b, 0x03, 0x04]), 30, inflateRawSync],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 0, zstdDecompressSync],
  ]
  for (const [how, magic, skip, unpack] of tries) {
    let found = 0
    for (let at = bytes.indexOf(magic); at !== -1 && found < 2_000; at = bytes.indexOf(magic, at + 1)) {
      found += 1
      const start = how === 'zip' ? at + skip + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28) : at
      const inner = attempt(() => unpack(bytes.subarray(start, start + 4 * 1024 * 1024)))
      if (inner !== undefined) yield { how, bytes: inner }
    }
  }
  if (bytes.length < 1024 * 1024) {
    const inner = attempt(() => brotliDecompressSync(bytes))
    if (inner !== undefined) yield { how: 'brotli', bytes: inner }
  }
}

function attempt(unpack: () => Buffer): Buffer | undefined {
  try {
    return unpack()
  } catch {
    return undefined
  }
}
