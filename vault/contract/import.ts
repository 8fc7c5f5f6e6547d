import { z } from 'zod'
import { base64, freshCode, people, type Verb, verb } from './shapes.ts'
import { type Enrolment } from './users.ts'

/** What can be asked about rows of a CSV file. */

/** What can be imported from a file. */
export const importKinds = ['targets', 'accounts', 'users', 'grants'] as const

export type ImportKind = (typeof importKinds)[number]

/** Characters of a sealed secret within an import: a private key of 8 KiB fits. Others are added by themselves. */
export const maxImportedSecret = 16_000

/** Of a row of an import. A private key with a passphrase is added by itself. */
const importedCredential = z.strictObject({
  kind: z.enum(['password', 'ssh-key']),
  sealed: base64.max(maxImportedSecret, 'this secret is too long to be imported'),
})

/** What an import did, or would do, with a row; a sentence where it cannot. */
export type ImportedRow = {
  readonly line: number
  readonly does: 'create' | 'unchanged' | 'conflict' | 'invalid'
  readonly sentence?: string
  /** Of an account whose target is not there: that is added as well. */
  readonly addsTarget?: 'pinned' | 'not pinned'
  readonly enrolment?: Enrolment
}

export type ImportAnswer = { readonly applied: boolean; readonly rows: readonly ImportedRow[] }

export const importVerbs = {
  /**
   * Adds what the rows of a file ask for, all or nothing; without `apply` it says what it would do. Columns are those
   * of `vault/import/columns.ts`. The secret of an account is never a cell: it comes as `credential`, sealed for
   * `target/login` as the cells of its row say, in the look as well.
   */
  import: verb(
    people,
    z.strictObject({
      kind: z.enum(importKinds),
      rows: z
        .array(
          z.strictObject({
            line: z.int().min(1).max(2_000_000),
            cells: z.record(z.string().max(40), z.string().max(2000)),
            credential: importedCredential.optional(), // of accounts, and of those only that are not there yet
          }),
        )
        .min(1)
        .max(1000),
      apply: z.boolean(),
      totpCode: freshCode, // for users, and where a person grants to themself
    }),
  ),
} as const satisfies Record<string, Verb>

export type ImportAnswers = {
  import: ImportAnswer
}
