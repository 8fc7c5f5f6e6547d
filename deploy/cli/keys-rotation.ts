import type { Command } from 'commander'
import type { RotationView, SafeView, VerbInput } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { Complaint, misuse } from './complaint.ts'
import { when } from './io.ts'
import { examples, type Tools, type Vault } from './tools.ts'

type Options = { readonly wait: boolean; readonly dryRun?: boolean }

const dryRun = 'say what would be done or what hinders it, and change nothing; audited'

/** `tagout keys rotate-root`, `rotate-safe` and `status`: exchanging keys while everything goes on. */
export function addRotationCommands(keys: Command, tools: Tools): void {
  keys
    .command('rotate-root')
    .description('exchange the root key; all ways to unseal open the new one, payloads are not touched')
    .option('--no-wait', 'begin, and do not wait until it is done')
    .option('--dry-run', dryRun)
    .addHelpText('after', examples('tagout keys rotate-root --dry-run', 'tagout keys rotate-root'))
    .action(async (options: Options) => {
      await tools.withVault(async (vault) => {
        await rotate(tools, vault, { what: 'root' }, options)
      })
    })

  keys
    .command('rotate-safe [safe]')
    .description(
      'exchange the key of a safe; the keys of its secrets are wrapped anew, payloads are not touched',
    )
    .option('--no-wait', 'begin, and do not wait until it is done')
    .option('--dry-run', dryRun)
    .addHelpText(
      'after',
      examples('tagout keys rotate-safe line-3 --dry-run', 'tagout keys rotate-safe line-3'),
    )
    .action(async (given: string | undefined, options: Options) => {
      await tools.withVault(async (vault) => {
        const safe = await knownSafe(vault, given)
        await rotate(tools, vault, { what: 'safe', safe }, options)
      })
    })

  // What people type who have not looked: it names what there is.
  keys
    .command('rotate [key...]', { hidden: true })
    .description('say which keys can be exchanged, and by which command')
    .allowUnknownOption()
    .addHelpText('after', examples('tagout keys rotate-root', 'tagout keys rotate-safe line-3'))
    .action(async () => {
      const safes = await tools.withVault((vault) => vault.ask('safe.list', {}))
      const root = 'the root key: tagout keys rotate-root'
      throw misuse(
        'say which key is exchanged',
        safes.length === 0
          ? root
          : `${root}; the key of a safe: tagout keys rotate-safe with ${namesOf(safes)}`,
      )
    })

  keys
    .command('status')
    .description('say how far exchanges of keys have come')
    .addHelpText('after', examples('tagout keys status', 'tagout keys status --json'))
    .action(async () => {
      const status = await tools.withVault((vault) => vault.ask('keys.status', {}))
      if (tools.json()) return tools.show(status, () => '')
      tools.note(`the root key is of version ${status.rootVersion}`)
      tools.list(
        status.rotations,
        [
          ['KEY', keyText],
          ['VERSION', (one) => String(one.version)],
          ['STATE', (one) => one.state],
          ['DONE', (one) => `${one.done} of ${one.total}`],
          ['STARTED', (one) => `${when(one.startedAt)} by ${whoText(one.startedBy)}`],
          ['FINISHED', (one) => when(one.finishedAt)],
        ],
        'no key has been exchanged',
      )
    })
}

/** The safe that is meant; where there is none of that name, the complaint names those that there are. */
async function knownSafe(vault: Vault, given: string | undefined): Promise<string> {
  const safes = await vault.ask('safe.list', {})
  if (
    given !== undefined &&
    safes.some(({ id, name }) => id === given || name.toLowerCase() === given.toLowerCase())
  )
    return given
  const next = safes.length === 0 ? 'make one first: tagout safe add' : `choose from ${namesOf(safes)}`
  throw given === undefined
    ? misuse('say the key of which safe is exchanged', next)
    : new Complaint(`there is no safe ${given}`, next)
}

const mostNames = 20

function namesOf(safes: readonly Pick<SafeView, 'name'>[]): string {
  const names = safes.slice(0, mostNames).map(({ name }) => name)
  return safes.length > mostNames ? `${names.join(', ')}, … (tagout safe list)` : names.join(', ')
}

/** Milliseconds between two looks at how far it has come. */
const lookMs = 300

async function rotate(
  tools: Tools,
  vault: Vault,
  input: VerbInput<'keys.rotate'>,
  options: Options,
): Promise<void> {
  const rehearse = options.dryRun === true
  const { total, rotation } = await vault.ask('keys.rotate', { ...input, rehearse }, undefined, 120_000)
  if (rotation === null)
    return tools.show(
      { total, rehearsal: true },
      () => `${count(total, 'key')} would be wrapped anew; nothing was changed`,
    )
  let latest = rotation
  let said = ''
  while (options.wait && latest.state === 'running') {
    await new Promise((resolve) => setTimeout(resolve, lookMs))
    const status = await vault.ask('keys.status', {})
    latest = status.rotations.find(({ id }) => id === rotation.id) ?? latest
    const text = `${latest.done} of ${count(latest.total, 'key')} wrapped anew`
    if (text !== said && latest.state === 'running') tools.note(text)
    said = text
  }
  if (latest.state === 'stopped')
    throw new Complaint(
      `the exchange of ${keyText(latest)} has stopped at ${latest.done} of ${latest.total}`,
      'nothing is lost; see the log of the vault, then seal and unseal it to go on',
    )
  tools.show(latest, () =>
    latest.state === 'finished'
      ? `${keyText(latest)} is exchanged (version ${latest.version}), and the old one gone: ${count(latest.total, 'key')} ${latest.total === 1 ? 'was' : 'were'} wrapped anew`
      : `${keyText(latest)} is being exchanged; how far it is: tagout keys status`,
  )
}

function keyText(rotation: RotationView): string {
  return rotation.safe === null ? 'the root key' : `the key of safe ${rotation.safe}`
}
