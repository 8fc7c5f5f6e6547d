import { argon2idOfNode } from '../../vault/auditors/argon2-node.ts'
import {
  type AuditorChain,
  type AuditorIdentity,
  type Authority,
  answerChallenge,
  forget,
  type RecoveryKey,
  readIdentity,
  readRecoveryFile,
  type Sodium,
  verifyChain,
} from '../../vault/auditors/index.ts'
import { sameBytes } from '../../vault/kernel/digest.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import type { Secret } from '../../vault/kernel/secret.ts'
import { Complaint, misuse, refused } from './complaint.ts'
import { otherPaper } from './recovery-kind.ts'
import { readSecret, readSecretFile } from './secret-input.ts'
import type { Tools, Vault } from './tools.ts'
import { keepChainPin, readChainPin } from './vault-pin.ts'

export type AuthorityOptions = {
  readonly identity?: string
  readonly passphraseStdin?: boolean
  readonly recovery?: string
}

/** The chain of auditor lists, verified, and the continuation of the one that this user saw last. */
export async function verifiedChain(tools: Tools, vault: Vault, sodium: Sodium): Promise<AuditorChain> {
  const links = await vault.ask('auditor.lists', {})
  if (links.length === 0)
    throw new Complaint(
      'there are no auditors yet',
      'add the first: tagout auditor add NAME KEY.pub --recovery-out FILE',
    )
  const chain = await verifyChain(sodium, links, await readChainPin(tools))
  if (!chain.ok) throw refused(chain.refusal)
  await keepChainPin(tools, { version: chain.value.current.version, hash: chain.value.current.hash })
  return chain.value
}

/** Opens an auditor's identity file and hands it to `use`; the private halves are wiped afterwards. */
export async function withIdentity<T>(
  tools: Tools,
  sodium: Sodium,
  file: string,
  passphraseStdin: boolean,
  use: (identity: AuditorIdentity) => Promise<T>,
): Promise<T> {
  const text = await tools.readText(file)
  using passphrase = await readSecret(tools.io, {
    what: `passphrase of ${file}`,
    fromStdin: passphraseStdin,
    option: '--passphrase-stdin',
    confirm: false,
  })
  const identity = await passphrase.expose(async (bytes) => {
    try {
      return await readIdentity(sodium, argon2idOfNode, text, new TextDecoder().decode(bytes))
    } catch (error) {
      throw new Complaint(
        `${file}: ${error instanceof Error ? error.message : 'does not open'}`,
        'check the passphrase, and that this is the file that tagout auditor keygen wrote',
      )
    }
  })
  try {
    return await use(identity)
  } finally {
    forget(sodium, identity)
  }
}

/** Opens what `--identity` or `--recovery` names. */
export async function withAuthority<T>(
  tools: Tools,
  sodium: Sodium,
  options: AuthorityOptions,
  use: (authority: Authority) => Promise<T>,
): Promise<T> {
  if ((options.identity === undefined) === (options.recovery === undefined))
    throw misuse('say who does this: either --identity FILE or --recovery FILE')
  if (options.identity !== undefined)
    return withIdentity(tools, sodium, options.identity, options.passphraseStdin === true, use)
  using file = await readSecretFile(tools.io, options.recovery ?? '')
  const recovery = openRecovery(sodium, options.recovery ?? '', file)
  try {
    return await use(recovery)
  } finally {
    sodium.memzero(recovery.signPrivate)
    sodium.memzero(recovery.boxPrivate)
  }
}

/** Opens the recordings recovery key of a file; the caller wipes its private halves. Throws a `Complaint` that names a mistyped row. */
export function openRecovery(sodium: Sodium, path: string, file: Secret): RecoveryKey {
  return file.expose((bytes) => {
    const text = new TextDecoder().decode(bytes)
    try {
      return readRecoveryFile(sodium, text)
    } catch (error) {
      throw (
        otherPaper(path, text, 'recordings') ??
        misuse(
          `${path}: ${error instanceof Error ? error.message : 'does not open'}`,
          'give the file that the first tagout auditor add wrote with --recovery-out',
        )
      )
    }
  })
}

/** The identity under the name that the list has for it: a key file may call its holder otherwise. */
export function asListed(identity: AuditorIdentity, chain: AuditorChain): AuditorIdentity {
  const listed = chain.current.auditors.find((one) => sameBytes(one.signKey, identity.signKey))
  if (listed === undefined)
    throw new Complaint('this key is not on the present list of auditors', 'ask an auditor to add it')
  return { ...identity, name: listed.name }
}

/** Logs in as the auditor by signing the vault's challenge; the token may only replay. */
export async function logInAsAuditor(
  vault: Vault,
  sodium: Sodium,
  identity: AuditorIdentity,
): Promise<string> {
  const { challenge } = await vault.ask('auditor.challenge', { auditor: identity.name })
  const signature = answerChallenge(sodium, identity, fromBase64(challenge))
  const login = await vault.ask('auditor.login', {
    auditor: identity.name,
    challenge,
    signature: toBase64(signature),
    source: 'tagout',
  })
  return login.token
}
