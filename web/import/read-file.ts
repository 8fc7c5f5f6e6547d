import { maxCsvBytes } from '../../vault/kernel/csv.ts'
import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'

const asCsv = 'in the program that made it, save it as CSV in UTF-8, then choose that file'

/** The text of a file that somebody chose; what is no CSV is refused with what to do about it. */
export async function readCsvFile(file: Blob): Promise<Outcome<string>> {
  if (file.size > maxCsvBytes)
    return refuse(
      'invalid',
      'the file is larger than 1 MB',
      'split it into several files, each with the first line that names the columns',
    )
  let content: Uint8Array
  try {
    content = new Uint8Array(await file.arrayBuffer())
  } catch {
    return refuse('invalid', 'the file cannot be read', 'choose it again; a folder cannot be imported')
  }
  return decodeCsv(content)
}

/** The text of these bytes. */
export function decodeCsv(content: Uint8Array): Outcome<string> {
  const begins = (...magic: readonly number[]) => magic.every((byte, at) => content[at] === byte)
  // A zip archive (.xlsx, .ods), or the compound file of older spreadsheets (.xls).
  if (begins(0x50, 0x4b, 0x03, 0x04) || begins(0xd0, 0xcf, 0x11, 0xe0))
    return refuse('invalid', 'this is a spreadsheet, not CSV', asCsv)
  if (begins(0xff, 0xfe) || begins(0xfe, 0xff)) return refuse('invalid', 'the file is in UTF-16', asCsv)
  try {
    return done(new TextDecoder('utf-8', { fatal: true }).decode(content))
  } catch {
    return refuse('invalid', 'the file is not text in UTF-8', asCsv)
  }
}
