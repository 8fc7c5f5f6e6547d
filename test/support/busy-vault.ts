import { openVault } from '../../vault/open.ts'
import { writePlaque } from './plaques.ts'
import { aPlaque, somebody, testShapes } from './vault-keys.ts'

/**
 * A vault in a process of its own, to be killed: writes guarded rows, each with its audit entry, and prints the
 * number of each one that has committed. With `once` it writes one and kills itself before it can be sequenced.
 */
const [databaseUrl = '', dataDir = '', first = '0', once] = process.argv.slice(2)

const vault = await openVault({ databaseUrl, dataDir, guarded: testShapes })
const outcome = await vault.unseal({ kind: 'stored-key-file' }, somebody)
if (!outcome.ok) throw new Error(outcome.refusal.message)
await vault.sequenceNow()
let next = Number(first)

async function work(): Promise<void> {
  for (;;) {
    const number = next
    next += 1
    await vault.inTransaction(async (tx) => {
      await writePlaque(tx, aPlaque(`p${number}`, `written ${number}`))
      await tx.audit({
        kind: 'refused',
        actor: somebody,
        verb: 'plaque',
        code: 'invalid',
        why: `plaque ${number};`,
      })
    })
    if (once !== undefined) process.kill(process.pid, 'SIGKILL')
    process.stdout.write(`${number}\n`)
  }
}
await Promise.all(Array.from({ length: once === undefined ? 6 : 1 }, work))
