import { processIo } from './io.ts'
import { run } from './program.ts'

// A reader that closes early (`tagout audit list | head`) ends the program quietly, as it does any other.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

process.exitCode = await run(process.argv.slice(2), processIo())
