import { mkdir, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Complaint, complaintOf, misuse } from './complaint.ts'
import { readKey } from './keypress.ts'
import { writeNewFile } from './new-file.ts'
import type { Tools } from './tools.ts'

/** Where shares go: files of a folder, or the terminal, one person after the other. */
export type HandOut = { readonly out?: string; readonly print?: boolean }

type Sheet = { readonly name: string; readonly sheet: string }

/** Complains unless it is said in one way where shares go, before any is made. */
export function checkHandOut(tools: Tools, options: HandOut): void {
  const ways = [options.out !== undefined, options.print === true].filter(Boolean).length
  if (ways !== 1) throw misuse('say where the shares go', 'give either --out FOLDER or --print')
  if (options.print === true && tools.io.stdin.isTTY !== true)
    throw misuse('no terminal to show the shares on', 'write them to files: --out FOLDER')
}

/** Hands shares to their holders; answers the files that were written. `nothingMade` says what giving up leaves. */
export async function handOut(
  tools: Tools,
  options: HandOut,
  sheets: readonly Sheet[],
  nothingMade: string,
): Promise<readonly string[]> {
  return options.out === undefined
    ? await printSheets(tools, sheets, nothingMade)
    : await writeSheets(tools, sheets, resolve(tools.io.cwd, options.out))
}

/** Takes away shares that open nothing, and names what stays behind. */
export async function removeShares(tools: Tools, files: readonly string[]): Promise<void> {
  for (const file of files)
    await unlink(file).catch((error: unknown) =>
      tools.note(`${file} opens nothing and could not be removed: ${complaintOf(error).message}`),
    )
}

/** Each share durable in a file of its own, before it opens anything. */
async function writeSheets(
  tools: Tools,
  sheets: readonly Sheet[],
  folder: string,
): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const written: string[] = []
  try {
    for (const { name, sheet } of sheets) {
      const path = join(folder, `${name}.share`)
      await writeNewFile(path, sheet)
      written.push(path)
    }
  } catch (error) {
    await removeShares(tools, written)
    throw error
  }
  tools.note(`give each custodian their file, and leave none of them here`)
  return written
}

/** Shows one share after the other, each until a key is pressed, then wipes it from the screen. */
async function printSheets(
  tools: Tools,
  sheets: readonly Sheet[],
  nothingMade: string,
): Promise<readonly string[]> {
  for (const { name, sheet } of sheets) {
    tools.io.err(`\nIs ${name} at the screen, and nobody else? Press Enter to show their share. `)
    if (!(await readKey(tools.io))) throw givenUp(name, nothingMade)
    if (!(await showOnce(tools, sheet, 'Written down? Press Enter. '))) throw givenUp(name, nothingMade)
  }
  return []
}

/**
 * Shows a text until Enter is pressed; false where the person gives up.
 *
 * SECURITY: on the terminal's other screen, which leaves nothing in what can be scrolled back to.
 */
export async function showOnce(tools: Tools, text: string, question: string): Promise<boolean> {
  tools.io.err(`\u001b[?1049h\u001b[2J\u001b[H${text}\n${question}`)
  const goesOn = await readKey(tools.io)
  tools.io.err('\u001b[2J\u001b[H\u001b[?1049l')
  return goesOn
}

function givenUp(name: string, nothingMade: string): Complaint {
  return new Complaint(
    `given up before ${name} had their share: ${nothingMade}`,
    'the shares handed out before open nothing',
  )
}
