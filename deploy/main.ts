import { Command } from 'commander'
import { Fault } from '../vault/kernel/fault.ts'
import { Complaint } from './cli/complaint.ts'
import { fillDemo } from './demo/fill.ts'
import { type DemoFile, demoPath } from './demo/folder.ts'
import { signInHelp } from './demo/sign-in-help.ts'
import { lineForScripts, textForPeople } from './supervisor/announcement.ts'
import { startInstallation } from './supervisor/installation.ts'
import { systemHome } from './supervisor/reachable.ts'

const usualFolder = './data'

type Options = {
  readonly data?: string
  readonly httpHost?: string
  readonly httpPort?: string
  readonly sshHost?: string
  readonly sshPort?: string
  readonly workers?: string
  readonly unattended?: true
  readonly demo?: true
  readonly yes?: true
  readonly keyFile?: string
  readonly recoveryOut?: string
  readonly json?: true
}

const program = new Command('npm start --')
  .description('start the installation: database, vault, recorder and console, until Ctrl-C')
  .option('--data <dir>', `where its data lie (default: TAGOUT_DATA, else ${usualFolder})`)
  .option(
    '--http-host <address>',
    'address of the console; 0.0.0.0 opens it to the network (default: 127.0.0.1)',
  )
  .option('--http-port <n>', 'port of the console (default: 8443)')
  .option(
    '--ssh-host <address>',
    'address of the SSH broker; 0.0.0.0 opens it to the network (default: 127.0.0.1)',
  )
  .option('--ssh-port <n>', 'port of the SSH broker (default: 2222)')
  .option('--workers <n>', 'workers of the recorder (default: 2)')
  .option('--unattended', 'ask nothing: a key file on this machine opens the vault')
  .option('--demo', 'fill an empty installation with a plant to try, and say how to sign in; as --unattended')
  .option('--key-file <file>', 'at the first start: this key file opens the vault, made where it is missing')
  .option('--recovery-out <file>', 'at the first start: write the vault’s recovery key here, mode 0600')
  .option('--yes', 'install what this machine lacks: guacd, which carries desktops (as root; some 45 MB)')
  .option('--json', 'say in one line of JSON when it is ready')
  .addHelpText(
    'after',
    `
Options win over the environment (TAGOUT_HTTP_PORT and so on), which wins over tagout.json in the data folder.
TAGOUT_HTTP_TLS_CERT and TAGOUT_HTTP_TLS_KEY give a certificate; DATABASE_URL a PostgreSQL server.
As root each plane runs as a system user of its own; otherwise all run as you, and are not separated.

Examples:
  npm start
  npm start -- --data ./demo --demo
  npm start -- --data ./d --http-port 8443 --ssh-port 2222 --unattended
  npm start -- --ssh-host 0.0.0.0 --http-host 0.0.0.0 --recovery-out ./vault-recovery.key`,
  )
  .showHelpAfterError('see: npm start -- --help')

async function main(): Promise<number> {
  const given = program.parse().opts<Options>()
  const abort = new AbortController()
  const ended = new Promise<void>((resolve) => {
    // Ctrl-C reaches every process of the terminal and is passed on as well: the second one changes nothing.
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(name, () => {
        abort.abort(new Fault('closed', 'the start was given up'))
        resolve()
      })
  })
  const say = (line: string) => process.stderr.write(`tagout: ${line}\n`)
  const data = given.data ?? (process.env['TAGOUT_DATA'] || undefined)
  const { httpHost, httpPort, sshHost, sshPort, workers } = given
  const flags = { httpHost, httpPort, sshHost, sshPort, workers }
  try {
    await using installation = await startInstallation({
      data: data ?? usualFolder,
      fallback: data === undefined ? `${systemHome}/data` : undefined,
      flags: Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)),
      seal: {
        unattended: given.unattended === true || given.demo === true,
        keyFile: given.keyFile,
        recoveryOut: given.recoveryOut,
      },
      mayInstall: given.yes === true,
      env: process.env,
      say,
      signal: abort.signal,
    })
    const { data: dataDir } = installation.announcement
    const demo = given.demo === true ? await fill(dataDir, say, abort.signal) : undefined
    const announcement = demo === undefined ? installation.announcement : await installation.announceAgain()
    // The link of the first administrator is used up by the demo's.
    const firstAdmin = demo === undefined ? installation.firstAdmin : undefined
    if (given.unattended === true || given.json === true) {
      const demoAt = demo === undefined ? undefined : demoPath(dataDir)
      process.stdout.write(`${lineForScripts(announcement, firstAdmin, demoAt)}\n`)
    } else {
      process.stdout.write(textForPeople(announcement, firstAdmin))
      if (demo !== undefined)
        process.stdout.write(signInHelp(dataDir, demo, announcement.console, announcement.ssh))
    }
    await ended
    say('stopping')
  } catch (error) {
    if (abort.signal.aborted) return 130
    if (!(error instanceof Fault)) throw error
    say(error.message)
    return 1
  }
  say('stopped')
  return 0
}

/** Fills the demo plant. What the command line would complain of is a fault here. */
async function fill(dataDir: string, say: (line: string) => void, signal: AbortSignal): Promise<DemoFile> {
  try {
    return await fillDemo(dataDir, { say, signal })
  } catch (error) {
    if (error instanceof Complaint) throw new Fault('configuration', error.message)
    throw error
  }
}

process.exitCode = await main()
// What is still open (a socket of a database that went away) must not keep a stopped installation.
process.exit()
