import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { VerbAnswer, VerbInput, VerbName } from '../../vault/contract.ts'
import { connectAdmin, type VaultClient } from '../../vault/index.ts'
import { refused } from './complaint.ts'
import { inOwnWords } from './field-names.ts'
import { dataFolder } from './installation.ts'
import { type Io, jsonText, table, visible, visibleLines } from './io.ts'

/** The vault through the machine administrator's door. */
export type Vault = {
  /** The answer; a refusal is thrown as a `Complaint`. */
  readonly ask: <Name extends VerbName>(
    verb: Name,
    input: VerbInput<Name>,
    token?: string,
    timeout?: number,
  ) => Promise<VerbAnswer<Name>>
  readonly client: VaultClient
}

export type Column<Row> = readonly [heading: string, cell: (row: Row) => string]

/** What the commands share: input and output, the installation they speak of, and the vault's door. */
export type Tools = {
  readonly io: Io
  readonly dataDir: () => string
  readonly json: () => boolean
  readonly withVault: <T>(use: (vault: Vault) => Promise<T>) => Promise<T>
  /** The value with --json, else the text for people. */
  readonly show: (value: unknown, text: () => string) => void
  /** A list: an array with --json, else a table, or a sentence where it is empty. */
  readonly list: <Row>(rows: readonly Row[], columns: readonly Column<Row>[], empty: string) => void
  /** A line for people, on standard output. */
  readonly say: (text: string) => void
  /** A word on the side, on standard error. */
  readonly note: (text: string) => void
  readonly readText: (path: string) => Promise<string>
}

/** Builds the tools of the program `root`, whose options `--json` and `--data` hold for every command. */
export function makeTools(io: Io, root: Command): Tools {
  const json = () => root.opts()['json'] === true
  const dataDir = () => dataFolder(io, root.opts()['data'] as string | undefined)
  return {
    io,
    dataDir,
    json,
    withVault: async (use) => {
      await using client = await connectAdmin(dataDir())
      return await use({
        client,
        ask: async (verb, input, token, timeout) => {
          const outcome = await client.call(verb, input, token, timeout)
          if (!outcome.ok) throw refused(inOwnWords(verb, outcome.refusal))
          return outcome.value
        },
      })
    },
    show: (value, text) => {
      if (json()) io.out(`${jsonText(value, 2)}\n`)
      else {
        // SECURITY: whatever it is made of, names that a forged row of a sealed vault says among it, drives no terminal.
        const shown = visibleLines(text())
        io.out(shown === '' || shown.endsWith('\n') ? shown : `${shown}\n`)
      }
    },
    list: (rows, columns, empty) => {
      if (json()) io.out(`${jsonText(rows, 2)}\n`)
      else if (rows.length === 0) io.err(`${empty}\n`)
      else
        io.out(
          table(
            columns.map(([heading]) => heading),
            rows.map((row) => columns.map(([, cell]) => cell(row))),
          ),
        )
    },
    say: (text) => io.out(`${visible(text)}\n`),
    note: (text) => io.err(`${visible(text)}\n`),
    readText: (path) => readFile(resolve(io.cwd, path), 'utf8'),
  }
}

/** Facts as lines: `name   value`. */
export function facts(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${visible(value)}\n`).join('')
}

/** Examples under a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`
}

/** For options given more than once or with commas: `--role operator,approver`. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), ...value.split(',').filter((part) => part !== '')]
}
