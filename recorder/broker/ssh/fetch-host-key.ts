import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { type HostKeySeen, type LegacyAlgorithm, legacyAlgorithms } from '../../../vault/contract.ts'
import { done, type Outcome, refuse } from '../../../vault/kernel/outcome.ts'
import { algorithmsFor, explainLacks, lacksOf, onTheWire, sorted } from '../../../vault/ssh/legacy.ts'
import { Client } from '../../../vault/ssh/library.ts'
import { type Offer, overhearGreeting, overhearOffer } from '../../../vault/ssh/offer.ts'
import { quotable } from '../../../vault/ssh/readable.ts'
import { describeHostKey, type HostKey, makeHostVerifier } from '../../../vault/ssh/verify-host-key.ts'

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
 * There is one connection at a time, and one for each key: a machine with one key sees one.
 */
export async function fetchHostKeys(host: string, port: number): Promise<Outcome<readonly HostKeySeen[]>> {
  const first = await fetchOne(
    host,
    port,
    families.flatMap(({ names }) => names),
  )
  const { offer } = first
  if (offer === undefined) {
    const said = quotable(first.said)
    return refuse(
      'unavailable',
      said === ''
        ? `nothing at ${host}:${port} shows an SSH host key`
        : `what answers at ${host}:${port} shows no SSH host key, but says “${said}”`,
      'check the address, and that the machine is on; it may take only so many connections at a time',
    )
  }
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
  for (const { names, needs } of families) {
    const offered = names.filter((name) => offer.serverHostKey.includes(name))
    // An RSA key is one, whichever way it signs.
    if (offered.length === 0 || (needs === 'ssh-rsa' && found.some(({ type }) => type === 'ssh-rsa')))
      continue
    const isFirst = first.algorithm !== undefined && names.includes(first.algorithm)
    const key = isFirst ? first.key : await fetchFurther(host, port, offered)
    if (key === undefined || found.some(({ fingerprint }) => fingerprint === key.fingerprint)) continue
    const { type, fingerprint } = key
    const all = sorted([...needed, ...(needs === undefined ? [] : [needs])])
    found.push({ type, fingerprint, key: key.key.toString('base64'), needs: all })
  }
  return found.length > 0
    ? done(found)
    : refuse('unavailable', `${host}:${port} shows no host key that can be read`, 'check what answers there')
}

/** A machine that takes one connection at a time needs a moment after the last. */
async function fetchFurther(
  host: string,
  port: number,
  algorithms: readonly string[],
): Promise<HostKey | undefined> {
  for (const pause of [0, 500, 1_500]) {
    await wait(pause)
    const { key, offer } = await fetchOne(host, port, algorithms)
    if (key !== undefined || offer !== undefined) return key
  }
  return undefined
}

type Fetched = {
  readonly key: HostKey | undefined
  /** The algorithm that the key was shown for, which both sides agreed on. */
  readonly algorithm: string | undefined
  readonly offer: Offer | undefined
  readonly said: string
}

/** One connection, until the key is shown. Resolves when it is closed. */
function fetchOne(host: string, port: number, serverHostKey: readonly string[]): Promise<Fetched> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true })
    const offer = overhearOffer(socket)
    const said = overhearGreeting(socket)
    const client = new Client()
    let key: HostKey | undefined
    const over = () => {
      clearTimeout(timer)
      client.end()
      socket.destroy()
    }
    const timer = setTimeout(over, within)
    socket.on('close', () => {
      clearTimeout(timer)
      const seen = offer()
      // RFC 4253 §7.1: the first of ours that the server has too.
      const algorithm = serverHostKey.find((name) => seen?.serverHostKey.includes(name))
      const { said: words, isSpeaking } = said()
      resolve({ key, algorithm, offer: seen, said: isSpeaking || words.includes('\u{fffd}') ? '' : words })
    })
    client.on('error', over)
    client.connect({
      sock: socket,
      username: 'nobody',
      ident: 'Tagout',
      readyTimeout: 0,
      algorithms: structuredClone({ ...algorithmsFor(legacyAlgorithms), serverHostKey }) as never,
      hostVerifier: makeHostVerifier((shown) => {
        key = describeHostKey(shown.key)
        setImmediate(over)
        return false
      }),
    })
  })
}
