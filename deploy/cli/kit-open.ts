import { mkdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import type { VerbInput } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import type { KitId } from '../../vault/kernel/id.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import { combineShares, isShareOf } from '../../vault/keys/custodians.ts'
import { parseShare, type Share } from '../../vault/keys/share.ts'
import { type KitSecret, openKit, readKit, type SealedKit } from '../../vault/kits/kit-file.ts'
import { Complaint, misuse, refused } from './complaint.ts'
import { showOnce } from './hand-out.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { readShare } from './share-input.ts'
import { loadSodium } from './sodium.ts'
import { collect, examples, facts, type Tools } from './tools.ts'

type OpenOptions = {
  readonly shareFile?: readonly string[]
  readonly account?: readonly string[]
  readonly drill?: boolean
  readonly out?: string
  readonly print?: boolean
  readonly signedBy?: string
  readonly reason?: string
}

/** What `tagout kit open` leaves beside the kit, for `tagout kit report`. */
const note = z.strictObject({
  kit: z.custom<KitId>((value) => typeof value === 'string' && /^kit_[0-9a-z]{26}$/.test(value)),
  madeAt: z.iso.datetime(),
  openedAt: z.iso.datetime(),
  custodians: z.array(z.string()),
  drill: z.boolean(),
  reason: z.string(),
})

/** Reads the note of an opening. */
export function readNote(path: string, text: string): VerbInput<'kit.report'> {
  try {
    return note.parse(JSON.parse(text))
  } catch {
    throw misuse(`${path} is not the note of an opening`, 'give the file that tagout kit open has written')
  }
}

/** `tagout kit open`: without server, database or network. */
export function addKitOpenCommand(kit: Command, tools: Tools): void {
  kit
    .command('open <file>')
    .description('open an emergency kit by the shares of its custodians: no server, no network')
    .option('--share-file <file>', 'a file with one share; the others are asked for', collect)
    .option('--account <account>', 'these alone; otherwise all, one after the other', collect)
    .option('--print', 'write them to standard output, not to the screen one at a time')
    .option('--out <folder>', 'write each to a file of its own in a new folder, mode 0600')
    .option('--drill', 'practise: prove that every secret opens, and show none')
    .option(
      '--signed-by <fingerprint>',
      'refuse a kit that was signed by another vault: see a custodian’s sheet',
    )
    .option('--reason <text>', 'why; it goes into the note that is reported afterwards')
    .addHelpText(
      'after',
      `
It leaves a note beside the file, FILE.….opened. When there is a Tagout again: tagout kit report NOTE; what was in the
kit is to be rotated from then on.
${examples(
  'tagout kit open line-3.kit --reason "server burnt"',
  'tagout kit open line-3.kit --share-file anna.share --share-file bob.share --account press-3/engineer --reason "line stands"',
  'tagout kit open line-3.kit --drill',
)}`,
    )
    .action(async (path: string, options: OpenOptions) => {
      await loadSodium()
      await openFile(tools, path, options)
    })
}

async function openFile(tools: Tools, path: string, options: OpenOptions): Promise<void> {
  const drill = options.drill === true
  if (!drill && options.reason === undefined)
    throw misuse('say why it is opened', 'give --reason TEXT, or --drill to practise')
  if (drill && (options.print === true || options.out !== undefined))
    throw misuse('a drill shows no secret', 'leave --print and --out out')
  if (!drill && options.print !== true && options.out === undefined && tools.io.stdin.isTTY !== true)
    throw misuse('no terminal to show secrets on', 'give --print, or --out FOLDER')
  const kit = must(readKit(await tools.readText(path)))
  if (options.signedBy !== undefined && options.signedBy !== kit.signedBy)
    throw new Complaint(
      `this kit is signed by ${kit.signedBy}, not by ${options.signedBy}`,
      'it was made by another vault: find out where it comes from',
    )
  say(tools, kit)
  const shares = await readShares(tools, kit, options.shareFile ?? [])
  try {
    using secret = await combineShares(shares.map(({ value }) => value))
    const secrets = must(openKit(kit, secret))
    try {
      const chosen = choose(secrets, options.account)
      const opening = {
        kit: kit.header.kit,
        madeAt: kit.header.madeAt,
        openedAt: new Date().toISOString(),
        custodians: shares.map((share) => nameOf(kit, share)),
        drill,
        reason: options.reason ?? 'drill',
      }
      // Before anything is shown: what was seen is not forgotten because a terminal was closed.
      const notePath = await leaveNote(tools, path, JSON.stringify(opening, null, 2))
      if (drill)
        tools.show({ ...opening, accounts: secrets.length, note: notePath }, () =>
          facts([
            [
              'opens',
              `all ${count(secrets.length, 'secret')} of ${kit.header.safe}, as of ${when(kit.header.madeAt)}`,
            ],
            ['shown', 'none'],
            ['then', `tagout kit report ${notePath}`],
          ]),
        )
      else {
        await give(tools, chosen, options)
        tools.note(`when there is a Tagout again: tagout kit report ${notePath}`)
      }
    } finally {
      for (const one of secrets) {
        one.secret[Symbol.dispose]()
        one.passphrase?.[Symbol.dispose]()
      }
    }
  } finally {
    for (const share of shares) share.value[Symbol.dispose]()
  }
}

function say(tools: Tools, kit: SealedKit): void {
  const { safe, madeAt, accounts, custodians } = kit.header
  tools.note(
    `emergency kit of ${safe}, made ${when(madeAt)}: ${count(accounts, 'secret')}; signed by ${kit.signedBy}`,
  )
  tools.note(
    `any ${custodians.threshold} of ${custodians.custodians.map(({ name }) => name).join(', ')} open it`,
  )
}

/** As many different shares of the kit as it takes; each is told right or wrong alone. */
async function readShares(tools: Tools, kit: SealedKit, files: readonly string[]): Promise<readonly Share[]> {
  const { custodians } = kit.header
  const shares: Share[] = []
  const left = [...files]
  try {
    while (shares.length < custodians.threshold) {
      const file = left.shift()
      if (file === undefined) tools.note(`share ${shares.length + 1} of ${custodians.threshold}`)
      const share = must(parseShare(await readShare(tools.io, { fromStdin: false, file })))
      const fault = !isShareOf(custodians, share)
        ? `${file ?? 'this share'} is no share of this kit: its set is ${custodians.set.slice(0, 4)}-${custodians.set.slice(4)}`
        : shares.some(({ index }) => index === share.index)
          ? `the share of ${nameOf(kit, share)} was given already`
          : undefined
      if (fault === undefined) {
        shares.push(share)
        tools.note(`the share of ${nameOf(kit, share)} is right`)
        continue
      }
      share.value[Symbol.dispose]()
      // At a terminal there is another try; a file will not become another one.
      if (file !== undefined)
        throw new Complaint(fault, 'give the shares of different custodians of this kit')
      tools.note(fault)
    }
    return shares
  } catch (error) {
    for (const share of shares) share.value[Symbol.dispose]()
    throw error
  }
}

function nameOf(kit: SealedKit, share: Share): string {
  return kit.header.custodians.custodians.find(({ index }) => index === share.index)?.name ?? ''
}

function choose(secrets: readonly KitSecret[], names: readonly string[] | undefined): readonly KitSecret[] {
  if (names === undefined) return secrets
  return names.flatMap((name) => {
    // Of an account that was being rotated both secrets, as nobody knows which one its machine takes.
    const found = secrets.filter(({ account }) => account.account.toLowerCase() === name.toLowerCase())
    if (found.length === 0)
      throw new Complaint(
        `there is no account ${name} in this kit`,
        `it has ${secrets.map(({ account }) => account.account).join(', ')}`,
      )
    return found
  })
}

async function give(tools: Tools, secrets: readonly KitSecret[], options: OpenOptions): Promise<void> {
  if (tools.json() || options.print === true)
    return tools.show(
      secrets.map((one) => ({ ...one.account, ...textsOf(one) })),
      () => secrets.map(sheet).join('\n'),
    )
  if (options.out !== undefined) {
    const folder = resolve(tools.io.cwd, options.out)
    await makeFolder(folder, options.out)
    for (const one of secrets) await writeNewFile(join(folder, fileNameOf(one.account)), sheet(one))
    return tools.show(
      { folder, files: secrets.length },
      () => `${count(secrets.length, 'file')} in ${folder}`,
    )
  }
  for (const one of secrets)
    if (!(await showOnce(tools, sheet(one), 'Enter for the next one, Ctrl-C to end. '))) return
}

function fileNameOf({ account, state, version }: KitSecret['account']): string {
  return `${account.replaceAll('/', '_')}${state === 'current' ? '' : `_version-${version}`}.txt`
}

async function makeFolder(folder: string, given: string): Promise<void> {
  const there = await stat(folder).catch(() => undefined)
  if (there !== undefined) throw misuse(`${given} exists already`, 'name a folder that is not there')
  await mkdir(folder, { mode: 0o700 })
}

/** A secret as a person reads it. */
function sheet(one: KitSecret): string {
  const { account } = one
  const { secret, passphrase } = textsOf(one)
  return facts([
    ['account', account.account],
    ['login', account.login],
    ['at', `${account.protocol} ${account.address}`],
    ['known by', account.pins.length === 0 ? 'nothing' : account.pins.join(', ')],
    ['set', `${when(account.setAt)}, version ${account.version}`],
    ...(account.state === 'current'
      ? []
      : [['tried', 'if the one before is refused: a rotation was under way'] as const]),
  ])
    .concat(account.kind === 'password' ? `password  ${secret}\n` : `private key\n${secret}\n`)
    .concat(passphrase === undefined ? '' : `passphrase  ${passphrase}\n`)
}

function textsOf(one: KitSecret): { readonly secret: string; readonly passphrase?: string } {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  return {
    secret: one.secret.expose(text),
    ...(one.passphrase === undefined ? {} : { passphrase: one.passphrase.expose(text) }),
  }
}

/** Leaves the note beside the kit, or where one can write. */
async function leaveNote(tools: Tools, path: string, text: string): Promise<string> {
  const stamp = new Date().toISOString().replaceAll(':', '-')
  for (const at of [`${path}.${stamp}.opened`, `kit-${stamp}.opened`])
    try {
      await writeNewFile(resolve(tools.io.cwd, at), `${text}\n`)
      return at
    } catch {
      // A stick that cannot be written to; the folder one stands in is next.
    }
  tools.note(`no note could be left; write this down: ${text}`)
  return 'NOTE'
}

function must<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  throw refused(outcome.refusal)
}
