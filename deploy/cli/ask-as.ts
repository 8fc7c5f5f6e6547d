import type { ConsoleClient } from './console-client.ts'
import { asPerson } from './console-login.ts'
import { readAnswers, readThreeAnswers } from './person-answers.ts'
import type { Tools } from './tools.ts'
import { pinnedIntakeKey } from './vault-pin.ts'

/** Who signs in at the console for a command, and where their answers come from. */
export type Person = { readonly user: string; readonly answersStdin?: boolean }

/** Asks the console's server as a person, who gives their password and their present code. */
export async function askAs<T>(
  tools: Tools,
  options: Person,
  use: (client: ConsoleClient) => Promise<T>,
): Promise<T> {
  const intakeKey = await tools.withVault((vault) => pinnedIntakeKey(tools, vault))
  const answers = await readAnswers(tools.io, options)
  using password = answers.password
  return await asPerson(tools, { name: options.user, password, code: answers.code, intakeKey }, use)
}

/** The same, with a fresh code beside the one that signs in: `nextCode` asks for it when it is needed. */
export async function askFreshAs<T>(
  tools: Tools,
  options: Person,
  use: (client: ConsoleClient, nextCode: () => Promise<string>) => Promise<T>,
): Promise<T> {
  const intakeKey = await tools.withVault((vault) => pinnedIntakeKey(tools, vault))
  const answers = await readThreeAnswers(tools.io, options)
  using password = answers.password
  const person = { name: options.user, password, code: answers.code, intakeKey }
  return await asPerson(tools, person, (client) => use(client, answers.nextCode))
}
