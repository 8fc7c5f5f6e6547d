import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, link, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../vault/kernel/fault.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'

/**
 * One file: a tar archive (POSIX ustar), so that any tar can list it, whose last member `manifest.json` gives the
 * size and SHA-256 of each member before it, in order. Truncated, reordered, changed or added members are found.
 */
export type Member = { readonly name: string; readonly size: number; readonly sha256: string }

export const manifestName = 'manifest.json'
const blockBytes = 512
const pieceBytes = 1024 * 1024
const largestMember = 8 ** 11 - 1 // eleven octal digits
const manifestForm = z.strictObject({
  format: z.literal('tagout-backup'),
  version: z.literal(1),
  members: z.array(z.strictObject({ name: z.string(), size: z.int(), sha256: z.string() })),
})

/** Writes an archive under a draft's name; it gets its own name, whole and durable, in `finish`. */
export class ArchiveWriter implements AsyncDisposable {
  readonly members: Member[] = []
  readonly #path: string
  readonly #draft: string
  readonly #file: FileHandle
  #state: 'open' | 'finished' = 'open'

  private constructor(path: string, draft: string, file: FileHandle) {
    this.#path = path
    this.#draft = draft
    this.#file = file
  }

  static async create(path: string): Promise<ArchiveWriter> {
    const draft = join(dirname(path), `.tagout-${randomBytes(8).toString('hex')}`)
    return new ArchiveWriter(path, draft, await open(draft, 'wx', 0o600))
  }

  async add(name: string, content: Uint8Array | string): Promise<void> {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    await this.#write(header(name, bytes.length))
    await this.#write(bytes)
    await this.#write(padding(bytes.length))
    this.members.push({ name, size: bytes.length, sha256: sha256(bytes) })
  }

  /** Adds a file as long as it is now: what is appended meanwhile (a live recording) stays out. */
  async addFile(name: string, path: string): Promise<void> {
    await using source = await open(path, 'r')
    const { size } = await source.stat()
    if (size > largestMember) throw new Fault('internal', `${path} is too large for a backup`)
    await this.#write(header(name, size))
    const hash = createHash('sha256')
    const piece = Buffer.allocUnsafe(pieceBytes)
    for (let left = size; left > 0; ) {
      const { bytesRead } = await source.read(piece, 0, Math.min(left, piece.length))
      if (bytesRead === 0) throw new Fault('internal', `${path} became shorter while it was read`)
      hash.update(piece.subarray(0, bytesRead))
      await this.#write(piece.subarray(0, bytesRead))
      left -= bytesRead
    }
    await this.#write(padding(size))
    this.members.push({ name, size, sha256: hash.digest('hex') })
  }

  /** Writes the manifest and gives the file its name. It never replaces another file. */
  async finish(): Promise<void> {
    const manifest = { format: 'tagout-backup', version: 1, members: [...this.members] }
    await this.add(manifestName, `${JSON.stringify(manifest, null, 1)}\n`)
    await this.#write(Buffer.alloc(2 * blockBytes))
    await this.#file.sync()
    await link(this.#draft, this.#path)
    this.#state = 'finished'
    const folder = await open(dirname(this.#path), 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }

  get isFinished(): boolean {
    return this.#state === 'finished'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
    await unlink(this.#draft)
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at)
      at += bytesWritten
    }
  }
}

/** A member while an archive is read; its content must be taken before the next one. */
export type ReadMember = {
  readonly name: string
  readonly size: number
  readonly content: () => AsyncGenerator<Uint8Array>
  readonly bytes: (limit: number) => Promise<Buffer>
}

/** Reads the members in order. Throws `Fault('protocol')`, naming the place, where the file is no such archive. */
export async function* readArchive(path: string): AsyncGenerator<ReadMember> {
  await using file = await open(path, 'r')
  const { size: fileSize } = await file.stat()
  const head = Buffer.alloc(blockBytes)
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(head, 0, blockBytes, at)
    if (bytesRead < blockBytes)
      throw new Fault('protocol', `the file ends at byte ${at + bytesRead}, too early`)
    if (head.every((byte) => byte === 0)) {
      const end = Buffer.alloc(blockBytes, 1)
      await file.read(end, 0, blockBytes, at + blockBytes)
      if (at + 2 * blockBytes !== fileSize || end.some((byte) => byte !== 0))
        throw new Fault('protocol', 'the end of the file is not the end of a backup')
      return
    }
    const { name, size } = parseHeader(head, at)
    const start = at + blockBytes
    if (start + size > fileSize) throw new Fault('protocol', `the file ends inside ${name}`)
    const content = () => piecesOf(file, start, size)
    yield {
      name,
      size,
      content,
      bytes: async (limit) => {
        if (size > limit) throw new Fault('protocol', `${name} is larger than it may be`)
        const pieces: Uint8Array[] = []
        for await (const piece of content()) pieces.push(Uint8Array.from(piece))
        return Buffer.concat(pieces)
      },
    }
    const pad = Buffer.alloc(padding(size).length)
    await file.read(pad, 0, pad.length, start + size)
    if (pad.some((byte) => byte !== 0))
      throw new Fault('protocol', `something follows ${name} that is not a member`)
    at = start + size + pad.length
  }
}

async function* piecesOf(file: FileHandle, start: number, size: number): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < size; ) {
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, size - done))
    const { bytesRead } = await file.read(piece, 0, piece.length, start + done)
    if (bytesRead === 0) throw new Fault('protocol', 'the file became shorter while it was read')
    done += bytesRead
    yield piece.subarray(0, bytesRead)
  }
}

