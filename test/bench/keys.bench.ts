import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openVault, type Vault } from '../../vault/open.ts'
import { placeOf, putMany, textOf } from '../support/many-secrets.ts'
import { startTestPostgres } from '../support/postgres.ts'
import { somebody } from '../support/vault-keys.ts'
import type { Row } from './row.ts'

/** Secrets in the one safe whose key is exchanged: `npm run bench -- keys --secrets 1000000` for the whole measure. */
const secrets = Number(process.env['TAGOUT_BENCH_SECRETS'] ?? 100_000)
/** Safes whose keys the root wraps. */
const safes = 2_000

/** Measures the exchange of keys while secrets are read: of a safe with a million of them, and of the root. */
export async function run(): Promise<Row[]> {
  await using postgres = await startTestPostgres({ durable: true })
  const dataDir = await mkdtemp(join(tmpdir(), 'tagout-bench-'))
  const faults: unknown[] = []
  const vault = await openVault({
    databaseUrl: postgres.urls.vault,
    dataDir,
    onFault: (fault) => faults.push(fault),
  })
  try {
    const keyFile = join(dataDir, 'seal.key')
    const made = await vault.initialise({ kind: 'key-file', path: keyFile }, somebody)
    if (!made.ok) throw new Error(made.refusal.message)
    await vault.inTransaction(async (tx) => {
      await vault.secrets.addSafe(tx, 'saf_many')
      for (let at = 0; at < safes; at += 1) await vault.secrets.addSafe(tx, `saf_${at}`)
    })
    await putMany(vault, keyFile, 'saf_many', secrets)
    const safe = await exchanged(vault, { what: 'safe', safe: 'saf_many', name: 'many' })
    const root = await exchanged(vault, { what: 'root' })
    if (faults.length > 0) throw faults[0]
    return [
      {
        what: `exchanging the key of a safe with ${secrets.toLocaleString('en')} secrets, online`,
        figure: safe.seconds,
        unit: 's',
        reach: `${Math.round((secrets * 600) / 1_000_000)} s (1 M within 600 s)`,
      },
      { what: 'data keys wrapped anew', figure: secrets / safe.seconds, unit: 'keys/s', reach: 'measured' },
      {
        what: 'reading a secret meanwhile, 99 of 100 within',
        figure: safe.p99,
        unit: 'ms',
        reach: 'measured',
        peer: `${safe.idleP99.toFixed(1)} ms while nothing is exchanged`,
      },
      {
        what: `exchanging the root key over ${(safes + 1).toLocaleString('en')} safes, online`,
        figure: root.seconds,
        unit: 's',
        reach: 'measured',
      },
    ]
  } finally {
    await vault.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Exchanges a key while somebody reads secrets, one after the other. */
async function exchanged(vault: Vault, of: Parameters<Vault['rotations']['start']>[0]) {
  const idle = await reading(vault, Promise.resolve(), 300)
  const begun = performance.now()
  const started = await vault.rotations.start(of, somebody)
  if (!started.ok) throw new Error(started.refusal.message)
  const over = vault.rotations.settled()
  const busy = await reading(vault, over, 0)
  await over
  const seconds = (performance.now() - begun) / 1000
  const [latest] = await vault.rotations.list()
  if (latest?.finishedAt === null) throw new Error('the exchange did not come to its end')
  return { seconds, p99: busy, idleP99: idle }
}

/** Reads secrets until `over`, and `least` of them; answers the time in ms within which 99 of 100 were there. */
async function reading(vault: Vault, over: Promise<unknown>, least: number): Promise<number> {
  let isOver = false
  void over.then(() => {
    isOver = true
  })
  const times: number[] = []
  while (!isOver || times.length < least) {
    const at = Math.floor(Math.random() * secrets)
    const begun = performance.now()
    using secret = await vault.secrets.take(placeOf('saf_many', at))
    times.push(performance.now() - begun)
    if (secret.expose((bytes) => Buffer.from(bytes).toString()) !== textOf(at))
      throw new Error(`secret ${at} does not open`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length * 0.99)] ?? 0
}
