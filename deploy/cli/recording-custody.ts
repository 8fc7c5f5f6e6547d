import type { AuditFound } from '../../vault/contract.ts'
import { custodyKinds } from '../../vault/contract/words.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { when } from './io.ts'
import type { Tools } from './tools.ts'

/** Shows in whose hands a recording was, from the audit log. */
export async function showCustody(tools: Tools, recording: Id<'rec'>): Promise<void> {
  const entries = await tools.withVault(async (vault) => {
    const { session } = await vault.ask('recording.show', { recording })
    const found: AuditFound[] = []
    for (let after: string | undefined; ; ) {
      const page = await vault.ask('audit.find', {
        session,
        kinds: custodyKinds,
        limit: 1_000,
        ...(after === undefined ? {} : { after }),
      })
      found.push(...page.entries)
      if (page.next === null) return found.reverse()
      after = page.next
    }
  })
  tools.list(
    entries,
    [
      ['SEQ', ({ seq }) => String(seq)],
      ['AT', ({ at }) => when(at)],
      ['WHO', ({ actor }) => actor],
      ['FROM', ({ source }) => source ?? '-'],
      ['WHAT', ({ text }) => text],
    ],
    'the audit log says nothing of this recording',
  )
  tools.note(
    'prove it with: tagout audit find --session SES --proofs FILE; its file, and copies of it, leave no trace here',
  )
}
