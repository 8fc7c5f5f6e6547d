import { existsSync, lstatSync } from 'node:fs'
import { dirname } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import { makeKeyFile, readKeyFile } from '../../vault/keys/key-file.ts'
import { barrierOnTheWayTo } from './reachable.ts'
import type { RunAs } from './system-user.ts'

/**
 * Finds out before a first start makes anything whether the vault, which runs as `owner`, could use the key file that
 * was given. Throws `Fault('configuration')` with what to do.
 */
export async function requireKeyFile(path: string, owner: RunAs | undefined): Promise<void> {
  const wrong = (text: string) => new Fault('configuration', text)
  if (!existsSync(dirname(path)))
    throw wrong(`--key-file names ${path}, whose folder is not there: make it, or mount what it is on`)
  const barrier = owner === undefined ? undefined : barrierOnTheWayTo(dirname(path))
  if (barrier !== undefined)
    throw wrong(
      `--key-file names ${path}, which lies below ${barrier}, where the vault's user cannot go: chmod go+x ${barrier}, or give another path`,
    )
  if (!existsSync(path)) return
  const { uid } = lstatSync(path)
  if (owner !== undefined && uid !== owner.uid)
    throw wrong(
      `the key file ${path} belongs to user ${uid}, and the vault runs as tagout-vault: chown tagout-vault ${path}`,
    )
  const read = await readKeyFile(path)
  if (read.ok) read.value[Symbol.dispose]()
  else throw wrong(sentence(read))
}

/** Makes the key file where it is missing, for the vault, which runs as `owner` and may make none in that folder. */
export async function provideKeyFile(path: string, owner: RunAs | undefined): Promise<void> {
  if (existsSync(path)) return
  const made = await makeKeyFile(path, owner)
  if (!made.ok) throw new Fault('configuration', sentence(made))
}

function sentence({ refusal }: Extract<Outcome<unknown>, { ok: false }>): string {
  return refusal.next === undefined ? refusal.message : `${refusal.message}: ${refusal.next}`
}
