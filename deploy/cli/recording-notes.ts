import { clockText, openRecordingKey, Replay, readStructure } from '../../recorder/replay/index.ts'
import { openGroupKeys } from '../../vault/auditors/index.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { asListed, logInAsAuditor, verifiedChain, withIdentity } from './auditor-identity.ts'
import { refused } from './complaint.ts'
import { when } from './io.ts'
import { withRecording } from './recording-source.ts'
import { loadSodium } from './sodium.ts'
import type { Tools } from './tools.ts'

type Shown = {
  /** Seconds from the start of the recording. */
  readonly at: number
  readonly by: string
  readonly writtenAt: string
  /** Null: it does not open; it was changed. */
  readonly text: string | null
}

/** Shows what auditors noted on a recording, opened on this machine by an auditor's key. */
export async function showNotes(
  tools: Tools,
  recording: Id<'rec'>,
  identityFile: string,
  passphraseStdin: boolean,
): Promise<void> {
  const sodium = await loadSodium()
  const shown = await tools.withVault(async (vault) => {
    const chain = await verifiedChain(tools, vault, sodium)
    return withIdentity(tools, sodium, identityFile, passphraseStdin, async (opened) => {
      const identity = asListed(opened, chain)
      const keys = openGroupKeys(sodium, identity, chain)
      if (!keys.ok) throw refused(keys.refusal)
      const token = await logInAsAuditor(vault, sodium, identity)
      const notes = await vault.ask('recording.notes', { recording }, token)
      if (notes.length === 0) return []
      return withRecording(tools, token, recording, 'replay', async (source): Promise<readonly Shown[]> => {
        const structure = await readStructure(sodium, source)
        if (!structure.ok) throw refused(structure.refusal)
        const key = openRecordingKey(sodium, structure.value.header, keys.value)
        if (!key.ok) throw refused(key.refusal)
        const replay = new Replay(source, structure.value, key.value)
        return Promise.all(
          notes.map(async ({ id, by, writtenAt, sealed }) => {
            const note = await replay.openNote(id, by, sealed)
            return { at: (note?.at ?? 0) / 1e9, by, writtenAt, text: note?.text ?? null }
          }),
        )
      })
    })
  })
  tools.list(
    shown.toSorted((a, b) => a.at - b.at),
    [
      ['AT', ({ at }) => clockText(at * 1e9)],
      ['BY', ({ by }) => by],
      ['WRITTEN', ({ writtenAt }) => when(writtenAt)],
      ['NOTE', ({ text }) => text ?? 'does not open: it was changed'],
    ],
    'nobody has noted anything on this recording',
  )
}
