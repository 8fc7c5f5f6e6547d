import { resolve } from 'node:path'
import type { Command } from 'commander'
import { parseClock, type RecordingVerdict } from '../../recorder/replay/index.ts'
import type { RecordingFound } from '../../vault/contract.ts'
import { Complaint, misuse } from './complaint.ts'
import { type ExportForm, exportForms } from './export-form.ts'
import { accountCell, forwardFacts } from './forward-words.ts'
import { parseGivenId } from './grant.ts'
import { size, when } from './io.ts'
import { mostRows, newest, parseLimit } from './limit.ts'
import type { Exported, ExportOptions } from './recording-export.ts'
import { addRecordingFindCommand, addRecordingSearchCommand } from './recording-find.ts'
import { destroyedFact, keepingFacts } from './retention.ts'
import { examples, facts, type Tools } from './tools.ts'

/** `tagout recording`: what was recorded; whether it is whole; and, for auditors, what it holds. */
export function addRecordingCommands(root: Command, tools: Tools): void {
  const recording = root.command('recording').description('recordings of sessions')

  recording
    .command('list')
    .description('list recordings, newest first')
    .option('--limit <count>', 'at most so many (default: 1000)')
    .addHelpText('after', examples('tagout recording list', 'tagout recording list --json'))
    .action(async (options: { limit?: string }) => {
      const limit = parseLimit(options.limit, 1_000)
      const found = await tools.withVault((vault) =>
        vault.ask('recording.list', { limit: Math.min(limit + 1, mostRows) }),
      )
      const { rows, note } = newest(found, limit)
      tools.list(
        rows,
        [
          ['ID', (row) => row.id],
          ['USER', (row) => row.user],
          ['ACCOUNT', accountCell],
          ['STARTED', (row) => when(row.startedAt)],
          ['ENDED', (row) => when(row.endedAt)],
          ['STATE', (row) => row.state],
          ['SIZE', (row) => size(row.sizeBytes)],
        ],
        'there are no recordings',
      )
      if (note !== undefined) tools.note(note)
    })

  addRecordingFindCommand(recording, tools)
  addRecordingSearchCommand(recording, tools)

  recording
    .command('show <recording>')
    .description('show whose recording it is and how it ended')
    .addHelpText('after', examples('tagout recording show rec_…'))
    .action(async (text: string) => {
      const id = parseGivenId('rec', text, 'tagout recording list')
      const found = await tools.withVault((vault) => vault.ask('recording.show', { recording: id }))
      tools.show(found, () => describe(found))
    })

  recording
    .command('verify <recording>')
    .description('verify that a recording is whole and the one that the audit log speaks of')
    .addHelpText('after', examples('tagout recording verify rec_…'))
    .action(async (text: string) => {
      const id = parseGivenId('rec', text, 'tagout recording list')
      const { destroyedOf } = await import('./tombstone.ts')
      const { verifyStored } = await import('./recording-verify.ts')
      const gone = await destroyedOf(tools, id)
      if (gone !== undefined)
        return tools.show({ recording: id, state: 'destroyed', ...gone }, () => gone.sentence)
      const verdict = await verifyStored(tools, id)
      if (tools.json()) tools.show({ recording: id, ...withoutHeader(verdict) }, () => '')
      if (verdict.state === 'tampered')
        throw new Complaint(verdict.sentence, 'keep the file as it is: it is evidence of the change')
      if (!tools.json()) tools.say(verdict.sentence)
    })

  recording
    .command('custody <recording>')
    .description('who recorded, replayed, verified, exported or packaged it, from the audit log')
    .addHelpText('after', examples('tagout recording custody rec_…', 'tagout recording custody rec_… --json'))
    .action(async (text: string) => {
      const id = parseGivenId('rec', text, 'tagout recording list')
      const { showCustody } = await import('./recording-custody.ts')
      await showCustody(tools, id)
    })

  recording
    .command('export <recording>')
    .description('open a recording as an auditor, here, and write what it holds; audited as a replay')
    .requiredOption('--as <form>', `one of ${exportForms.join(', ')}`)
    .requiredOption('--out <file>', 'where to write it, mode 0600')
    .option('--identity <file>', 'your auditor key')
    .option('--passphrase-stdin', 'read the passphrase of --identity from standard input')
    .option('--recovery <file>', 'the recordings recovery key instead; <recording> is then a .tgr file')
    .option('--channel <number>', 'which channel of the session, for asciicast (default: its first terminal)')
    .addHelpText(
      'after',
      examples(
        'tagout recording export rec_… --as asciicast --identity auditor.key --out s.cast',
        'tagout recording export rec_… --as webm --identity auditor.key --out s.webm',
        'tagout recording export rec_….tgr --as text --recovery recordings-recovery.key --out s.txt',
      ),
    )
    .action(async (what: string, given: ExportGiven) => {
      const options = {
        form: parseForm(given.as),
        out: resolve(tools.io.cwd, given.out),
        channel: parseChannel(given.channel),
      }
      const state = await exportWhat(tools, what, given, options)
      tools.show({ recording: what, file: given.out, state }, () => `wrote ${given.out} (${state})`)
    })

  recording
    .command('notes <recording>')
    .description('what auditors noted on it, opened here by an auditor key; audited as a replay')
    .requiredOption('--identity <file>', 'your auditor key')
    .option('--passphrase-stdin', 'read the passphrase of --identity from standard input')
    .addHelpText('after', examples('tagout recording notes rec_… --identity auditor.key'))
    .action(
      async (text: string, given: { readonly identity: string; readonly passphraseStdin?: boolean }) => {
        const id = parseGivenId('rec', text, 'tagout recording list')
        const { showNotes } = await import('./recording-notes.ts')
        await showNotes(tools, id, given.identity, given.passphraseStdin === true)
      },
    )

  recording
    .command('stamp <package>')
    .description('write a package that has no time-stamp anew, with one: where the time-stamper was away')
    .requiredOption('--out <file>', 'where to write it, a .zip, mode 0600')
    .addHelpText('after', examples('tagout recording stamp press-3.zip --out press-3-stamped.zip'))
    .action(async (file: string, { out }: { readonly out: string }) => {
      const { stampPackage } = await import('./recording-stamp.ts')
      const bytes = await stampPackage(tools, file, out)
      tools.show({ file: out, bytes }, () => `wrote ${out} (${size(bytes)}, with a time-stamp)`)
    })

  recording
    .command('package <recording>')
    .description(
      'make an evidence package: one file that shows the session and proves itself, offline; audited',
    )
    .requiredOption('--out <file>', 'where to write it, a .zip, mode 0600')
    .requiredOption('--identity <file>', 'your auditor key')
    .option('--passphrase-stdin', 'read the passphrase of --identity from standard input')
    .option(
      '--from <time>',
      'only from here on, like 00:12:30 from its start; whole segments, a minute at most more',
    )
    .option('--to <time>', 'only up to here')
    .option(
      '--seal',
      'seal what it shows with a passphrase for who receives it, asked for (default: it opens for whoever has it)',
    )
    .addHelpText(
      'after',
      examples(
        'tagout recording package rec_… --identity auditor.key --out press-3.zip',
        'tagout recording package rec_… --identity auditor.key --from 00:10:00 --to 00:14:00 --out part.zip',
        'tagout verify press-3.zip',
      ),
    )
    .action(async (text: string, given: PackageGiven) => {
      const id = parseGivenId('rec', text, 'tagout recording list')
      const { packageRecording } = await import('./recording-package.ts')
      const made = await packageRecording(tools, id, {
        out: given.out,
        identity: given.identity,
        passphraseStdin: given.passphraseStdin === true,
        from: parsePlace('--from', given.from),
        to: parsePlace('--to', given.to),
        seal: given.seal === true,
      })
      tools.show({ recording: id, file: given.out, ...made }, () => {
        const stamp = made.stamped ? ', with a time-stamp' : ''
        return `wrote ${given.out} (${made.state}, ${size(made.bytes)}${stamp})`
      })
      if (made.unstamped !== undefined)
        tools.note(`it has no time-stamp: ${made.unstamped}; later: tagout recording stamp ${given.out}`)
    })
}

