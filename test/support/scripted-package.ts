import sodium from 'libsodium-wrappers'
import { makePackage, type PackageParts, rangeOf } from '../../recorder/evidence/index.ts'
import { memorySource, openRecordingKey, readStructure } from '../../recorder/replay/index.ts'
import { originOf, signCheckpoint } from '../../vault/audit/checkpoint.ts'
import { leafBytes } from '../../vault/audit/leaf.ts'
import { consistencyRanges, inclusionRanges, type Range } from '../../vault/audit/proof.ts'
import { emptyRoot, leafHash, nodeHash } from '../../vault/audit/tree.ts'
import { signingKeyOf } from '../../vault/crypto/signing.ts'
import { evidenceKey, makeCertificate, signEvidence } from '../../vault/evidence/key.ts'
import { toBase64 } from '../../vault/kernel/encoding.ts'
import { type RecordingRoom, valueOf } from './recordings.ts'
import { scriptedRecording } from './scripted-recording.ts'

export const logKey = signingKeyOf(new Uint8Array(32).fill(5))
const key = evidenceKey(new Uint8Array(32).fill(9))
const madeAt = new Date('2026-11-30T08:00:00.000Z')
/** Made once: its signature has chance in it. */
export const certificate = makeCertificate(key, 'ins_1', new Date('2026-01-01T00:00:00.000Z'))

/** A page of the shape that packages need, for tests that do not look at it. */
export const noPage = '<!doctype html><title>x</title><!--tagout-evidence-->'

type Options = Partial<Pick<PackageParts, 'viewer' | 'passphrase' | 'stamp' | 'stampCertificates'>> & {
  readonly range?: { readonly from: number; readonly to: number }
  readonly segments?: number
}

/** An evidence package over a recording and a log that are scripted, without an installation. */
export async function scriptedPackage(room: RecordingRoom, options: Options = {}): Promise<Uint8Array> {
  const before = [
    { kind: 'vault.unsealed', provider: 'file' },
    { kind: 'login.started' },
    { kind: 'safe.added' },
  ]
  const earlier = logOf(before)
  const made = await scriptedRecording(room, options.segments ?? 3, { auditCheckpoint: earlier.checkpoint })
  const source = memorySource(made.bytes)
  const structure = valueOf(await readStructure(sodium, source))
  const { recording, session, user, account } = made.permit
  const of = { recording, session, userName: user.name, accountName: account.name }
  const log = logOf([
    ...before,
    { kind: 'evidence.certificate', certificate: toBase64(certificate), fingerprint: '' },
    {
      kind: 'session.started',
      ...of,
      headerHash: toBase64(made.known.headerHash as Uint8Array),
      publicKey: toBase64(made.known.publicKey as Uint8Array),
    },
    ...(made.known.checkpoints ?? []).slice(-1).map(({ checkpoint, signature }) => ({
      kind: 'session.checkpoint',
      ...of,
      checkpoint: toBase64(checkpoint),
      signature: toBase64(signature),
    })),
    { kind: 'vault.sealed', sessions: 'keep' },
    {
      kind: 'session.ended',
      ...of,
      reason: 'closed by the user',
      state: 'complete',
      sizeBytes: made.bytes.length,
      root: structure.final?.root,
    },
  ])
  const range = options.range === undefined ? undefined : rangeOf(structure, options.range)
  const pieces = await makePackage(
    {
      source,
      structure,
      key: valueOf(openRecordingKey(sodium, structure.header, room.keys)),
      gathered: {
        leaves: [3, 4, 5, 7].map(log.leaf),
        checkpoint: log.checkpoint,
        publicKey: toBase64(logKey.publicKey),
        consistency: consistencyRanges(before.length, log.leaves.length).map((one) =>
          toBase64(log.hash(one)),
        ),
        auditorLists: room.links,
        certificate: toBase64(certificate),
      },
      madeBy: 'ingrid',
      madeAt,
      passphrase: options.passphrase,
      viewer: options.viewer ?? noPage,
      sign: async (list) => toBase64(signEvidence(key, certificate, Buffer.from(list), madeAt)),
      stamp: options.stamp,
      stampCertificates: options.stampCertificates,
    },
    range,
  )
  return Buffer.concat(pieces)
}

/** A log of these entries, signed by `logKey`. */
export function logOf(entries: readonly object[]) {
  const leaves: Buffer[] = []
  for (const [seq, entry] of entries.entries()) {
    const before = leaves.at(-1)
    const bytes = Buffer.from(
      JSON.stringify({ actor: { kind: 'vault' }, at: '2026-11-30T07:00:00.000Z', ...entry }),
    )
    leaves.push(leafBytes(seq, before === undefined ? undefined : leafHash(before), bytes, false))
  }
  const hashes = leaves.map(leafHash)
  const hash = ({ start, end }: Range): Uint8Array => rootOf(hashes.slice(start, end))
  return {
    leaves,
    hash,
    leaf: (seq: number) => ({
      seq,
      body: toBase64(leaves[seq] as Buffer),
      proof: inclusionRanges(seq, leaves.length).map((range) => toBase64(hash(range))),
    }),
    checkpoint: signCheckpoint(logKey, {
      origin: originOf('ins_1'),
      size: leaves.length,
      root: rootOf(hashes),
      time: '2026-11-30T07:30:00.000Z',
    }),
  }
}

function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const [only] = hashes
  if (only === undefined) return emptyRoot
  if (hashes.length === 1) return only
  let half = 1
  while (half * 2 < hashes.length) half *= 2
  return nodeHash(rootOf(hashes.slice(0, half)), rootOf(hashes.slice(half)))
}
