import { connect } from 'node:net'
import type { HostKeySeen, LegacyAlgorithm } from '../../../vault/contract.ts'
import { done, type Outcome, refuse } from '../../../vault/kernel/outcome.ts'
import { algorithmsFor, explainLacks, lacksOf, onTheWire, sorted } from './legacy.ts'
import { Client } from './library.ts'
import { fetchOffer } from './offer.ts'
import { describeHostKey, type HostKey, makeHostVerifier } from './verify-host-key.ts'

const within = 5_000

/** The algorithms of each type of host key, and what would have to be allowed for it. */
const families: readonly { readonly names: readonly string[]; readonly needs?: LegacyAlgorithm }[] = [
  { names: ['ssh-ed25519'] },
  { names: ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'] },
  { names: ['rsa-sha2-512', 'rsa-sha2-256'] },
  { names: onTheWire['ssh-rsa'].names, needs: 'ssh-rsa' },
  { names: onTheWire['ssh-dss'].names, needs: 'ssh-dss' },
]

/**
 * The host keys that a target presents, one of each type, and for each the old algorithms without which no session
 * with it comes about. Logs in to nothing: the key exchange is broken off, so that it may speak what is old and look.
 */
export async function fetchHostKeys(host: string, port: number): Promise<Outcome<readonly HostKeySeen[]>> {
  const offer = await fetchOffer(host, port, within)
  if (offer === undefined)
    return refuse(
      'unavailable',
      `nothing at ${host}:${port} shows an SSH host key`,
      'check the address, and that the machine is on',
    )
  const lacks = lacksOf(offer)
  const hopeless = explainLacks(
    'this machine',
    lacks.filter(({ needs }) => needs === undefined),
    [],
  )
  if (hopeless !== undefined) return refuse('unavailable', hopeless.message, hopeless.next)
  const needed = lacks.flatMap(({ part, needs }) =>
    part === 'serverHostKey' || needs === undefined ? [] : needs,
  )

  const found: HostKeySeen[] = []
  // One after the other: small machines take few connections at once.
  for (const { names, needs } of families) {
    const offered = names.filter((name) => offer.serverHostKey.includes(name))
    if (offered.length === 0) continue
    const all = sorted([...needed, ...(needs === undefined ? [] : [needs])])
    const key = await fetchOne(host, port, offered, all)
    if (key === 'unreachable') break
    if (key === undefined || found.some(({ fingerprint }) => fingerprint === key.fingerprint)) continue
    const { type, fingerprint } = key
    found.push({ type, fingerprint, key: key.key.toString('base64'), needs: all })
  }
  return found.length > 0
    ? done(found)
    : refuse('unavailable', `${host}:${port} shows no host key that can be read`, 'check what answers there')
}

function fetchOne(
  host: string,
  port: number,
  serverHostKey: readonly string[],
  allowed: readonly LegacyAlgorithm[],
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
      algorithms: structuredClone({ ...algorithmsFor(allowed), serverHostKey }) as never,
      hostVerifier: makeHostVerifier((key) => {
        over(describeHostKey(key.key))
        return false
      }),
    })
  })
}
