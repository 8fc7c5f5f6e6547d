import type { AuditVerdict } from '../../vault/contract.ts'
import type { Vault } from './tools.ts'

/** The whole log as an export file's text: raw leaves and signed checkpoints. */
export async function collectExport(vault: Vault): Promise<string> {
  const leaves: { readonly seq: number; readonly body: string }[] = []
  const checkpoints = new Set<string>()
  let publicKey = ''
  for (let from: number | null = 0; from !== null; ) {
    const page: Awaited<ReturnType<typeof pageOf>> = await pageOf(vault, from)
    leaves.push(...page.leaves)
    for (const checkpoint of page.checkpoints) checkpoints.add(checkpoint)
    publicKey = page.publicKey
    from = page.next
  }
  return `${JSON.stringify({ format: 'tagout-audit-export', version: 1, publicKey, checkpoints: [...checkpoints], leaves })}\n`
}

function pageOf(vault: Vault, from: number) {
  return vault.ask('audit.export', { from, limit: 5_000 }, undefined, 120_000)
}

export async function verifyExportFile(_text: string, _publicKey: string | undefined): Promise<AuditVerdict> {
  throw new Error('wait')
}
