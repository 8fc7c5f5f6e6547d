import { spawn } from 'node:child_process'
import { until } from './gateway.ts'

/** A person at a terminal: types, and reads what comes. */
export type TerminalUser = {
  /** All that was shown so far. */
  readonly text: () => string
  readonly type: (text: string) => void
  /** Waits until what was shown since the last wait matches, and takes it. */
  readonly see: (what: RegExp | string) => Promise<string>
  readonly exited: Promise<number | null>
  readonly leave: () => void
}

/** Runs OpenSSH's client with a terminal on the target's side. */
export function openTerminal(args: readonly string[]): TerminalUser {
  const child = spawn('ssh', ['-tt', ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let text = ''
  let seen = 0
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
  child.stdin.on('error', () => undefined)
  return {
    text: () => text,
    type: (keys) => void child.stdin.write(keys),
    see: async (what) => {
      const pattern =
        typeof what === 'string' ? new RegExp(what.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')) : what
      let found: RegExpExecArray | null = null
      try {
        await until(() => {
          found = pattern.exec(text.slice(seen))
          return found !== null
        }, 15_000)
      } catch {
        throw new Error(`${pattern} was not seen in ${JSON.stringify(text.slice(seen))}`)
      }
      const match = found as RegExpExecArray | null
      seen += (match?.index ?? 0) + (match?.[0].length ?? 0)
      return match?.[0] ?? ''
    },
    exited: new Promise((resolve) => child.once('exit', resolve)),
    leave: () => void child.kill(),
  }
}
