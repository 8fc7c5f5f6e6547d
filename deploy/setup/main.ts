import { isRoot } from '../supervisor/system-user.ts'
import { setUpBinding, setUpTokenBinding } from './binding.ts'
import { setUpCommand } from './command.ts'
import { setUpConsole } from './console.ts'
import { setUpPostgres } from './postgres.ts'

const say = (line: string) => console.log(`set-up: ${line}`)

// Each step does what is missing and nothing else. A finding lets the rest go on; `tagout doctor` repeats it.
for (const step of [setUpPostgres, setUpBinding, setUpTokenBinding, setUpCommand, setUpConsole]) {
  try {
    step(say)
  } catch (error) {
    const denied = (error as NodeJS.ErrnoException).code === 'EACCES' && !isRoot()
    say(
      `${denied ? 'this folder belongs to another user: ' : ''}${error instanceof Error ? error.message : error}`,
    )
    process.exitCode = denied ? 0 : 1
  }
}
