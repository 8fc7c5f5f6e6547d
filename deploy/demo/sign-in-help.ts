import { hostForPeople } from '../supervisor/announcement.ts'
import { type DemoFile, demoPath } from './folder.ts'
import { people } from './plant.ts'

/** How to sign in to the demo plant, for people. */
export function signInHelp(
  dataDir: string,
  demo: DemoFile,
  consoleAddress: string,
  ssh: { readonly host: string; readonly port: number } | undefined,
): string {
  const rolesOf = (name: string) => people.find((one) => one.name === name)?.roles.join(', ') ?? ''
  const width = Math.max(...demo.people.map(({ name }) => rolesOf(name).length)) + 2
  const rows = demo.people.map(
    ({ name, password, what }) =>
      `  ${name.padEnd(8)}${password.padEnd(18)}${rolesOf(name).padEnd(width)}${what}`,
  )
  return `
The demo plant. None of it is real, and nothing real belongs into it.

  console  ${consoleAddress}${ssh === undefined ? '' : `\n  ssh      ssh -p ${ssh.port} olga@operator@press-3@${hostForPeople(ssh.host)}`}
  ${'name'.padEnd(8)}${'password'.padEnd(18)}role
${rows.join('\n')}

  codes            npx tagout demo code NAME (each is taken once)
  recordings       sign in as ${demo.auditor.name}, open one, and give the key file
                   ${demo.auditor.keyFile}
                   with the passphrase ${demo.auditor.passphrase}
  elevation        as noor on switch-7: enable, then ~e and Enter; its secret is typed for her
  all of this      npx tagout demo show (it is in ${demoPath(dataDir)})
  what to try      docs/demo.md: there is an incident to find
  take it away     npx tagout demo remove

The recordings were made just now, by people who really worked over SSH: signed times are not made up, so a
week's work carries the times of these minutes.
`
}

/** The same for scripts. */
export function signInFacts(dataDir: string, demo: DemoFile) {
  return {
    state: demo.state,
    file: demoPath(dataDir),
    people: demo.people.map(({ name, password, what }) => ({ name, password, what })),
    auditor: demo.auditor,
    recordings: demo.worked,
  }
}
