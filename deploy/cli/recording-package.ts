import { existsSync } from 'node:fs'
import { open, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { requestTimestamp, readTimestampConfig } from '../../api/index.ts'
import { makePackage, rangeOf, sizeInHeader } from '../../recorder/evidence/index.ts'
import {
  type CutRange,
  openRecordingKey,
  Replay,
  readStructure,
  verifyRecording,
} from '../../recorder/replay/index.ts'
import { openGroupKeys } from '../../vault/auditors/index.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { asListed, logInAsAuditor, verifiedChain, withIdentity } from './auditor-identity.ts'
import { Complaint, misuse, refused } from './complaint.ts'
import { withRecording } from './recording-source.ts'
import { knownOf, notInLog } from './recording-verify.ts'
import { readSecret } from './secret-input.ts'
import { loadSodium } from './sodium.ts'
import type { Tools } from './tools.ts'

export type PackageOptions = {
  readonly out: string
  readonly identity: string
  readonly passphraseStdin: boolean
  /** Nanoseconds. */
  readonly from: number | undefined
  readonly to: number | undefined
  readonly seal: boolean
}

export type Packaged = {
  readonly state: 'complete' | 'incomplete'
  readonly bytes: number
  readonly stamped: boolean
  /** Why there is no time-stamp, where there should be one. */
  readonly unstamped?: string
}

const viewerFile = join(import.meta.dirname, '..', '..', 'web', 'dist', 'evidence.html')

/** Makes an evidence package on this machine, by an auditor's key: no server can open what it shows. */
export async function packageRecording(
  tools: Tools,
  recording: Id<'rec'>,
  options: PackageOptions,
): Promise<Packaged> {
  if (!existsSync(viewerFile))
    throw new Complaint('the page of a package has not been built', 'build it with: npm run setup')
  const viewer = await readFile(viewerFile, 'utf8')
  const sodium = await loadSodium()
  return tools.withVault(async (vault) => {
    const chain = await verifiedChain(tools, vault, sodium)
    return withIdentity(tools, sodium, options.identity, options.passphraseStdin, async (opened) => {
      const identity = asListed(opened, chain)
      const keys = openGroupKeys(sodium, identity, chain)
      if (!keys.ok) throw refused(keys.refusal)
      const known = await knownOf(vault, recording)
      if (known === undefined) throw new Complaint(notInLog.sentence)
      const token = await logInAsAuditor(vault, sodium, identity)
      return withRecording(tools, token, recording, 'export', async (source): Promise<Packaged> => {
        const verdict = await verifyRecording(sodium, source, known)
        if (verdict.state === 'tampered')
          throw new Complaint(
            verdict.sentence,
            'nothing is packaged; keep the file as it is, it is evidence of the change',
          )
        const structure = await readStructure(sodium, source)
        if (!structure.ok) throw refused(structure.refusal)
        const key = openRecordingKey(sodium, structure.value.header, keys.value)
        if (!key.ok) throw refused(key.refusal)
        const range = await cutOf(new Replay(source, structure.value, key.value), options)
        const passphrase = options.seal ? await askPassphrase(tools) : undefined
        const gathered = await vault.ask(
          'evidence.gather',
          { recording, from: sizeInHeader(structure.value) },
          token,
          120_000,
        )
        const stamper = readTimestampConfig(tools.dataDir())
        let unstamped: string | undefined
        const pieces = await makePackage(
          {
            source,
            structure: structure.value,
            key: key.value,
            gathered,
            madeBy: identity.name,
            madeAt: new Date(),
            passphrase,
            viewer,
            sign: async (list, cut, opens) => {
              const input = { recording, list, opens, ...(cut === undefined ? {} : { cut }) }
              return (await vault.ask('evidence.sign', input, token)).signature
            },
            stampCertificates: stamper?.certificates,
            // A time-stamper that is away keeps nobody from their evidence: the package goes without, and says so.
            stamp: async (signature) => {
              if (stamper === undefined) return undefined
              return requestTimestamp(stamper, signature).catch((error: unknown) => {
                unstamped = error instanceof Error ? error.message : 'the time-stamper did not answer'
                return undefined
              })
            },
          },
          range,
        ).catch((error: unknown) => {
          if (error instanceof RangeError) throw misuse(error.message, 'give --from and --to')
          throw error
        })
        const bytes = await writePieces(resolve(tools.io.cwd, options.out), pieces)
        return {
          state: verdict.state === 'complete' ? 'complete' : 'incomplete',
          bytes,
          stamped: stamper !== undefined && unstamped === undefined,
          ...(unstamped === undefined ? {} : { unstamped }),
        }
      })
    })
  })
}

async function cutOf(replay: Replay, { from, to }: PackageOptions): Promise<CutRange | undefined> {
  if (from === undefined && to === undefined) return undefined
  const { structure } = replay
  const keyframes = (await replay.marks()).flatMap(({ at, mark }) => (mark.kind === 'keyframe' ? [at] : []))
  const range = rangeOf(structure, { from: from ?? 0, to: to ?? structure.duration }, keyframes)
  if (range === undefined)
    throw misuse(
      '--from and --to: nothing was recorded between them',
      'give times from its start, like 00:12:30',
    )
  return range
}

/** SECURITY: mode 0600: unless it is sealed, whoever has the file sees the session. */
export async function writePieces(path: string, pieces: readonly Uint8Array[]): Promise<number> {
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new Complaint(`${path} exists already`, 'choose another name, or move it away first')
    throw error
  })
  let bytes = 0
  try {
    for (const piece of pieces) {
      await file.writeFile(piece)
      bytes += piece.length
    }
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
  return bytes
}

async function askPassphrase(tools: Tools): Promise<string> {
  using secret = await readSecret(tools.io, {
    what: 'passphrase of the package, for who receives it',
    fromStdin: false,
    option: '--seal',
    confirm: true,
  })
  return secret.expose((bytes) => new TextDecoder().decode(bytes))
}
