import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'

const maxBytes = 258

/** Reads the file that holds a token's PIN. Refuses one that others may read, or that is a link. */
export async function readPinFile(path: string): Promise<Outcome<Secret>> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    return refuse(
      'invalid',
      `the PIN file ${path} cannot be read (${code})`,
      'give the PIN by hand: tagout unseal --token',
    )
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > maxBytes) return refuse('invalid', `${path} is not a PIN file`)
    if ((stat.mode & 0o077) !== 0)
      return refuse('invalid', `others may read the PIN file ${path}`, `chmod 600 ${path}`)
    const bytes = await file.readFile()
    const text = bytes.toString('utf8').replace(/\r?\n$/, '')
    bytes.fill(0)
    return text === '' ? refuse('invalid', `the PIN file ${path} is empty`) : done(Secret.fromText(text))
  } finally {
    await file.close()
  }
}
