import type { Command } from 'commander'
import { KeyFileError, readRecoveryFile, type Sodium } from '../../vault/auditors/index.ts'
import { mistypedGroup, parseRecoveryKey } from '../../vault/keys/recovery-key.ts'
import { parseShare } from '../../vault/keys/share.ts'
import { Complaint } from './complaint.ts'
import { type PaperKind, paperKindOf, paperText, usedBy } from './recovery-kind.ts'
import { readSecretFile } from './secret-input.ts'
import { loadSodium } from './sodium.ts'
import { examples, type Tools } from './tools.ts'

/** `tagout recovery`: whether a recovery key that was kept can still be read. */
export function addRecoveryCommands(root: Command, tools: Tools): void {
  root
    .command('recovery')
    .description('recovery keys: the ways back when a key is lost')
    .command('check <file>')
    .description(
      'say what a file with a recovery key or a share is for, and whether it is whole; opens nothing',
    )
    .addHelpText(
      'after',
      `
Whether it opens this vault, only the vault can say: tagout unseal --recovery-key-file FILE.
${examples('tagout recovery check vault-recovery.key', 'tagout recovery check recordings-recovery.key')}`,
    )
    .action(async (path: string) => {
      const sodium = await loadSodium()
      using file = await readSecretFile(tools.io, path)
      const { kind, fault } = file.expose((bytes) => readPaper(sodium, new TextDecoder().decode(bytes)))
      if (kind === undefined)
        throw new Complaint(
          `${path} is no recovery key or share`,
          'a vault’s recovery key is nine groups of four letters, a share six rows; recordings have a file of theirs',
        )
      if (kind === 'auditor')
        throw new Complaint(`${path} is ${paperText[kind]}, and no recovery key`, usedBy[kind])
      if (fault !== undefined)
        throw new Complaint(
          `${path} is ${paperText[kind]}, and was mistyped: ${fault}`,
          'compare it with the paper, letter by letter',
        )
      tools.show(
        { file: path, opens: kind },
        () => `${path} is ${paperText[kind]}, and whole; ${usedBy[kind]}`,
      )
    })
}

/** What a file is by its form, and where it is one, what is wrong with it. */
function readPaper(
  sodium: Sodium,
  text: string,
): { readonly kind: PaperKind | undefined; readonly fault?: string | undefined } {
  const kind = paperKindOf(text)
  switch (kind) {
    case 'vault':
      return { kind, fault: vaultFault(text.trim()) }
    case 'share': {
      const share = parseShare(text)
      if (!share.ok) return { kind, fault: share.refusal.message }
      share.value.value[Symbol.dispose]()
      return { kind }
    }
    case 'recordings':
      try {
        const key = readRecoveryFile(sodium, text)
        sodium.memzero(key.signPrivate)
        sodium.memzero(key.boxPrivate)
        return { kind }
      } catch (error) {
        return { kind, fault: error instanceof KeyFileError ? error.message : 'it does not open' }
      }
    default:
      return { kind }
  }
}

function vaultFault(text: string): string | undefined {
  using key = parseRecoveryKey(text)
  if (key !== undefined) return undefined
  const group = mistypedGroup(text)
  return group === undefined ? 'in more than one place, or a letter is missing' : `look at its group ${group}`
}
