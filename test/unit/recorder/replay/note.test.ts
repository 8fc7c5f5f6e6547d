import { expect, test } from 'vitest'
import { type NoteOwner, openNote, sealNote } from '../../../../recorder/replay/note.ts'
import { fromBase64, toBase64 } from '../../../../vault/kernel/encoding.ts'
import { newId } from '../../../../vault/kernel/id.ts'

const key = new Uint8Array(32).fill(7)
const owner: NoteOwner = {
  recording: newId('rec'),
  headerHash: new Uint8Array(32).fill(1),
  note: newId('nte'),
  by: 'ingrid',
}
const said = { at: 61e9, text: 'here he changes the recipe: 液压机' }

test('a note opens by its key, as what it is', async () => {
  const sealed = await sealNote(key, owner, said)
  expect(Buffer.from(sealed, 'base64').includes('recipe')).toBe(false)
  expect(await openNote(key, owner, sealed)).toEqual(said)
  // Each is sealed with a nonce of its own.
  expect(await sealNote(key, owner, said)).not.toBe(sealed)
})

test.each([
  ['another key', {}, new Uint8Array(32).fill(8)],
  ['another recording', { recording: newId('rec') }, key],
  ['another header', { headerHash: new Uint8Array(32).fill(2) }, key],
  ['another note', { note: newId('nte') }, key],
  ['another author', { by: 'otto' }, key],
])('it is nothing under %s', async (_what, change, by) => {
  expect(await openNote(by, { ...owner, ...change }, await sealNote(key, owner, said))).toBeUndefined()
})

test('a changed or a cut one is nothing, whatever byte it is', async () => {
  const bytes = fromBase64(await sealNote(key, owner, said))
  for (const at of bytes.keys()) {
    const changed = bytes.slice()
    changed[at] = (changed[at] ?? 0) ^ 1
    expect([at, await openNote(key, owner, toBase64(changed))]).toEqual([at, undefined])
    expect(await openNote(key, owner, toBase64(bytes.subarray(0, at)))).toBeUndefined()
  }
  expect(await openNote(key, owner, 'no base64 at all!')).toBeUndefined()
})
