import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { AccountView, TargetView } from '../../vault/contract.ts'
import { Secret } from '../../vault/kernel/secret.ts'
import { type GivenSecret, readGivenSecret, sealGiven } from './account-secret.ts'
import { Complaint, misuse } from './complaint.ts'
import { type CsvRow, parseCsv } from './csv.ts'
import { confirmed } from './secret-input.ts'
import { loadSodium } from './sodium.ts'
import { examples, type Tools, type Vault } from './tools.ts'
import { pinnedIntakeKey } from './vault-pin.ts'

const columns = ['target', 'login', 'password', 'key_file', 'safe', 'address', 'pin']

export type ImportStep =
  | {
      readonly does: 'add target'
      readonly line: number
      readonly target: string
      readonly safe: string
      readonly address: string
      readonly pin: string | undefined
    }
  | {
      readonly does: 'add account'
      readonly line: number
      readonly account: string
      readonly target: string
      readonly login: string
      readonly credential: 'password' | 'ssh-key'
    }
  | { readonly does: 'leave'; readonly line: number; readonly account: string }

/** What an import would do. Refuses the whole file for the first line that cannot be done. */
export function planImport(
  rows: readonly CsvRow[],
  targets: readonly Pick<TargetView, 'name'>[],
  accounts: readonly Pick<AccountView, 'name'>[],
): readonly ImportStep[] {
  const knownTargets = new Set(targets.map((target) => target.name))
  const knownAccounts = new Set(accounts.map((account) => account.name))
  const seen = new Set<string>()
  const steps: ImportStep[] = []
  for (const { line, cells } of rows) {
    const target = (cells['target'] ?? '').trim()
    const login = (cells['login'] ?? '').trim()
    if (target === '' || login === '') throw misuse(`line ${line} has no target or no login`)
    const account = `${target}/${login}`
    if (seen.has(account)) throw misuse(`line ${line} names ${account} a second time`)
    seen.add(account)
    if (knownAccounts.has(account)) {
      steps.push({ does: 'leave', line, account })
      continue
    }
    if (!knownTargets.has(target)) {
      const safe = (cells['safe'] ?? '').trim()
      const address = (cells['address'] ?? '').trim()
      if (safe === '' || address === '')
        throw misuse(
          `line ${line} names the target ${target}, which does not exist`,
          'give its safe and address in the same line, or add it first: tagout target add',
        )
      const pin = (cells['pin'] ?? '').trim() || undefined
      steps.push({ does: 'add target', line, target, safe, address, pin })
      knownTargets.add(target)
    }
    const password = cells['password'] ?? ''
    const keyFile = (cells['key_file'] ?? '').trim()
    if ((password === '') === (keyFile === ''))
      throw misuse(`line ${line} needs either a password or a key_file`)
    steps.push({
      does: 'add account',
      line,
      account,
      target,
      login,
      credential: password === '' ? 'ssh-key' : 'password',
    })
  }
  return steps
}

/** `tagout account import`: says what it would do; does it when told to. */
export function addImportCommand(account: Command, tools: Tools): void {
  account
    .command('import <file>')
    .description('add accounts (and their targets) from a CSV file; shows what it will do first')
    .option('--yes', 'do it')
    .addHelpText(
      'after',
      `
The first line names the columns: ${columns.join(',')}. Each line needs target, login and either password or
key_file (a path beside the CSV file). A target that does not exist yet needs safe and address; without a pin
nobody can connect to it until one is approved. Accounts that exist are left as they are, so that an import can
be repeated. The file holds secrets: delete it afterwards.
${examples('tagout account import accounts.csv', 'tagout account import accounts.csv --yes')}`,
    )
    .action(async (file: string, options: { yes?: boolean }) => {
      const rows = parseCsv(await tools.readText(file), columns, ['target', 'login'])
      await tools.withVault(async (vault) => {
        const [targets, accounts] = await Promise.all([
          vault.ask('target.list', {}),
          vault.ask('account.list', {}),
        ])
        const steps = planImport(rows, targets, accounts)
        const work = steps.filter((step) => step.does !== 'leave').length
        if (!tools.json()) for (const step of steps) tools.say(sentence(step))
        const goOn = work > 0 && (await confirmed(tools.io, options.yes === true, `Do these ${work} steps?`))
        if (goOn) await carryOut(tools, vault, file, rows, steps)
        if (tools.json()) tools.show({ done: goOn, steps }, () => '')
        else if (work === 0) tools.note('there is nothing to do')
        else if (goOn) tools.note(`done: ${work} steps`)
        else tools.note('nothing is done; do it with --yes')
      })
    })
}

function sentence(step: ImportStep): string {
  switch (step.does) {
    case 'add target':
      return `line ${step.line}: add target ${step.target} at ${step.address} in safe ${step.safe}, ${step.pin === undefined ? 'not pinned' : `pinned to ${step.pin}`}`
    case 'add account':
      return `line ${step.line}: add account ${step.account} with its ${step.credential === 'password' ? 'password' : 'private key'}`
    case 'leave':
      return `line ${step.line}: leave account ${step.account}, which exists`
  }
}

async function carryOut(
  tools: Tools,
  vault: Vault,
  file: string,
  rows: readonly CsvRow[],
  steps: readonly ImportStep[],
): Promise<void> {
  const sodium = await loadSodium()
  const intakeKey = await pinnedIntakeKey(tools, vault)
  const byLine = new Map(rows.map((row) => [row.line, row]))
  for (const [index, step] of steps.entries()) {
    try {
      if (step.does === 'add target') {
        const input = { name: step.target, safe: step.safe, address: step.address }
        await vault.ask('target.add', step.pin === undefined ? input : { ...input, pin: step.pin })
      } else if (step.does === 'add account') {
        const given = await secretOf(tools, file, step.account, byLine.get(step.line))
        const credential = sealGiven(sodium, intakeKey, step.account, given)
        await vault.ask('account.add', { target: step.target, login: step.login, credential })
      }
    } catch (error) {
      if (!(error instanceof Complaint)) throw error
      throw new Complaint(
        `line ${step.line}: ${error.message}`,
        `${index === 0 ? 'nothing was done' : 'what came before it is done'}; mend the line and import the file again`,
        error.code,
      )
    }
  }
}

async function secretOf(
  tools: Tools,
  file: string,
  account: string,
  row: CsvRow | undefined,
): Promise<GivenSecret> {
  const password = row?.cells['password'] ?? ''
  if (password !== '') return { kind: 'password', secret: Secret.fromText(password) }
  const keyFile = join(dirname(resolve(tools.io.cwd, file)), (row?.cells['key_file'] ?? '').trim())
  return readGivenSecret(tools.io, account, { keyFile })
}
