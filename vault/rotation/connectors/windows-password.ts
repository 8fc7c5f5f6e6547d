import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult } from '../phases.ts'
import { login } from './linux-password.ts'
import { notOpened, openShell } from './unix-shell.ts'

/**
 * A local account of Windows, over OpenSSH for Windows, whichever of cmd and PowerShell its users get. It changes its own
 * password as one who knows the old one does, so that what Windows keeps under it (DPAPI) stays readable; an administrator
 * of the machine who reconciles sets it.
 *
 * SECURITY: what is run is the same for everybody and holds no name and no password: both are read from standard input, so
 * that no list of processes, history or log of scripts has them. A password is handed to methods of .NET alone, never to a
 * cmdlet: PowerShell's log of modules writes down what cmdlets are given.
 */
export const windowsPassword: Connector = { change, login, reconcile }

type Password = Credential & { readonly kind: 'password' }

/** Reads lines from standard input whatever PowerShell makes of it, and says one word of how it went. */
const preamble = `
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$lines = New-Object IO.StreamReader([Console]::OpenStandardInput(), (New-Object Text.UTF8Encoding $false))
function Tell($word) { [Console]::Out.WriteLine("tagout-said-$word"); [Console]::Out.Flush() }
`

/** What a user runs to change their own password. */
export const changeOwn = `${preamble}
try {
  $name = $lines.ReadLine(); $old = $lines.ReadLine(); $new = $lines.ReadLine()
  Add-Type -AssemblyName System.DirectoryServices.AccountManagement
  $here = [DirectoryServices.AccountManagement.PrincipalContext]::new('Machine')
  $user = [DirectoryServices.AccountManagement.UserPrincipal]::FindByIdentity($here, 'SamAccountName', $name)
  if ($null -eq $user -or [string]::IsNullOrEmpty($new)) { throw 'nothing to change' }
} catch { Tell 'untouched'; exit 3 }
try { $user.ChangePassword($old, $new); Tell 'changed'; exit 0 } catch { Tell 'refused'; exit 4 }
`

/** What an administrator runs to set another's password. */
export const setOther = `${preamble}
try {
  $name = $lines.ReadLine(); $new = $lines.ReadLine()
  if ([string]::IsNullOrEmpty($new)) { throw 'nothing to set' }
  $secure = New-Object Security.SecureString
  foreach ($char in $new.ToCharArray()) { $secure.AppendChar($char) }
  $secure.MakeReadOnly()
  $user = Get-LocalUser -Name $name
} catch { Tell 'untouched'; exit 3 }
try { Set-LocalUser -InputObject $user -Password $secure; Tell 'changed'; exit 0 } catch { Tell 'refused'; exit 4 }
`

/** How a script is named to cmd and to PowerShell alike: nothing in it is quoted by either. */
export function commandOf(script: string): string {
  const encoded = Buffer.from(script, 'utf16le').toString('base64')
  return `powershell.exe -NoLogo -NoProfile -NonInteractive -InputFormat None -EncodedCommand ${encoded}`
}

async function change(at: Place, current: Credential, candidate: Credential): Promise<Seen<ChangeResult>> {
  if (current.kind !== 'password' || candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector changes passwords' }, false)
  const opened = await openShell(at, current)
  if (opened.kind === 'failed') return notOpened(opened)
  await using machine = opened
  return saw(
    await tell(machine.shell.run, at, commandOf(changeOwn), [at.account.login, current, candidate]),
    true,
  )
}

async function reconcile(
  at: Place,
  privileged: Credential & { readonly login: string },
  candidate: Credential,
): Promise<Seen<ChangeResult>> {
  if (candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector sets passwords' }, false)
  const { login: by } = privileged
  const opened = await openShell(
    { ...at, account: { login: by, name: `${at.target.name}/${by}` } },
    privileged,
  )
  // What is counted are the logins of the account that is reconciled.
  if (opened.kind === 'failed') return { ...notOpened(opened), sent: false }
  await using machine = opened
  return saw(await tell(machine.shell.run, at, commandOf(setOther), [at.account.login, candidate]), false)
}

async function tell(
  run: (command: string, input: Uint8Array) => Promise<{ readonly said: string }>,
  at: Place,
  command: string,
  lines: readonly (string | Password)[],
): Promise<ChangeResult> {
  const input = linesOf(lines)
  try {
    const { said } = await run(command, input)
    // Not by its exit code: a PowerShell around it says 1 of whatever is not 0.
    const word = /tagout-said-(changed|refused|untouched)\b/.exec(said)?.[1]
    const { name } = at.target
    switch (word) {
      case 'changed':
        return { kind: 'changed' }
      case 'refused':
        return { kind: 'refused', why: `Windows on ${name} did not take the new password` }
      case 'untouched':
        return {
          kind: 'untouched',
          why: `${name} has no local user ${at.account.login}, or cannot look it up`,
        }
      default:
        return { kind: 'unknown', why: `${name} did not say whether it took the new password` }
    }
  } finally {
    input.fill(0)
  }
}

function linesOf(lines: readonly (string | Password)[]): Buffer {
  const newline = Buffer.from('\n')
  const pieces = lines.map((line) =>
    typeof line === 'string' ? Buffer.from(line) : line.secret.expose((bytes) => Buffer.from(bytes)),
  )
  const all = Buffer.concat(pieces.flatMap((piece) => [piece, newline]))
  for (const piece of pieces) piece.fill(0)
  return all
}
