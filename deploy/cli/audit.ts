import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { AuditLeafView } from '../../vault/contract.ts'
import { collectExport, verifyExport } from './audit-export.ts'
import { checkpointsIn, witness, type WitnessOptions } from './audit-witness.ts'
import { addAuditFindCommands } from './audit-find.ts'
import { Complaint, misuse } from './complaint.ts'
import { when } from './io.ts'
import { mostRows, parseLimit } from './limit.ts'
import { writeNewFile } from './new-file.ts'
import { examples, type Tools, type Vault } from './tools.ts'

/** `tagout audit`: the log of who did what, and whether it is whole. */
export function addAuditCommands(root: Command, tools: Tools): void {
  const audit = root.command('audit').description('the audit log: who did what, and whether it is whole')

  audit
    .command('list')
    .description('list entries, newest last')
    .option('--from <seq>', 'from this number on (default: the last ones)')
    .option('--limit <count>', 'at most so many (default: 200)')
    .option('--kind <kind>', 'only of this kind, like session.started')
    .addHelpText(
      'after',
      examples('tagout audit list --limit 20', 'tagout audit list --kind account.revealed --json'),
    )
    .action(async (options: { from?: string; limit?: string; kind?: string }) => {
      const from = parseFrom(options.from)
      const limit = parseLimit(options.limit, 200)
      const kind = options.kind === undefined ? {} : { kind: options.kind }
      const { entries, more } = await tools.withVault((vault) =>
        from === undefined ? lastEntries(vault, limit, kind) : entriesFrom(vault, from, limit, kind),
      )
      tools.list(
        entries,
        [
          ['SEQ', (row) => String(row.seq)],
          ['AT', (row) => when(row.at)],
          ['WHAT', (row) => row.text],
        ],
        'there are no such entries',
      )
      if (more !== undefined) tools.note(more)
    })

  addAuditFindCommands(audit, tools)

  audit
    .command('verify')
    .description('verify that nothing in the log was changed, removed or added behind')
    .option(
      '--file <export>',
      'verify an exported log, or found entries with their proofs, without vault or database',
    )
    .option('--key <base64>', 'the log’s public key, known from elsewhere, for --file')
    .option(
      '--witness <file>',
      'against the checkpoints that a witness has: a file of tagout audit witness, or what a syslog receiver kept',
    )
    .addHelpText(
      'after',
      examples(
        'tagout audit verify',
        'tagout audit verify --file audit.json',
        'tagout audit verify --witness /media/stick/press-hall.witness',
      ),
    )
    .action(async (options: { file?: string; key?: string; witness?: string }) => {
      if (options.key !== undefined && options.file === undefined) throw misuse('--key goes with --file')
      const seen = options.witness === undefined ? undefined : await readWitness(tools, options.witness)
      const verdict =
        options.file === undefined && seen === undefined
          ? await tools.withVault((vault) => vault.ask('audit.verify', {}, undefined, 600_000))
          : await verifyExport(
              options.file === undefined
                ? await tools.withVault((vault) => collectExport(vault))
                : await tools.readText(options.file),
              options.key,
              seen,
            )
      if (tools.json()) tools.show(verdict, () => '')
      if (!verdict.ok)
        throw new Complaint(
          verdict.sentence,
          'keep the data folder as it is, and compare with an earlier export and the witness file',
        )
      if (!tools.json()) tools.say(verdict.sentence)
    })

  audit
    .command('witness <file>')
    .description(
      'add the signed end of the log to a file elsewhere, a stick or another machine: it only ever grows',
    )
    .option('--from <address>', 'ask a gateway on another machine, like https://gateway.plant.example')
    .option('--token-file <file>', 'with --from: the token of a service that may read the log (audit.read)')
    .option(
      '--ca <file>',
      'with --from: PEM of the authority that vouches for the gateway; otherwise public ones',
    )
    .option('--key <base64>', 'the log’s public key, known from elsewhere')
    .addHelpText(
      'after',
      examples(
        'tagout audit witness /media/stick/press-hall.witness',
        'tagout audit witness gateway.witness --from https://gateway.plant.example --token-file witness.token --ca plant-ca.pem',
      ),
    )
    .action(async (file: string, options: WitnessOptions) => {
      const seen = await witness(tools, file, options)
      tools.show(seen, () =>
        seen.before === null
          ? `${file} witnesses the log from its ${seen.size} entries on; it is signed by ${seen.fingerprint}: compare it`
          : `${file} has seen ${seen.before} entries, and the log of ${seen.size} begins with them (checkpoints: ${seen.checkpoints})`,
      )
    })

  audit
    .command('export')
    .description('export the log, whole: it can be verified without vault or database')
    .option('--out <file>', 'where to write it (default: standard output)')
    .addHelpText('after', examples('tagout audit export --out audit.json'))
    .action(async (options: { out?: string }) => {
      const text = await tools.withVault((vault) => collectExport(vault))
      if (options.out === undefined) tools.io.out(text)
      else {
        await writeNewFile(resolve(tools.io.cwd, options.out), text)
        tools.show({ file: options.out }, () => `wrote ${options.out}`)
      }
    })
}

/** What a witness has seen. */
async function readWitness(tools: Tools, path: string): Promise<readonly string[]> {
  const seen = await checkpointsIn(resolve(tools.io.cwd, path))
  if (seen.length === 0)
    throw misuse(
      `${path} has no checkpoint of a log`,
      'give a file of tagout audit witness, or what a syslog receiver kept',
    )
  return seen
}

type Page = { readonly entries: readonly AuditLeafView[]; readonly more: string | undefined }
type Kind = { readonly kind?: string }

/** The newest entries. One more than is shown is asked for: it tells whether there are earlier ones. */
async function lastEntries(vault: Vault, limit: number, kind: Kind): Promise<Page> {
  const found = await vault.ask('audit.list', { ...kind, limit: Math.min(limit + 1, mostRows) })
  const entries = found.slice(-limit)
  const isCut = found.length > limit || (kind.kind === undefined && (entries[0]?.seq ?? 0) > 0)
  return {
    entries,
    more: isCut
      ? `these are the last ${entries.length} entries; earlier ones with a larger --limit, or from the first on with --from 0`
      : undefined,
  }
}

async function entriesFrom(vault: Vault, from: number, limit: number, kind: Kind): Promise<Page> {
  const entries = await vault.ask('audit.list', { ...kind, from, limit })
  const next = (entries.at(-1)?.seq ?? 0) + 1
  const isCut =
    entries.length > 0 && (await vault.ask('audit.list', { ...kind, from: next, limit: 1 })).length > 0
  return { entries, more: isCut ? `more follow: --from ${next}` : undefined }
}

function parseFrom(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const from = Number(text)
  if (!Number.isSafeInteger(from) || from < 0)
    throw misuse(`${JSON.stringify(text)} is not the number of an entry`)
  return from
}
