import { fromBase64 } from '../kernel/encoding.ts'

/**
 * The text of key files: a first line that says what the file is and its version, then `field: value` lines.
 * Lines that begin with `#` are for people. See docs/auditor-keys.md.
 */
export class KeyFileError extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'KeyFileError'
  }
}

const maxFileCharacters = 16_384

export function writeKeyFile(
  title: string,
  notes: readonly string[],
  fields: Record<string, string>,
): string {
  const lines = [title, ...notes.map((note) => `# ${note}`)]
  for (const [name, value] of Object.entries(fields)) lines.push(`${name}: ${value}`)
  return `${lines.join('\n')}\n`
}

/** Reads a key file's fields. Throws `KeyFileError` unless the first line is `title` and every field occurs once. */
export function readKeyFile(title: string, text: string, fields: readonly string[]): Map<string, string> {
  if (text.length > maxFileCharacters) throw new KeyFileError('the key file is too large')
  const lines = text.split(/\r?\n/)
  const kind = title.slice(0, title.lastIndexOf(' '))
  if (lines[0] !== title)
    throw new KeyFileError(
      lines[0]?.startsWith(`${kind} `)
        ? `this version of ${kind} is not known`
        : `this is not a ${kind} file`,
    )
  const found = new Map<string, string>()
  for (const [at, line] of lines.entries()) {
    if (at === 0 || line === '' || line.startsWith('#')) continue
    const split = line.indexOf(': ')
    const name = line.slice(0, Math.max(split, 0))
    if (!fields.includes(name) || found.has(name))
      throw new KeyFileError(`line ${at + 1} of the key file does not belong there`)
    found.set(name, line.slice(split + 2))
  }
  for (const name of fields) if (!found.has(name)) throw new KeyFileError(`the key file has no ${name}`)
  return found
}

export function textField(fields: Map<string, string>, name: string): string {
  return fields.get(name) ?? ''
}

export function bytesField(fields: Map<string, string>, name: string, length: number): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = fromBase64(textField(fields, name))
  } catch (error) {
    throw new KeyFileError(`the ${name} in the key file is not base64`, { cause: error })
  }
  if (bytes.length !== length)
    throw new KeyFileError(`the ${name} in the key file is not ${length} bytes long`)
  return bytes
}

export function wholeField(fields: Map<string, string>, name: string, least: number, most: number): number {
  const text = textField(fields, name)
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= least && value <= most))
    throw new KeyFileError(`the ${name} in the key file is not between ${least} and ${most}`)
  return value
}
