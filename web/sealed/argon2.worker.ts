import sodium from 'libsodium-wrappers-sumo'

/** Argon2id away from the page: with the memory that an auditor's passphrase deserves it takes seconds. */
type Asked = {
  readonly passphrase: Uint8Array
  readonly salt: Uint8Array
  readonly passes: number
  readonly memoryKiB: number
}

self.onmessage = async (event: MessageEvent<Asked>) => {
  const { passphrase, salt, passes, memoryKiB } = event.data
  try {
    await sodium.ready
    const key = sodium.crypto_pwhash(
      32,
      passphrase,
      salt,
      passes,
      memoryKiB * 1024,
      sodium.crypto_pwhash_ALG_ARGON2ID13,
    )
    self.postMessage({ key })
  } catch {
    self.postMessage({ fault: 'this browser cannot give the memory that the passphrase needs' })
  }
}
