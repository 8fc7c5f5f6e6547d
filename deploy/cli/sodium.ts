/** libsodium, loaded: only by the commands that need it. */
export async function loadSodium() {
  const { default: sodium } = await import('libsodium-wrappers')
  await sodium.ready
  return sodium
}
