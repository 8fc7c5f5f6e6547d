import type { Actor } from '../audit/entry.ts'
import { verifyChain } from '../auditors/index.ts'
import { sodium } from '../crypto/sodium.ts'
import { readLinks } from '../identity/auditor.ts'
import { findLogin, resolveToken } from '../identity/principal.ts'
import type { RecordingId, SafeId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { refuseDestroyed } from '../retention/tombstones.ts'
import { checked, type Row } from '../rows.ts'
import { findRecording, type Recorded, viewRecording } from '../sessions/view.ts'
import { type Call, type Handler, type Input, userOf, type World } from '../world.ts'

type Reader = { readonly actor: Actor; readonly text: string; readonly source: string }

const forbidden = refuse('forbidden', 'there is no such recording, or you may not read it')

/**
 * May the holder of this token have this recording's ciphertext? The machine's administrator to verify it, auditors
 * whose it is to replay for anything; nobody else. What opens it is the auditor's own key, which no server has.
 */
export const recordingAuthorise: Handler<'recording.authorise'> = async ({ world }, input) => {
  const row = await findRecording(world, input.recording)
  if (row === undefined) return forbidden
  const reader = await readerOf(world, input, row.safe_id)
  if (!reader.ok) return reader
  const gone = await refuseDestroyed(world.vault.database, world.vault.guard, input.recording)
  if (gone !== undefined) return gone
  const { actor, text, source } = reader.value
  const kind = (
    {
      replay: 'recording.replayed',
      export: 'recording.exported',
      verify: 'recording.verified',
      search: 'recording.searched',
    } as const
  )[input.purpose]
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind,
      recording: input.recording,
      session: row.id,
      userName: row.user_name,
      accountName: row.account_name,
      actor,
      source,
    }),
  )
  return done({ ...viewRecording(row), reader: text })
}

/** The same right of an auditor who reads on, without another entry in the log. */
export const recordingReadable: Handler<'recording.readable'> = async (call, { recording }) => {
  const row = await readableRecording(call, recording)
  return row.ok ? done(viewRecording(row.value)) : row
}

/** The recording with its session, where the auditor who asks may read it. */
export async function readableRecording(call: Call, recording: RecordingId): Promise<Outcome<Recorded>> {
  const row = await findRecording(call.world, recording)
  if (row === undefined || !(await mayRead(call.world, userOf(call), row.safe_id))) return forbidden
  const { database, guard } = call.world.vault
  return (await refuseDestroyed(database, guard, recording)) ?? done(row)
}

async function readerOf(
  world: World,
  input: Input<'recording.authorise'>,
  safe: SafeId,
): Promise<Outcome<Reader>> {
  const login = await findLogin(world, input.token)
  if (login?.kind === 'local') {
    if (input.purpose !== 'verify' || login.uid === null) return forbidden
    const actor = { kind: 'local', uid: login.uid } as const
    return done({ actor, text: `local:${login.uid}`, source: login.source })
  }
  const resolved = await resolveToken(world, input.token)
  if (!resolved.ok) return resolved
  const { principal, source } = resolved.value
  if (principal.kind !== 'user' || !principal.roles.includes('auditor')) return forbidden
  if (!(await mayRead(world, principal, safe))) return forbidden
  const actor = { kind: 'user', id: principal.id, name: principal.name } as const
  return done({ actor, text: `user:${principal.name}`, source: source ?? '' })
}

/** SECURITY: whatever they say it is for: ciphertext that was fetched to verify it opens with the same key. */
export async function mayRead(
  world: World,
  auditor: { readonly id: Row<'app_user'>['id']; readonly name: string },
  safe: SafeId,
): Promise<boolean> {
  return (await isListed(world, auditor.name)) && (await mayReplay(world, auditor.id, safe))
}

/** Is this auditor on the present list? One who was removed may hold keys of the past still. */
async function isListed(world: World, name: string): Promise<boolean> {
  const chain = await verifyChain(sodium, await readLinks(world.vault.database, world.vault.guard))
  return chain.ok && chain.value.current.auditors.some((one) => one.name.toLowerCase() === name.toLowerCase())
}

/** A safe that names auditors who replay it is replayed by them alone; any other by every auditor. */
async function mayReplay(world: World, user: Row<'app_user'>['id'], safe: SafeId): Promise<boolean> {
  const { database, guard } = world.vault
  const members = checked(
    guard,
    'safe_member',
    await database.selectFrom('safe_member').selectAll().where('safe_id', '=', safe).execute(),
  ).filter((member) => member.permissions.includes('replay'))
  return members.length === 0 || members.some((member) => member.user_id === user)
}
