import { openRecordingKey, Replay, readStructure } from '../../recorder/replay/index.ts'
import type { Refusal } from '../../vault/kernel/outcome.ts'
import { Refused } from '../api.ts'
import { type Keyring, touchKeyring } from '../sealed/keyring.ts'
import { loadSodium } from '../sealed/sodium.ts'
import { type Opened, openedOf } from './opened.ts'
import { openSource } from './source.ts'

/** Fetches a recording and opens it in this browser with the auditor's keys. Throws `Refused` where it does not open. */
export async function openRecording(recording: string, keyring: Keyring): Promise<Opened> {
  touchKeyring()
  const [sodium, source] = await Promise.all([loadSodium(), openSource(recording)])
  const structure = await readStructure(sodium, source)
  if (!structure.ok) throw refused(structure.refusal)
  // SECURITY: the server may have answered with another recording than the one that was asked for.
  if (structure.value.header.recording !== recording)
    throw new Refused({
      status: 409,
      code: 'invalid',
      title: 'the server sent another recording than this one',
      detail: 'tell the machine administrator: the store is not in order',
    })
  const key = openRecordingKey(sodium, structure.value.header, keyring.groupKeys)
  if (!key.ok) throw refused(key.refusal)
  const replay = new Replay(source, structure.value, key.value)
  return { ...(await openedOf(replay, source)), onPlaying: touchKeyring }
}

function refused({ code, message, next }: Refusal): Refused {
  return new Refused({ status: 409, code, title: message, detail: next })
}
