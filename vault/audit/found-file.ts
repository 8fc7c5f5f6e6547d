import type { AuditFound, VerbAnswer } from '../contract.ts'
import { csvText } from '../kernel/csv.ts'
import { zonedTime } from '../kernel/plant-time.ts'

/** Files of what was found in the log. Runs in browsers too. */

/** Entries that are proven at once, at most. */
export const provenAtOnce = 200

type Proven = VerbAnswer<'audit.prove'>

/** Entries as a table for people, the columns in this order. */
export function foundCsv(entries: readonly AuditFound[], zone: string): string {
  return csvText(
    [
      ...['entry', 'time (UTC)', ...(zone === 'UTC' ? [] : [`time (${zone})`])],
      ...['kind', 'who', 'company', 'approved by', 'from'],
      ...['target', 'account', 'session', 'what', 'vouched for'],
    ],
    entries.map((one) => [
      String(one.seq),
      one.at,
      ...(zone === 'UTC' ? [] : [one.at === '' ? '' : zonedTime(one.at, zone)]),
      one.kind,
      one.who ?? one.actor,
      one.company ?? '',
      one.approvedBy.join(', '),
      one.source ?? '',
      one.target ?? '',
      one.account ?? '',
      one.session ?? '',
      one.text,
      one.unproven ? 'no' : 'yes',
    ]),
  )
}

/**
 * Entries with the proofs that they are in the log, to be verified without it: `tagout audit verify --file`. `asked` is
 * what was looked for, which nothing proves: that nothing is missing only the whole log shows.
 */
export async function foundFile(
  asked: object,
  seqs: readonly number[],
  prove: (seqs: number[]) => Promise<Proven>,
): Promise<string> {
  const batches: Pick<Proven, 'checkpoint' | 'leaves'>[] = []
  let publicKey = ''
  for (let from = 0; from < seqs.length; from += provenAtOnce) {
    const { leaves, checkpoint, publicKey: key } = await prove(seqs.slice(from, from + provenAtOnce))
    batches.push({ checkpoint, leaves })
    publicKey = key
  }
  return `${JSON.stringify({ format: 'tagout-audit-found', version: 1, asked, publicKey, batches })}\n`
}
