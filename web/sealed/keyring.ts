import { useSyncExternalStore } from 'react'
import { type GroupKeys, openGroupKeys } from '../../vault/auditors/ceremony.ts'
import { type AuditorIdentity, forget, readIdentity } from '../../vault/auditors/identity.ts'
import { Refused } from '../api.ts'
import { argon2id } from './argon2.ts'
import { fetchChain } from './chain.ts'
import { loadSodium } from './sodium.ts'

/** The auditor's keys, open in this tab and nowhere else. */
export type Keyring = { readonly identity: AuditorIdentity; readonly groupKeys: GroupKeys }

/** Minutes without a replay or a change after which the keys are wiped. */
const idleMinutes = 30

let open: Keyring | null = null
let timer: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

function change(next: Keyring | null): void {
  open = next
  for (const listener of listeners) listener()
}

/** The open keys, or `null`. */
export function useKeyring(): Keyring | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => open,
  )
}

/** Opens an auditor's key file with its passphrase, and with it every group key that the chain gives her. */
export async function openKeyring(file: string, passphrase: string): Promise<Keyring> {
  const sodium = await loadSodium()
  const identity = await readIdentity(sodium, argon2id, file, passphrase)
  const chain = await fetchChain()
  if (chain === null) {
    forget(sodium, identity)
    throw new Refused({
      status: 412,
      code: 'no_auditors',
      title: 'no auditor is enrolled yet',
      detail: 'the machine administrator enrols the first one with tagout auditor add',
    })
  }
  const keys = openGroupKeys(sodium, identity, chain)
  if (!keys.ok) {
    forget(sodium, identity)
    throw new Refused({
      status: 403,
      code: keys.refusal.code,
      title: keys.refusal.message,
      detail: keys.refusal.next,
    })
  }
  lockKeyring()
  change({ identity, groupKeys: keys.value })
  touchKeyring()
  return { identity, groupKeys: keys.value }
}

/** The keys are in use: they stay open for another while. */
export function touchKeyring(): void {
  clearTimeout(timer)
  if (open !== null) timer = setTimeout(lockKeyring, idleMinutes * 60_000)
}

/** Takes a new set of group keys after the list has changed. */
export async function refreshKeyring(): Promise<void> {
  const known = open
  if (known === null) return
  const [sodium, chain] = await Promise.all([loadSodium(), fetchChain()])
  if (chain === null) return
  const keys = openGroupKeys(sodium, known.identity, chain)
  if (keys.ok && open === known) change({ identity: known.identity, groupKeys: keys.value })
}

/** Wipes the keys. libsodium's own memory cannot be wiped, so an auditor who leaves closes the tab. */
export function lockKeyring(): void {
  clearTimeout(timer)
  const known = open
  if (known === null) return
  change(null)
  void loadSodium().then((sodium) => {
    forget(sodium, known.identity)
    for (const { privateKey } of known.groupKeys.values()) sodium.memzero(privateKey)
  })
}
