import type { Command } from 'commander'
import { totpStep } from '../../vault/identity/totp.ts'
import { type Code, freshCode } from '../demo/codes.ts'
import { fillDemo } from '../demo/fill.ts'
import { type DemoFile, type DemoPerson, readDemo, writeDemo } from '../demo/folder.ts'
import { planRemoval, removeDemo, strangers } from '../demo/remove.ts'
import { signInFacts, signInHelp } from '../demo/sign-in-help.ts'
import { Complaint, misuse } from './complaint.ts'
import { readReady } from './installation.ts'
import { confirmed } from './secret-input.ts'
import { examples, type Tools } from './tools.ts'
import { forgetPin } from './vault-pin.ts'

/** `tagout demo`: a small plant to try, in an installation of its own. */
export function addDemoCommands(root: Command, tools: Tools): void {
  const demo = root
    .command('demo')
    .description('a plant to try: machines, people and recordings, in an empty installation that runs')
    .addHelpText(
      'after',
      examples(
        'npm start -- --data ./demo --demo',
        'tagout demo',
        'tagout demo code ingrid',
        'tagout demo remove',
      ),
    )
    .action(async () => {
      await readReady(tools.dataDir())
      const filled = await fillDemo(tools.dataDir(), { say: tools.note })
      await show(tools, filled)
    })

  demo
    .command('show')
    .description('say again how to sign in')
    .addHelpText('after', examples('tagout demo show', 'tagout demo show --json'))
    .action(async () => show(tools, requireDemo(tools)))

  demo
    .command('code <name>')
    .description('print the present code of somebody’s second factor; each code is taken once')
    .addHelpText('after', examples('tagout demo code ingrid'))
    .action(async (name: string) => {
      const { people } = requireDemo(tools)
      const person = people.find((one) => one.name === name)
      if (person === undefined)
        throw misuse(
          `there is no ${name} in the demo plant`,
          `choose from ${people.map((one) => one.name).join(', ')}`,
        )
      const code = await nextCode(tools, person)
      tools.show({ name, code: code.code, until: new Date(code.until).toISOString() }, () => code.code)
    })

  demo
    .command('remove')
    .description(
      'take the demo plant away, with all of the installation that it is in; a running one is stopped',
    )
    .option('--yes', 'do not ask')
    .option('--all', 'also what somebody has added to it since')
    .addHelpText('after', examples('tagout demo remove', 'tagout demo remove --yes'))
    .action(async ({ yes, all }: { readonly yes?: boolean; readonly all?: boolean }) => {
      const removal = planRemoval(tools.dataDir(), tools.io.env)
      const { dataDir, parts, stays, runs, demo: filled } = removal
      const others = runs === undefined ? [] : await strangers(dataDir, filled)
      if (others.length > 0 && all !== true)
        throw new Complaint(
          `this installation holds more than the demo: ${others.slice(0, 10).join(', ')}${others.length > 10 ? ', …' : ''}`,
          'all of it would go as well: set it up elsewhere first, then give --all',
        )
      if (runs !== undefined)
        tools.note(`the installation in ${dataDir} (process ${runs.pid}) is stopped first`)
      else
        tools.note(
          'it does not run, so nobody can look whether something was added to the demo: that would go too',
        )
      tools.note(
        `what goes: ${parts.join(', ')}, so all people, machines, secrets, recordings and the audit log`,
      )
      if (stays.length > 0) tools.note(`what stays: ${stays.join(', ')}`)
      if (!(await confirmed(tools.io, yes === true, 'Remove it all, for good?')))
        throw new Complaint('nothing was removed', 'give --yes to remove it without being asked')
      await forgetPin(tools)
      await removeDemo(removal)
      tools.show(
        { removed: parts, stays },
        () => 'the demo plant is gone; the next npm start is a first start',
      )
    })
}

/** A code that was not given out before. It is noted as used: the vault takes each once. */
async function nextCode(tools: Tools, person: DemoPerson): Promise<Code> {
  if (person.lastStep > totpStep(Date.now())) tools.note('waiting for the next code (half a minute at most)')
  const code = await freshCode(person)
  const demo = requireDemo(tools)
  const noted = demo.people.map((one) => (one.name === person.name ? { ...one, lastStep: code.step } : one))
  writeDemo(tools.dataDir(), { ...demo, people: noted })
  return code
}

function requireDemo(tools: Tools): DemoFile {
  const found = readDemo(tools.dataDir())
  if (found === undefined)
    throw new Complaint('there is no demo plant here', 'fill an empty installation: tagout demo')
  return found
}

async function show(tools: Tools, demo: DemoFile): Promise<void> {
  // Stopped, it says so: who may sign in is to be read either way.
  const ready = await readReady(tools.dataDir()).catch(() => undefined)
  const address = ready?.console ?? 'not running: npm start'
  tools.show(signInFacts(tools.dataDir(), demo), () => signInHelp(tools.dataDir(), demo, address, ready?.ssh))
}
