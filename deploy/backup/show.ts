import { done, type Outcome, refuse } from '../../vault/kernel/outcome.ts'
import { readArchive, verifyArchive } from './archive.ts'
import { type BackupHeader, filePrefix, headerForm, headerName, recordingsName, tablePrefix } from './form.ts'

export type BackupContent = {
  readonly header: BackupHeader
  readonly rows: Readonly<Record<string, number>>
  readonly files: readonly string[]
  readonly recordings: number
  readonly bytes: number
}

/** Verifies a backup whole, and says what it holds. */
export async function showBackup(path: string): Promise<Outcome<BackupContent>> {
  const verified = await verifyArchive(path)
  if (!verified.ok) return verified
  let header: BackupHeader | undefined
  let recordings = 0
  const rows: Record<string, number> = {}
  for await (const member of readArchive(path)) {
    if (member.name === headerName) {
      const parsed = headerForm.safeParse(parseJson((await member.bytes(4 * 1024 * 1024)).toString('utf8')))
      if (!parsed.success)
        return refuse('invalid', 'the header is malformed', 'use the version of Tagout that made the backup')
      header = parsed.data
    } else if (member.name.startsWith(tablePrefix)) {
      const table = member.name.slice(tablePrefix.length).split('/')[0] ?? ''
      rows[table] = (rows[table] ?? 0) + (await linesOf(member.content()))
    } else if (member.name === recordingsName) recordings = await linesOf(member.content())
  }
  if (header === undefined) return refuse('invalid', 'the backup has no header')
  return done({
    header,
    rows,
    files: verified.value
      .filter((member) => member.name.startsWith(filePrefix))
      .map((member) => member.name.slice(filePrefix.length)),
    recordings,
    bytes: verified.value.reduce((sum, member) => sum + member.size, 0),
  })
}

async function linesOf(content: AsyncGenerator<Uint8Array>): Promise<number> {
  let lines = 0
  for await (const piece of content) for (const byte of piece) if (byte === 0x0a) lines += 1
  return lines
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
