import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Complaint } from '../../../deploy/cli/complaint.ts'
import { addCustodyCommands } from '../../../deploy/cli/custody.ts'
import type { Tools } from '../../../deploy/cli/tools.ts'
import { Fault } from '../../../vault/index.ts'

let folder: string
let notes: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tagout-custody-'))
  notes = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** `custody init` against a vault whose confirmation ends with this error (fake vault: a real one loses no answer on demand). */
function initWith(error: Error): Promise<unknown> {
  const ask = async (verb: string) => {
    if (verb === 'seal.confirm') throw error
    const shares = ['anna', 'bob'].map((name, index) => ({ name, index: index + 1, rows: ['AAAA-BBBB'] }))
    return {
      prepared: 'p',
      set: 'abcd',
      threshold: 2,
      custodians: ['anna', 'bob'],
      madeAt: new Date(0).toISOString(),
      shares,
    }
  }
  const tools = {
    io: { cwd: folder, stdin: { isTTY: false } },
    json: () => false,
    note: (text: string) => notes.push(text),
    show: () => undefined,
    withVault: (use: (vault: unknown) => Promise<unknown>) => use({ ask }),
  } as unknown as Tools
  const root = new Command().exitOverride()
  addCustodyCommands(root, tools)
  const words = ['custody', 'init', '--custodian', 'anna,bob', '--threshold', '2', '--out', 'shares']
  return root.parseAsync(words, { from: 'user' })
}

test('an answer that was lost leaves the shares: they may be all that opens the vault', async () => {
  await expect(initWith(new Fault('closed', 'the vault has gone'))).rejects.toThrow('the vault has gone')
  expect(readdirSync(join(folder, 'shares')).sort()).toEqual(['anna.share', 'bob.share'])
  expect(notes.join('\n')).toContain('keep the shares until tagout custody show says so')
})

test('a refusal takes the shares away, which open nothing', async () => {
  await expect(initWith(new Complaint('this was refused'))).rejects.toThrow('this was refused')
  expect(readdirSync(join(folder, 'shares'))).toEqual([])
})
