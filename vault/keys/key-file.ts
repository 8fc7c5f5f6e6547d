import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fromBase64, toBase64 } from '../kernel/encoding.ts'
import { type Outcome, done, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'

const label = 'tagout-seal-key-1 '
const maxBytes = 4096

/**
 * Makes a key file (0600) that opens the vault without a person. Refuses to touch a file that exists. The file belongs
 * on a machine of its own or a stick, and in no backup of the database: whoever has both has everything. It is given
 * to `owner`, where somebody else than the vault makes it.
 */
export async function makeKeyFile(
  path: string,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<Outcome<null>> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  let file: FileHandle
  try {
    file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return refuse('conflict', `${path} exists already`)
    return refuse('invalid', `the key file ${path} cannot be written (${errorCode(error)})`)
  }
  try {
    if (owner !== undefined) await file.chown(owner.uid, owner.gid)
    const bytes = new Uint8Array(randomBytes(32))
    await file.writeFile(`${label}${toBase64(bytes)}\n`)
    await file.sync()
    bytes.fill(0)
  } finally {
    await file.close()
  }
  return done(null)
}

/** Reads a key file. Refuses one that others may read, that is a link, or that is not a key file. */
export async function readKeyFile(path: string): Promise<Outcome<Secret>> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errorCode(error) === 'ENOENT')
      return refuse('invalid', `there is no key file ${path}`, 'give its path, or unseal by another way')
    return refuse('invalid', `the key file ${path} cannot be read (${errorCode(error)})`)
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > maxBytes) return refuse('invalid', `${path} is not a key file`)
    if ((stat.mode & 0o077) !== 0)
      return refuse('invalid', `others may read the key file ${path}`, `chmod 600 ${path}`)
    const text = await file.readFile('utf8')
    const bytes = text.startsWith(label) ? decoded(text.slice(label.length).trim()) : undefined
    return bytes?.length === 32 ? done(new Secret(bytes)) : refuse('invalid', `${path} is not a key file`)
  } finally {
    await file.close()
  }
}

function decoded(text: string): Uint8Array | undefined {
  try {
    return fromBase64(text)
  } catch {
    return undefined
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}
