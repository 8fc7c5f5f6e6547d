// An installation whose planes are fixtures, in a process of its own: `node fixture-installation.ts DATA`.
import { join } from 'node:path'
import { startInstallation } from '../../deploy/supervisor/installation.ts'
import { Fault } from '../../vault/kernel/fault.ts'

const plane = join(import.meta.dirname, 'fixture-plane.ts')
const abort = new AbortController()
const ended = new Promise<void>((resolve) => {
  process.once('SIGTERM', () => {
    abort.abort(new Fault('closed', 'given up'))
    resolve()
  })
})
try {
  await using installation = await startInstallation({
    data: process.argv[2] ?? '',
    fallback: undefined,
    flags: { httpPort: '0', sshPort: '0' },
    mayInstall: false,
    seal: { unattended: true, keyFile: undefined, recoveryOut: undefined },
    // A guacd of somebody else's: none is run.
    env: { ...process.env, GUACD_PORT: '4822' },
    say: (line) => process.stderr.write(`${line}\n`),
    signal: abort.signal,
    entries: { vault: plane, recorder: plane, rotation: plane, api: plane },
  })
  process.stdout.write(`${JSON.stringify(installation.announcement)}\n`)
  await ended
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : 'failed'}\n`)
  process.exitCode = 1
}
process.exit()
