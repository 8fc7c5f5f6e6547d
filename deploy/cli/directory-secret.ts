import type { DirectorySettings } from '../../vault/contract.ts'
import { makeSealedDirectorySecret } from '../../vault/intake.ts'
import { readSecret } from './secret-input.ts'
import { loadSodium } from './sodium.ts'
import type { Tools, Vault } from './tools.ts'
import { pinnedIntakeKey } from './vault-pin.ts'

/** What Tagout proves itself with at a directory, sealed here. The key first: nobody types a secret for a vault that is then refused. */
export async function sealSecretOf(
  tools: Tools,
  vault: Vault,
  name: string,
  settings: DirectorySettings,
  asked: { readonly what: string; readonly fromStdin: boolean; readonly option: string },
): Promise<string> {
  const intakeKey = await pinnedIntakeKey(tools, vault)
  using secret = await readSecret(tools.io, { ...asked, confirm: false })
  const sodium = await loadSodium()
  return secret.expose((bytes) =>
    makeSealedDirectorySecret(sodium, intakeKey, name, settings, new TextDecoder().decode(bytes)),
  )
}
