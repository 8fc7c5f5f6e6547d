import { appendFile, open, readFile, stat, truncate } from 'node:fs/promises'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { VerbAnswer } from '../../vault/contract.ts'
import { isSignatureOf, verifyingKeyOf } from '../../vault/crypto/signing.ts'
import { fingerprintText, sha256 } from '../../vault/kernel/digest.ts'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { type Checkpoint, openNote, readNote } from '../../vault/proof/note.ts'
import { isConsistent } from '../../vault/proof/tree.ts'
import { Complaint, misuse } from './complaint.ts'
import { ConsoleClient } from './console-client.ts'
import type { Tools } from './tools.ts'

/** A larger file of a witness is some other file. */
const mostBytes = 256 * 1024 * 1024

const answerForm = z.object({
  checkpoint: z.string().max(2_000),
  publicKey: z.base64().max(100),
  consistency: z.array(z.base64().max(100)).max(128),
})
type Answer = VerbAnswer<'audit.checkpoint'>

export type WitnessOptions = {
  readonly from?: string
  readonly tokenFile?: string
  readonly ca?: string
  readonly key?: string
}

export type Witnessed = {
  readonly file: string
  /** Entries of the log. */
  readonly size: number
  /** Checkpoints that the file has now. */
  readonly checkpoints: number
  /** Entries that the log had when this witness last saw it; null: it has not seen it before. */
  readonly before: number | null
  readonly fingerprint: string
}

/**
 * Adds the log's last signed checkpoint to a file on a stick or another machine, after proving that the log only grew since
 * the one that was added before (RFC 6962 §2.1.2). Throws a `Complaint` where it is another log, or was put back.
 */
export async function witness(tools: Tools, path: string, options: WitnessOptions): Promise<Witnessed> {
  const file = resolve(tools.io.cwd, path)
  const seen = await seenBefore(file)
  const last = seen.at(-1)
  const before = last === undefined ? undefined : readNote(last)
  if (last !== undefined && before === undefined)
    throw new Complaint(
      `the last line of ${path} is no checkpoint: it was changed, or is not of a witness`,
      'keep the file, and begin another one',
    )
  const answer =
    options.from === undefined
      ? await tools.withVault((vault) => vault.ask('audit.checkpoint', { from: before?.size ?? 0 }))
      : await askGateway(tools, options.from, before?.size ?? 0, options)
  const key = fromBase64(answer.publicKey)
  const fingerprint = fingerprintText(await sha256(key))
  if (options.key !== undefined && options.key !== answer.publicKey)
    throw new Complaint(
      `the log is signed by another key (${fingerprint}) than the one given`,
      'nothing was added: compare the key with whoever told it to you',
    )
  const signed = await opened(answer.checkpoint, key)
  if (signed === undefined)
    throw new Complaint(
      answer.checkpoint === '' ? 'the log is empty yet' : 'the checkpoint is not signed by the log’s key',
      answer.checkpoint === '' ? 'witness it once something was done' : forked,
    )
  if (last !== undefined) await checkGrowth(path, last, signed, answer, key)
  if (last !== answer.checkpoint) await add(file, answer.checkpoint)
  return {
    file,
    size: signed.size,
    checkpoints: seen.length + (last === answer.checkpoint ? 0 : 1),
    before: before?.size ?? null,
    fingerprint,
  }
}

const forked =
  'nothing was added. Keep this file and the data folder as they are: somebody changed the log, put it back, or shows you another one'

async function checkGrowth(
  path: string,
  last: string,
  now: Checkpoint,
  answer: Answer,
  key: Uint8Array,
): Promise<void> {
  const then = await opened(last, key)
  if (then === undefined)
    throw new Complaint(`${path} has seen a log that another key signed than the one of today`, forked)
  if (then.origin !== now.origin)
    throw new Complaint(`${path} has seen the log of another installation`, 'give another file for this one')
  if (now.size < then.size)
    throw new Complaint(
      `the log has ${now.size} entries, and ${path} has seen ${then.size} at ${then.time}: it was put back`,
      forked,
    )
  const proof = answer.consistency.map((one) => fromBase64(one))
  if (!(await isConsistent(then.size, then.root, now.size, now.root, proof)))
    throw new Complaint(
      `the log of ${now.size} entries is not the one that ${path} has seen with ${then.size} at ${then.time}`,
      forked,
    )
}

function opened(text: string, key: Uint8Array): Promise<Checkpoint | undefined> {
  const verifying = verifyingKeyOf(key)
  return openNote(text, key, (message, signature) => isSignatureOf(verifying, message, signature))
}

async function add(file: string, checkpoint: string): Promise<void> {
  await appendFile(file, `${JSON.stringify({ checkpoint })}\n`, { mode: 0o600 })
  const written = await open(file, 'r')
  try {
    // A stick is pulled out the moment this says that it is done.
    await written.sync()
  } finally {
    await written.close()
  }
}

/** What is in the file; a line that was cut short as the stick was pulled out is taken away. */
async function seenBefore(file: string): Promise<readonly string[]> {
  try {
    const text = await textOf(file)
    if (!text.endsWith('\n'))
      await truncate(file, Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1)))
    return await checkpointsIn(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/**
 * The checkpoints in a file of a witness, in its order: lines of the vault's own witness and of `tagout audit witness`, or what a
 * syslog receiver kept, however it writes its lines. Other lines are passed over.
 */
export async function checkpointsIn(path: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const line of (await textOf(path)).split('\n')) {
    if (!line.includes('checkpoint')) continue
    const own = ownLine(line)
    const sent = /checkpoint=\\*"([A-Za-z0-9+/]{40,3000}={0,2})\\*"/.exec(line)?.[1]
    if (own !== undefined) found.push(own)
    else if (sent !== undefined) found.push(Buffer.from(sent, 'base64').toString())
  }
  return found
}

async function textOf(path: string): Promise<string> {
  const about = await stat(path)
  if (about.isDirectory()) throw misuse(`${path} is a folder`, 'name a file in it')
  if (about.size > mostBytes)
    throw misuse(`${path} is larger than a witness gets`, 'give the lines with checkpoints alone')
  return readFile(path, 'utf8')
}

function ownLine(line: string): string | undefined {
  if (!line.startsWith('{"checkpoint":')) return undefined
  try {
    return z.strictObject({ checkpoint: z.string() }).parse(JSON.parse(line)).checkpoint
  } catch {
    // No signature will hold, and that is said.
    return line
  }
}

/** Asks a gateway on another machine, as a service whose token may read the log. */
async function askGateway(
  tools: Tools,
  from: string,
  size: number,
  { tokenFile, ca }: WitnessOptions,
): Promise<Answer> {
  if (tokenFile === undefined)
    throw misuse(
      '--from takes a token of a service that may read the log',
      'make one with: tagout token add SERVICE --scope audit.read --expires 90d, and give --token-file',
    )
  if (!URL.canParse(from) || new URL(from).protocol !== 'https:')
    throw misuse(`${JSON.stringify(from)} is no address`, 'write it like https://gateway.plant.example')
  const token = (await tools.readText(tokenFile)).trim()
  const gateway = new ConsoleClient(from, ca === undefined ? undefined : resolve(tools.io.cwd, ca), token)
  const parsed = answerForm.safeParse(await gateway.ask('GET', `/api/audit/checkpoint?from=${size}`))
  if (!parsed.success) throw new Complaint('what answers there is no gateway', 'look at the address')
  return parsed.data
}
