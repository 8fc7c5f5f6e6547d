import type { VerbAnswer } from '../../vault/contract.ts'
import { get } from '../api.ts'

type Page = VerbAnswer<'audit.export'>

/**
 * Fetches the whole log as the text of an export file: the same as `tagout audit export` writes, which
 * `tagout audit verify --file` verifies without vault or database.
 */
export async function collectExport(): Promise<string> {
  const leaves: Page['leaves'][number][] = []
  const checkpoints = new Set<string>()
  let publicKey = ''
  for (let from: number | null = 0; from !== null; ) {
    const page: Page = await get(`/api/audit/export?from=${from}&limit=5000`)
    for (const leaf of page.leaves) leaves.push(leaf)
    for (const checkpoint of page.checkpoints) checkpoints.add(checkpoint)
    publicKey = page.publicKey
    from = page.next
  }
  const whole = {
    format: 'tagout-audit-export',
    version: 1,
    publicKey,
    checkpoints: [...checkpoints],
    leaves,
  }
  return `${JSON.stringify(whole)}\n`
}
