import { rm } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { argon2idOfNode } from '../../vault/auditors/argon2-node.ts'
import {
  type AuditorChain,
  type AuditorPublic,
  type Authority,
  addAuditor,
  chainFingerprint,
  fingerprint,
  forget,
  KeyFileError,
  makeFirstList,
  makeIdentity,
  readPublic,
  removeAuditor,
  rotateGroupKey,
  type Sodium,
  writeIdentity,
  writePublic,
} from '../../vault/auditors/index.ts'
import type { AuditorListLink, VerbAnswer } from '../../vault/contract.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import { type AuthorityOptions, verifiedChain, withAuthority } from './auditor-identity.ts'
import { Complaint, misuse, refused } from './complaint.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { readSecret } from './secret-input.ts'
import { loadSodium } from './sodium.ts'
import { examples, type Tools, type Vault } from './tools.ts'
import { enrolmentLink } from './user.ts'

const now = () => new Date()

/** What the vault answered, and the chain as it was verified here afterwards. */
type Appended = { readonly answer: VerbAnswer<'auditor.append'>; readonly chain: AuditorChain }

/** `tagout auditor`: the people who can open recordings, and the list that says so. */
export function addAuditorCommands(root: Command, tools: Tools): void {
  const auditor = root.command('auditor').description('auditors: the only people who can open recordings')

  auditor
    .command('keygen')
    .description('make an auditor’s key pair: FILE (keep it off the servers) and FILE.pub')
    .requiredOption('--out <file>', 'where to write the private key, mode 0600')
    .option('--name <name>', 'name in the file (default: the file’s)')
    .option('--passphrase-stdin', 'read the passphrase from standard input')
    .addHelpText(
      'after',
      examples(
        'tagout auditor keygen --out auditor.key',
        "printf %s 'phrase' | tagout auditor keygen --out auditor.key --passphrase-stdin",
      ),
    )
    .action(async (options: { out: string; name?: string; passphraseStdin?: boolean }) => {
      const made = await keygen(tools, options)
      tools.show(made, () => `wrote ${made.file} and ${made.public}\nfingerprint ${made.fingerprint}\n`)
    })

  auditor
    .command('add <name> <public-key>')
    .description('add an auditor; the first by the machine’s administrator, later ones by an auditor')
    .option('--recovery-out <file>', 'the first time: where to write the recordings recovery key, mode 0600')
    .option('--identity <file>', 'your own auditor key, with which you sign the new list')
    .option('--recovery <file>', 'the recordings recovery key instead, where all auditors have lost theirs')
    .option('--passphrase-stdin', 'read the passphrase of --identity from standard input')
    .addHelpText(
      'after',
      examples(
        'tagout auditor add ingrid auditor.key.pub --recovery-out recordings-recovery.key',
        'tagout auditor add otto otto.key.pub --identity auditor.key',
      ),
    )
    .action(async (name: string, file: string, options: AuthorityOptions & { recoveryOut?: string }) => {
      const sodium = await loadSodium()
      const added = { ...(await readPublicFile(tools, file)), name }
      const appended = await tools.withVault(async (vault) => {
        const first = (await vault.ask('auditor.lists', {})).length === 0
        return first
          ? addFirst(tools, vault, sodium, added, options)
          : changeList(tools, vault, sodium, options, name, (authority, chain) =>
              addAuditor(sodium, authority, chain, added, now),
            )
      })
      await showAdded(tools, added, appended, options.recoveryOut)
    })

  auditor
    .command('remove <name>')
    .description('remove an auditor and change the group key; what was recorded before is not taken back')
    .option('--identity <file>', 'your own auditor key')
    .option('--recovery <file>', 'the recordings recovery key instead')
    .option('--passphrase-stdin', 'read the passphrase of --identity from standard input')
    .addHelpText('after', examples('tagout auditor remove otto --identity auditor.key'))
    .action(async (name: string, options: AuthorityOptions) => {
      const sodium = await loadSodium()
      const { chain } = await tools.withVault((vault) =>
        changeList(tools, vault, sodium, options, undefined, (authority, chain) =>
          removeAuditor(sodium, authority, chain, name, now),
        ),
      )
      tools.show(
        { removed: name, list: listOf(chain) },
        () => `removed auditor ${name}; list ${chain.current.version} stands`,
      )
    })

  auditor
    .command('rotate')
    .description('change the group key: recordings from now on need the new one')
    .option('--identity <file>', 'your own auditor key')
    .option('--recovery <file>', 'the recordings recovery key instead')
    .option('--passphrase-stdin', 'read the passphrase of --identity from standard input')
    .addHelpText('after', examples('tagout auditor rotate --identity auditor.key'))
    .action(async (options: AuthorityOptions) => {
      const sodium = await loadSodium()
      const { chain } = await tools.withVault((vault) =>
        changeList(tools, vault, sodium, options, undefined, (authority, chain) =>
          rotateGroupKey(sodium, authority, chain, now),
        ),
      )
      tools.show({ list: listOf(chain) }, () => `rotated the group key; list ${chain.current.version} stands`)
    })

  auditor
    .command('list')
    .description('list the auditors; the whole chain of lists is verified')
    .addHelpText('after', examples('tagout auditor list', 'tagout auditor list --json'))
    .action(async () => {
      const sodium = await loadSodium()
      const listed = await tools.withVault(async (vault) => {
        if ((await vault.ask('auditor.lists', {})).length === 0) return []
        const chain = await verifiedChain(tools, vault, sodium)
        if (!tools.json())
          tools.note(
            `list ${chain.current.version} of ${when(chain.current.at)}, begun with ${chainFingerprint(chain)}`,
          )
        return Promise.all(
          chain.current.auditors.map(async (one) => ({
            name: one.name,
            fingerprint: await fingerprint(one),
            list: chain.current.version,
          })),
        )
      })
      tools.list(
        listed,
        [
          ['NAME', (row) => row.name],
          ['FINGERPRINT', (row) => row.fingerprint],
        ],
        'there are no auditors yet, so there can be no sessions; add the first with: tagout auditor add',
      )
    })
}