/** Verifies every member against the manifest. Refuses, naming what is wrong, unless all of it fits. */
export async function verifyArchive(path: string): Promise<Outcome<readonly Member[]>> {
  const found: Member[] = []
  let manifest: readonly Member[] | undefined
  try {
    for await (const member of readArchive(path)) {
      if (manifest !== undefined) return refuse('invalid', `${member.name} comes after the manifest`)
      if (member.name === manifestName) {
        const parsed = manifestForm.safeParse(
          JSON.parse((await member.bytes(64 * 1024 * 1024)).toString('utf8')),
        )
        if (!parsed.success)
          return refuse('invalid', 'the manifest is malformed, or of a version that is not known')
        manifest = parsed.data.members
        continue
      }
      const hash = createHash('sha256')
      for await (const piece of member.content()) hash.update(piece)
      found.push({ name: member.name, size: member.size, sha256: hash.digest('hex') })
    }
  } catch (error) {
    if (error instanceof Fault && error.code === 'protocol') return refuse('invalid', error.message)
    if (error instanceof SyntaxError) return refuse('invalid', 'the manifest is malformed')
    throw error
  }
  if (manifest === undefined) return refuse('invalid', 'there is no manifest: the backup was not finished')
  for (const [index, member] of manifest.entries()) {
    const present = found[index]
    if (present === undefined) return refuse('invalid', `${member.name} is missing`)
    if (present.name !== member.name)
      return refuse('invalid', `${present.name} stands where ${member.name} should`)
    if (present.size !== member.size || present.sha256 !== member.sha256)
      return refuse('invalid', `${member.name} was changed`)
  }
  const extra = found[manifest.length]
  if (extra !== undefined) return refuse('invalid', `${extra.name} is not in the manifest`)
  return done(found)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function padding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes)
}

/** A ustar header. Owner, group and time are left out: they say nothing that is restored. */
function header(name: string, size: number): Buffer {
  if (!isMemberName(name)) throw new Fault('internal', `${name} cannot be the name of a member`)
  const block = Buffer.alloc(blockBytes)
  block.write(name, 0, 'latin1')
  block.write('0000600\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  block.write('00000000000\0', 136)
  block.write('0', 156)
  block.write('ustar\x0000', 257, 'latin1')
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

function parseHeader(block: Buffer, at: number): { readonly name: string; readonly size: number } {
  const name = textAt(block, 0, 100)
  const sizeText = textAt(block, 124, 12).trim()
  const size = /^[0-7]{1,11}$/.test(sizeText) ? Number.parseInt(sizeText, 8) : -1
  // What this program writes and nothing else: no links, no devices, no long names.
  if (size < 0 || !isMemberName(name) || !header(name, size).equals(block))
    throw new Fault('protocol', `no member of a backup begins at byte ${at}`)
  return { name, size }
}

function checksum(block: Buffer): number {
  let sum = 0
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte
  return sum
}

function textAt(block: Buffer, from: number, length: number): string {
  return block.toString('latin1', from, from + length).split('\0')[0] ?? ''
}

/** SECURITY: relative, of plain characters, without `..`: a member is never written outside its folder. */
export function isMemberName(name: string): boolean {
  return (
    name.length <= 100 &&
    /^[A-Za-z0-9_][A-Za-z0-9._/-]*$/.test(name) &&
    name.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  )
}
