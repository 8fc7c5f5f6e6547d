import { Readable } from 'node:stream'
import { run } from '../../deploy/cli/program.ts'

export type CliResult = { readonly code: number; readonly out: string; readonly err: string }

export type CliOptions = {
  /** What is piped into standard input. */
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

/** Runs one `tagout` command line in this process, as the program itself does. */
export async function tagout(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  let out = ''
  let err = ''
  const code = await run(argv, {
    stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
  })
  return { code, out, err }
}