async function keygen(
  tools: Tools,
  options: { out: string; name?: string; passphraseStdin?: boolean },
): Promise<{ file: string; public: string; fingerprint: string }> {
  const sodium = await loadSodium()
  const name = options.name ?? (basename(options.out).replace(/\.(key|pem|txt)$/, '') || 'auditor')
  using passphrase = await readSecret(tools.io, {
    what: 'passphrase for the new key',
    fromStdin: options.passphraseStdin === true,
    option: '--passphrase-stdin',
    confirm: true,
  })
  let identity: ReturnType<typeof makeIdentity>
  try {
    identity = makeIdentity(sodium, name)
  } catch {
    throw misuse(`${JSON.stringify(name)} cannot be an auditor's name`, 'give one with --name')
  }
  try {
    const text = await passphrase.expose((bytes) =>
      writeIdentity(sodium, argon2idOfNode, identity, new TextDecoder().decode(bytes)),
    )
    const file = resolve(tools.io.cwd, options.out)
    // The public half first: a private key without one could be mistaken for finished.
    await writeNewFile(`${file}.pub`, await writePublic(identity), { mode: 0o644 })
    await writeNewFile(file, text)
    return { file: options.out, public: `${options.out}.pub`, fingerprint: await fingerprint(identity) }
  } finally {
    forget(sodium, identity)
  }
}

async function readPublicFile(tools: Tools, file: string): Promise<AuditorPublic> {
  const text = await tools.readText(file)
  try {
    return await readPublic(text)
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error
    throw misuse(`${file}: ${error.message}`, 'give the .pub file that tagout auditor keygen wrote')
  }
}