type PackageGiven = {
  readonly out: string
  readonly identity: string
  readonly passphraseStdin?: boolean
  readonly from?: string
  readonly to?: string
  readonly seal?: boolean
}

function parsePlace(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const place = parseClock(text)
  if (place === undefined) throw misuse(`${option} is a time of the recording`, 'write it like 00:12:30')
  return place
}

type ExportGiven = {
  readonly as: string
  readonly out: string
  readonly identity?: string
  readonly passphraseStdin?: boolean
  readonly recovery?: string
  readonly channel?: string
}

async function exportWhat(
  tools: Tools,
  what: string,
  given: ExportGiven,
  options: ExportOptions,
): Promise<Exported> {
  if ((given.identity === undefined) === (given.recovery === undefined))
    throw misuse('say with which key: either --identity FILE or --recovery FILE')
  const { exportAsAuditor, exportByRecovery } = await import('./recording-export.ts')
  if (given.recovery !== undefined)
    return exportByRecovery(tools, resolve(tools.io.cwd, what), given.recovery, options)
  const id = parseGivenId('rec', what, 'tagout recording list')
  return exportAsAuditor(tools, id, given.identity ?? '', given.passphraseStdin === true, options)
}

function parseChannel(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,6}$/.test(text)) throw misuse('--channel is a whole number', 'see the channels with: --as text')
  return Number(text)
}

/** The header repeats what `recording show` says. */
function withoutHeader({ header: _header, ...verdict }: RecordingVerdict): Omit<RecordingVerdict, 'header'> {
  return verdict
}

function parseForm(text: string): ExportForm {
  const found = exportForms.find((known) => known === text)
  if (found === undefined)
    throw misuse(`there is no form ${JSON.stringify(text)}`, `choose one of ${exportForms.join(', ')}`)
  return found
}

function describe(recording: RecordingFound): string {
  return facts([
    ['id', recording.id],
    ['session', recording.session],
    ['user', recording.user],
    ['account', recording.account],
    ['of', recording.company ?? '-'],
    ['target', recording.target],
    ['zone', recording.zone ?? '-'],
    ['from', recording.source],
    ...forwardFacts(recording),
    ['grant', recording.grant],
    ['let in by', recording.letInBy.join(', ') || '-'],
    ['work orders', recording.workOrders.join(', ') || '-'],
    ...(recording.breakGlass === null ? [] : [['break-glass', recording.breakGlass] as const]),
    ['started', when(recording.startedAt)],
    ['ended', when(recording.endedAt)],
    ['because', recording.endReason ?? '-'],
    ['state', recording.state],
    ['size', size(recording.sizeBytes)],
    ...recording.marks.map(({ rule, why }) => ['marked', `${rule}: ${why}`] as const),
    ...(recording.destroyed === null ? [] : [['destroyed', destroyedFact(recording.destroyed)] as const]),
    ...keepingFacts(recording),
    ...recording.reviews.map(({ by, at, note }) => ['reviewed', `by ${by}, ${when(at)}: ${note}`] as const),
  ])
}
