import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { until } from './installation.ts'

/** Why no program with a field of text can be had here, or undefined when it can. */
export function whyNoEntry(): string | undefined {
  return existsSync('/usr/bin/wish') ? undefined : 'wish is not installed (deploy/test-packages.txt)'
}

/** A program of X with a field for a password that has the focus: what is in it now, and whether Enter was pressed. */
export type Entry = Disposable & { readonly text: () => string; readonly isEntered: () => boolean }

// What is in the field is written down whenever it changes; the file is whole at every moment.
const program = `
wm geometry . 500x60+100+100
set typed ""
entry .field -show * -width 60 -textvariable typed
pack .field
proc keep {args} {
  global typed
  set out [open entry.new w]
  fconfigure $out -encoding utf-8 -translation binary
  puts -nonewline $out [encoding convertto utf-8 $typed]
  close $out
  file rename -force entry.new entry.txt
}
trace add variable typed write keep
bind .field <Return> { close [open entered w] }
tkwait visibility .field
focus -force .field
bind .field <FocusIn> { close [open focused w] }
update
close [open focused w]
`

/** Opens it on an X display. `folder` is where it writes. */
export async function openEntry(display: number, folder: string): Promise<Entry> {
  for (const name of ['focused', 'entered', 'entry.txt']) rmSync(join(folder, name), { force: true })
  const child = spawn('/usr/bin/wish', ['-'], {
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', HOME: folder, DISPLAY: `:${display}`, LANG: 'C.UTF-8' },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  child.stdin.write(program)
  await until(
    () => existsSync(join(folder, 'focused')) || undefined,
    20_000,
    () => child.exitCode !== null,
  )
  const file = join(folder, 'entry.txt')
  return {
    text: () => (existsSync(file) ? readFileSync(file, 'utf8') : ''),
    isEntered: () => existsSync(join(folder, 'entered')),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  }
}