/**
 * The first list. INVARIANT: the recovery key is on disk before the list stands; a list whose recovery key nobody
 * has would be for ever.
 */
async function addFirst(
  tools: Tools,
  vault: Vault,
  sodium: Sodium,
  first: AuditorPublic,
  options: AuthorityOptions & { recoveryOut?: string },
): Promise<Appended> {
  if (options.recoveryOut === undefined)
    throw misuse(
      'the first auditor comes with a recovery key for recordings',
      'say where to write it: --recovery-out FILE',
    )
  if (options.identity !== undefined || options.recovery !== undefined)
    throw misuse('there are no auditors yet, so nobody can sign', 'leave --identity and --recovery out')
  const { link, recoveryFile } = await makeFirstList(sodium, first, now)
  const path = resolve(tools.io.cwd, options.recoveryOut)
  await writeNewFile(path, recoveryFile)
  const answer = await append(vault, link, first.name).catch(async (error: unknown) => {
    // A refusal means that no list stands: the file would be a key to nothing. After a fault it may stand.
    if (error instanceof Complaint) await rm(path, { force: true })
    throw error
  })
  return { answer, chain: await verifiedChain(tools, vault, sodium) }
}

/**
 * A later list: made and signed here by an auditor (or the recovery key). The administrator's door only carries it:
 * vault, recorders and clients accept no list that is not signed by somebody on the one before.
 */
async function changeList(
  tools: Tools,
  vault: Vault,
  sodium: Sodium,
  options: AuthorityOptions & { recoveryOut?: string },
  newUser: string | undefined,
  change: (authority: Authority, chain: AuditorChain) => Promise<Outcome<AuditorListLink>>,
): Promise<Appended> {
  if (options.recoveryOut !== undefined)
    throw misuse('the recovery key was made with the first auditor', 'leave --recovery-out out')
  const chain = await verifiedChain(tools, vault, sodium)
  return withAuthority(tools, sodium, options, async (authority) => {
    const link = await change(authority, chain)
    if (!link.ok) throw refused(link.refusal)
    const answer = await append(vault, link.value, newUser)
    return { answer, chain: await verifiedChain(tools, vault, sodium) }
  })
}

function append(
  vault: Vault,
  link: AuditorListLink,
  newUser: string | undefined,
): Promise<VerbAnswer<'auditor.append'>> {
  const input = { body: link.body, signature: link.signature }
  return vault.ask('auditor.append', newUser === undefined ? input : { ...input, newAuditorUser: newUser })
}

function listOf(chain: AuditorChain) {
  return { version: chain.current.version, fingerprint: chainFingerprint(chain) }
}

async function showAdded(
  tools: Tools,
  added: AuditorPublic,
  { answer, chain }: Appended,
  recoveryOut: string | undefined,
): Promise<void> {
  const keyFingerprint = await fingerprint(added)
  const link = answer.enrolment === null ? null : await enrolmentLink(tools, answer.enrolment)
  const user = await tools.withVault((vault) => vault.ask('user.show', { user: added.name }))
  tools.show(
    {
      id: user.id,
      name: added.name,
      fingerprint: keyFingerprint,
      list: listOf(chain),
      ...(recoveryOut === undefined ? {} : { recoveryKey: recoveryOut }),
      enrolment: link === null ? null : { link, expiresAt: answer.enrolment?.expiresAt },
    },
    () =>
      [
        `added auditor ${added.name}`,
        `key ${keyFingerprint}; compare it with what ${added.name} sees`,
        `list ${chain.current.version}, begun with ${chainFingerprint(chain)}`,
        ...(recoveryOut === undefined
          ? []
          : [`recordings recovery key in ${recoveryOut}: print it, lock it away, delete it here`]),
        ...(link === null
          ? []
          : [`to set password and second factor, until ${when(answer.enrolment?.expiresAt)}: ${link}`]),
      ]
        .map((line) => `${line}\n`)
        .join(''),
  )
}
