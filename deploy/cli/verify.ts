import type { Command } from 'commander'
import { Complaint, exit } from './complaint.ts'
import { examples, type Tools } from './tools.ts'

type Given = { readonly key?: string; readonly audit?: string }

/** `tagout verify`: whether a file of evidence is whole and as it was signed, with nothing but the file. */
export function addVerifyCommand(root: Command, tools: Tools): void {
  root
    .command('verify <file>')
    .description(
      'verify an evidence package, a report, a recording, or an export of the audit log, without server, database or network',
    )
    .option('--key <base64>', 'the audit log’s public key, known from elsewhere')
    .option(
      '--audit <export>',
      'of a recording: an export of the audit log, which says whose it is and how long',
    )
    .addHelpText(
      'after',
      `
Exit codes: 0 complete, 1 tampered with, 2 not a file that can be verified, 4 incomplete.
${examples(
  'tagout verify press-3.zip --key BASE64',
  'tagout verify rec_….tgr --audit audit.json',
  'tagout verify audit.json --key BASE64',
  'tagout verify rec_….tgr --json',
)}`,
    )
    .action(async (file: string, given: Given) => {
      const { verifyFile } = await import('./verify-file.ts')
      const verdict = await verifyFile(tools, file, given)
      if (tools.json()) tools.show({ file, ...verdict }, () => '')
      if (verdict.state === 'tampered')
        throw new Complaint(
          `${file}: ${verdict.sentence}`,
          'keep the file as it is: it is evidence of the change',
        )
      if (!tools.json()) {
        tools.say(verdict.sentence)
        for (const check of verdict.checks ?? []) tools.say(`  ${check}`)
        for (const note of verdict.notes) tools.note(note)
      }
      if (verdict.state === 'incomplete')
        throw new Complaint(
          `${file} is incomplete`,
          'ask for the rest, or for what the audit log says of how it ended',
          exit.incomplete,
        )
    })
}
