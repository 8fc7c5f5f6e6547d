import type { Sodium } from '../../vault/auditors/sodium.ts'

let loading: Promise<Sodium> | undefined

/** Loads libsodium once. It is large and lies in a file of its own: nobody waits for it before the first page is there. */
export function loadSodium(): Promise<Sodium> {
  loading ??= import('libsodium-wrappers').then(async (module) => {
    const sodium = module.default
    await sodium.ready
    return sodium as unknown as Sodium
  })
  loading.catch(() => {
    loading = undefined
  })
  return loading
}
