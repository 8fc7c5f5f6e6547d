import type { Algorithms } from 'ssh2'

/**
 * What the gateway offers to clients. No SHA-1, no CBC, no curve that ssh-audit fails, no compression before login;
 * `chacha20-poly1305` is left out because clients prefer it and AES-GCM is several times quicker here.
 *
 * ssh2 adds strict key exchange (Terrapin) by itself.
 */
export const frontAlgorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha256',
  ],
  serverHostKey: ['ssh-ed25519', 'rsa-sha2-512', 'rsa-sha2-256'],
  cipher: ['aes256-gcm@openssh.com', 'aes128-gcm@openssh.com', 'aes256-ctr', 'aes192-ctr', 'aes128-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} as const satisfies Algorithms

/** What the gateway takes from targets by default: modern, but also what machines of the last ten years have. */
export const backAlgorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group14-sha256',
  ],
  serverHostKey: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
    'chacha20-poly1305@openssh.com',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
} as const satisfies Algorithms

/** The host key algorithms with the pinned types first, so that a target shows the key that was pinned. */
export function pinnedFirst(
  algorithms: readonly string[],
  pins: readonly { readonly type: string }[],
): readonly string[] {
  const isPinned = (algorithm: string) => pins.some(({ type }) => type === keyTypeOf(algorithm))
  return [...algorithms.filter(isPinned), ...algorithms.filter((algorithm) => !isPinned(algorithm))]
}

/** The type of key that an algorithm signs with: RSA keys sign in several ways. */
export function keyTypeOf(algorithm: string): string {
  return algorithm.startsWith('rsa-sha2-') ? 'ssh-rsa' : algorithm
}
