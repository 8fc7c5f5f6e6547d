import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError, type Option } from 'commander'
import { addAccountCommands } from './account.ts'
import { addAuditCommands } from './audit.ts'
import { addAuditorCommands } from './auditor.ts'
import { addBackupCommands } from './backup.ts'
import { addBreakGlassCommands } from './breakglass.ts'
import { complaintOf, exit } from './complaint.ts'
import { addCustodyCommands } from './custody.ts'
import { addDemoCommands } from './demo.ts'
import { addDirectoryCommands } from './directory.ts'
import { addExposureCommands } from './exposure.ts'
import { addGrantCommands } from './grant.ts'
import { addImportCommand } from './import.ts'
import { addInstallationCommands } from './installation-commands.ts'
import { type Io, visible } from './io.ts'
import { addKeysCommands } from './keys.ts'
import { addDestructionCommands } from './destruction.ts'
import { addKitCommands } from './kit.ts'
import { addLegalHoldCommands } from './legal-hold.ts'
import { addRetentionCommands } from './retention.ts'
import { addLeaseCommands } from './lease.ts'
import { addLoginCommands } from './login.ts'
import { addNotifyCommands } from './notify.ts'
import { addCampaignCommands } from './campaign.ts'
import { addReportCommands } from './report.ts'
import { addReviewCommands } from './review.ts'
import { addSiemCommands } from './siem.ts'
import { addPolicyCommands } from './policy.ts'
import { addRecordingCommands } from './recording.ts'
import { addRecoveryCommands } from './recovery.ts'
import { addRequestCommands } from './request.ts'
import { addRotationCommands } from './rotation.ts'
import { addSafeCommands } from './safe.ts'
import { addSessionCommands } from './session.ts'
import { addHoldCommands } from './session-control.ts'
import { addSshConfigCommand } from './ssh-config.ts'
import { addSwitchCommands } from './switch.ts'
import { addTargetCommands } from './target.ts'
import { addTokenCommands } from './token.ts'
import { examples, makeTools } from './tools.ts'
import { addUserCommands } from './user.ts'
import { addVendorCommands } from './vendor.ts'
import { addVerifyCommand } from './verify.ts'

const guide = `
The installation spoken of is that of --data, else TAGOUT_DATA, else ./data. Commands use the machine
administrator's door of that folder, so they work for its owner and for root, on the machine itself.

Exit codes: 0 done, 1 refused or broken, 2 not understood, 3 vault away or sealed, 4 verified and incomplete.
${examples(
  'tagout status',
  'tagout target add press-3 ssh://10.0.3.7 --safe line-3 --pin-now',
  'tagout grant add bob press-3/engineer --for 4h --allow shell,exec',
  'tagout session list --json',
)}`

function version(): string {
  const path = join(import.meta.dirname, '..', '..', 'package.json')
  return (JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }).version
}

/** The whole program, each noun from its own file. */
export function buildProgram(io: Io): Command {
  const root = new Command('tagout')
  root
    .description('the vault of shared credentials and the recorder of their sessions')
    .version(version(), '--version', 'say the version of this program')
    .option('--json', 'answer in JSON')
    .option('--data <dir>', 'data folder of the installation (default: TAGOUT_DATA, else ./data)')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', guide)
  const tools = makeTools(io, root)
  addInstallationCommands(root, tools)
  addCustodyCommands(root, tools)
  addKeysCommands(root, tools)
  addKitCommands(root, tools)
  addSafeCommands(root, tools)
  addTargetCommands(root, tools)
  addAccountCommands(root, tools)
  addRotationCommands(root, tools)
  addUserCommands(root, tools)
  addTokenCommands(root, tools)
  addVendorCommands(root, tools)
  addGrantCommands(root, tools)
  addRequestCommands(root, tools)
  addPolicyCommands(root, tools)
  addDirectoryCommands(root, tools)
  addSwitchCommands(root, tools)
  addBreakGlassCommands(root, tools)
  addNotifyCommands(root, tools)
  addCampaignCommands(root, tools)
  addReportCommands(root, tools)
  addReviewCommands(root, tools)
  addSiemCommands(root, tools)
  addImportCommand(root, tools)
  addLeaseCommands(root, tools)
  addLoginCommands(root, tools)
  addSessionCommands(root, tools)
  addHoldCommands(root, tools)
  addRecordingCommands(root, tools)
  addRetentionCommands(root, tools)
  addLegalHoldCommands(root, tools)
  addDestructionCommands(root, tools)
  addAuditorCommands(root, tools)
  addAuditCommands(root, tools)
  addExposureCommands(root, tools)
  addVerifyCommand(root, tools)
  addBackupCommands(root, tools)
  addRecoveryCommands(root, tools)
  addSshConfigCommand(root, tools)
  addDemoCommands(root, tools)
  for (const command of withSubcommands(root)) {
    command.exitOverride()
    command.configureHelp({ showGlobalOptions: true })
    command.configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      outputError: (text, write) => write(text.replace(/^error: /, '')),
    })
    command.showHelpAfterError(`see: ${pathOf(command)} --help`)
    argumentsFirst(command)
  }
  return root
}

/** What a command is about is asked for before how: a missing argument is complained of before a missing option. */
function argumentsFirst(command: Command): void {
  const inside = command as unknown as {
    missingMandatoryOptionValue: (option: Option) => void
    readonly missingArgument: (name: string) => void
  }
  const missingOption = inside.missingMandatoryOptionValue.bind(command)
  inside.missingMandatoryOptionValue = (option) => {
    const missing = command.registeredArguments.find(
      ({ required }, index) => required && command.args[index] === undefined,
    )
    if (missing === undefined) missingOption(option)
    else inside.missingArgument(missing.name())
  }
}

function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

/** Runs one command line (without `node` and the script) and answers its exit code. Never throws. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    await buildProgram(io).parseAsync(argv, { from: 'user' })
    return exit.done
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exit.done : exit.usage
    const complaint = complaintOf(error)
    io.err(`${visible(complaint.message)}\n`)
    // "see:" is for where a refusal stands without a word before it.
    if (complaint.next !== undefined) io.err(`  next: ${visible(complaint.next.replace(/^see: /, ''))}\n`)
    return complaint.code
  }
}
