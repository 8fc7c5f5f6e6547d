import { makeSealedLoginPassword } from '../../vault/intake.ts'
import type { Secret } from '../../vault/kernel/secret.ts'
import { ConsoleClient } from './console-client.ts'
import { consoleAuthority, readReady } from './installation.ts'
import { loadSodium } from './sodium.ts'
import type { Tools } from './tools.ts'

/** Signs a person in at the console's server for as long as `use` runs: for what needs a person, with their trace. */
export async function asPerson<T>(
  tools: Tools,
  person: {
    readonly name: string
    readonly password: Secret
    readonly code: string
    /** The vault's intake key, as it is pinned. */
    readonly intakeKey: string
  },
  use: (client: ConsoleClient) => Promise<T>,
): Promise<T> {
  const sodium = await loadSodium()
  const ready = await readReady(tools.dataDir())
  const client = new ConsoleClient(ready.console, consoleAuthority(tools.dataDir(), ready))
  await client.ask('POST', '/api/login', {
    name: person.name,
    sealedPassword: person.password.expose((bytes) =>
      makeSealedLoginPassword(sodium, person.intakeKey, person.name, new TextDecoder().decode(bytes)),
    ),
    totpCode: person.code,
  })
  try {
    return await use(client)
  } finally {
    // What was asked is done or has thrown: a sign-out that fails leaves a login that ends of itself, and nobody has it.
    await client.ask('DELETE', '/api/login').catch(() => undefined)
  }
}
