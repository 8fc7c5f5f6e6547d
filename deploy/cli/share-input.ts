import { parseShareRow, shareRows } from '../../vault/keys/share.ts'
import { misuse } from './complaint.ts'
import type { Io } from './io.ts'
import { otherPaper } from './recovery-kind.ts'
import { readSecret, readSecretFile } from './secret-input.ts'

export type ShareSource = { readonly fromStdin: boolean; readonly file: string | undefined }

/**
 * A custodian's share: from a file, from standard input, or typed row by row without echo, each row checked as soon
 * as it is typed. Throws a `Complaint` where the file holds another kind of key.
 */
export async function readShare(io: Io, source: ShareSource): Promise<string> {
  if (source.file !== undefined) {
    using file = await readSecretFile(io, source.file)
    const text = file.expose((bytes) => new TextDecoder().decode(bytes))
    const other = otherPaper(source.file, text, 'share')
    if (other !== undefined) throw other
    return text
  }
  if (source.fromStdin) {
    using share = await readSecret(io, {
      what: 'share',
      fromStdin: true,
      option: '--share-stdin',
      confirm: false,
    })
    return share.expose((bytes) => new TextDecoder().decode(bytes))
  }
  if (io.stdin.isTTY !== true)
    throw misuse(
      'no terminal to ask for the share',
      'pipe it in with --share-stdin, or give --share-file FILE',
    )
  io.err(`type the ${shareRows} rows of the share; nothing is shown\n`)
  const rows: string[] = []
  while (rows.length < shareRows) {
    using typed = await readSecret(io, {
      what: `row ${rows.length + 1} of ${shareRows}`,
      fromStdin: false,
      option: '--share-stdin',
      confirm: false,
    })
    const text = typed.expose((bytes) => new TextDecoder().decode(bytes))
    if (parseShareRow(rows.length, text) === undefined) io.err('that row was mistyped, once more\n')
    else rows.push(text)
  }
  return rows.join('\n')
}

/** A share as it is handed to its custodian: what it is, and the six rows. */
export function shareSheet(share: {
  readonly name: string
  readonly index: number
  readonly of: number
  readonly threshold: number
  readonly set: string
  readonly madeAt: string
  /** What they open: `the vault`. */
  readonly opens: string
  /** What their holder should know. */
  readonly notes: readonly string[]
  readonly text: string
}): string {
  return [
    `# Tagout: share ${share.index} of ${share.of}, for ${share.name}`,
    `# set ${share.set}, made ${share.madeAt}; any ${share.threshold} of these shares open ${share.opens}`,
    ...share.notes.map((note) => `# ${note}`),
    share.text,
  ].join('\n')
}
