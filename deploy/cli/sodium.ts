import sodium from 'libsodium-wrappers'

/** libsodium, loaded. */
export async function loadSodium(): Promise<typeof sodium> {
  await sodium.ready
  return sodium
}
