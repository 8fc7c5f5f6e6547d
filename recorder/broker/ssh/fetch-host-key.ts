import { connect } from 'node:net'
import type { HostKeySeen } from '../../../vault/contract.ts'
import { backAlgorithms } from './algorithms.ts'
import { Client } from './library.ts'
import { describeHostKey, type HostKey, makeHostVerifier } from './verify-host-key.ts'

const within = 5_000

/** The host keys that a target presents, one of each type. Logs in to nothing: the key exchange is broken off. */
export async function fetchHostKeys(host: string, port: number): Promise<readonly HostKeySeen[]> {
  const families = [
    ['ssh-ed25519'],
    ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
    ['rsa-sha2-512', 'rsa-sha2-256'],
  ] as const
  const found: HostKey[] = []
  // One after the other: small machines take few connections at once.
  for (const family of families) {
    const key = await fetchOne(host, port, family)
    if (key === 'unreachable') break
    if (key !== undefined) found.push(key)
  }
  return found.map(({ type, fingerprint, key }) => ({ type, fingerprint, key: key.toString('base64') }))
}

function fetchOne(
  host: string,
  port: number,
  serverHostKey: readonly string[],
): Promise<HostKey | 'unreachable' | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true })
    const client = new Client()
    let isConnected = false
    const over = (key?: HostKey) => {
      clearTimeout(timer)
      resolve(key ?? (isConnected ? undefined : 'unreachable'))
      client.end()
      socket.destroy()
    }
    const timer = setTimeout(over, within)
    socket.on('connect', () => {
      isConnected = true
    })
    client.on('error', () => over())
    client.on('close', () => over())
    client.connect({
      sock: socket,
      username: 'nobody',
      ident: 'Tagout',
      readyTimeout: 0,
      algorithms: { ...structuredClone(backAlgorithms), serverHostKey: [...serverHostKey] as never },
      hostVerifier: makeHostVerifier((key) => {
        over(describeHostKey(key.key))
        return false
      }),
    })
  })
}
