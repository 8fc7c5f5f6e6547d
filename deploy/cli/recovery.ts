import type { Command } from 'commander'
import { readRecoveryFile } from '../../vault/auditors/index.ts'
import { parseRecoveryKey } from '../../vault/keys/recovery-key.ts'
import { parseShare } from '../../vault/keys/share.ts'
import { Complaint } from './complaint.ts'
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
      const kind = file.expose((bytes) => {
        const text = new TextDecoder().decode(bytes)
        using vaultKey = parseRecoveryKey(text.trim())
        if (vaultKey !== undefined) return 'vault'
        const share = parseShare(text)
        if (share.ok) {
          share.value.value[Symbol.dispose]()
          return 'share'
        }
        try {
          const key = readRecoveryFile(sodium, text)
          sodium.memzero(key.signPrivate)
          sodium.memzero(key.boxPrivate)
          return 'recordings'
        } catch {
          return undefined
        }
      })
      if (kind === undefined)
        throw new Complaint(
          `${path} is no recovery key or share, or was mistyped`,
          'compare it with the paper, character by character',
        )
      tools.show({ file: path, opens: kind }, () =>
        kind === 'share'
          ? `${path} is a custodian's share, and whole`
          : kind === 'vault'
            ? `${path} is a vault's recovery key, and whole`
            : `${path} is a recordings recovery key, and whole`,
      )
    })
}
