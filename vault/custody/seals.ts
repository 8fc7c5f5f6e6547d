import type { Entry } from '../audit/entry.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import type { SealProvider, Unsealing } from '../keys/seal-provider.ts'
import type { Vault } from '../open.ts'
import type { Handler, Input } from '../world.ts'
import { sealView } from './view.ts'

/** How many rehearsals are looked at, the latest. */
const mostRehearsals = 500

/** The ways to unseal this vault, and when each was last rehearsed. */
export const sealList: Handler<'seal.list'> = async ({ world: { vault } }) => {
  const rehearsed = await lastRehearsals(vault)
  return done((await vault.seals.list()).map((seal) => sealView(seal, rehearsed.get(seal.id) ?? null)))
}

/**
 * By the id of a way to unseal, when it was last rehearsed.
 *
 * SECURITY: only entries that the vault vouches for: nobody who writes to the database has a key look tried.
 */
async function lastRehearsals(vault: Vault): Promise<ReadonlyMap<string, string>> {
  const { entries } = await vault.findAudit({ kinds: ['seal.rehearsed'], limit: mostRehearsals })
  const last = new Map<string, string>()
  for (const { entry, at, unproven } of entries) {
    const { seal } = entry as Extract<Entry, { readonly kind: 'seal.rehearsed' }>
    if (!unproven && !last.has(seal)) last.set(seal, at)
  }
  return last
}

/** Adds a way to unseal beside those that there are. */
export const sealAdd: Handler<'seal.add'> = async (call, { provider, rehearse }) => {
  using chosen = providerOf(provider)
  if (rehearse === true) return await call.world.vault.seals.rehearseAdding(chosen.provider, call.actor)
  const added = await call.world.vault.seals.add(chosen.provider, call.actor, false)
  return added.ok ? done(sealView(added.value)) : added
}

/** Takes a way to unseal away. */
export const sealRemove: Handler<'seal.remove'> = async (call, { seal, rehearse }) => {
  const removed = await call.world.vault.seals.remove(seal, call.actor, rehearse === true)
  return removed.ok ? done(sealView(removed.value)) : removed
}

/** Proves that a way to unseal opens this vault, and changes nothing. */
export const sealRehearse: Handler<'seal.rehearse'> = async (call, { how }) => {
  const { backOff, vault } = call.world
  const wait = backOff.wait('admin door', 'unseal')
  if (wait > 0) return refuse('rate_limited', 'too many failed attempts', `wait ${wait} s, then try again`)
  using chosen = unsealingOf(how)
  const outcome: Outcome<null> = await vault.seals.rehearse(chosen.how, call.actor)
  if (!outcome.ok && isGuessable(how)) backOff.failed('admin door', 'unseal')
  return outcome
}

/** Is this a way of which somebody could try many? */
export function isGuessable(how: Input<'vault.unseal'>): boolean {
  const { kind } = how
  return kind === 'passphrase' || kind === 'recovery' || (kind === 'pkcs11' && how.pin !== undefined)
}

/** The provider that the input names, with its secret, which is wiped when this is disposed of. */
export function providerOf(
  input: Input<'seal.add'>['provider'],
): { readonly provider: SealProvider } & Disposable {
  if (input.kind === 'pkcs11') {
    const { pin: text, pinFile, ...place } = input
    const pin = text === undefined ? undefined : Secret.fromText(text)
    return { provider: { ...place, pin, pinFile }, [Symbol.dispose]: () => pin?.[Symbol.dispose]() }
  }
  if (input.kind === 'key-file' || input.kind === 'plug-in')
    return { provider: input, [Symbol.dispose]: () => {} }
  const passphrase = Secret.fromText(input.passphrase)
  return {
    provider: { kind: 'passphrase', passphrase },
    [Symbol.dispose]: () => passphrase[Symbol.dispose](),
  }
}

/** How the input opens the vault, with its secret, which is wiped when this is disposed of. */
export function unsealingOf(input: Input<'vault.unseal'>): { readonly how: Unsealing } & Disposable {
  switch (input.kind) {
    case 'passphrase': {
      const passphrase = Secret.fromText(input.passphrase)
      return {
        how: { kind: 'passphrase', passphrase },
        [Symbol.dispose]: () => passphrase[Symbol.dispose](),
      }
    }
    case 'key-file':
      return { how: { kind: 'key-file', path: input.path }, [Symbol.dispose]: () => {} }
    case 'recovery':
      return { how: { kind: 'recovery', recoveryKey: input.recoveryKey }, [Symbol.dispose]: () => {} }
    case 'pkcs11': {
      const pin = input.pin === undefined ? undefined : Secret.fromText(input.pin)
      return {
        how: { kind: 'pkcs11', pin, seal: input.seal },
        [Symbol.dispose]: () => pin?.[Symbol.dispose](),
      }
    }
    case 'plug-in':
      return { how: { kind: 'plug-in', seal: input.seal }, [Symbol.dispose]: () => {} }
    case 'stored-key-file':
      return { how: { kind: 'stored-key-file' }, [Symbol.dispose]: () => {} }
  }
}
