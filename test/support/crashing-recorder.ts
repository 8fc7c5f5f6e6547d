import { readFileSync } from 'node:fs'
import { openRecording } from '../../recorder/recording/index.ts'
import { openStore } from '../../recorder/store/index.ts'
import { somePermit, valueOf } from './recordings.ts'

/**
 * A process that records numbered lines until it is killed, and says on its standard output what it has been allowed
 * to relay, and when. Arguments: the store's folder, a file with the auditor lists, milliseconds between lines.
 */
const [folder = '', lists = '', pause = '5'] = process.argv.slice(2)
const store = await openStore({ folder, floorBytes: 0, reserveBytes: 0 })
const auditorLists = JSON.parse(readFileSync(lists, 'utf8'))
const chain = valueOf(await store.acceptLists(auditorLists))
const permit = { ...somePermit(), auditorLists }
const writer = await openRecording({ store, permit, chain, node: 'node-1', worker: 'worker-1' })
console.log(
  JSON.stringify({
    recording: permit.recording,
    publicKey: Buffer.from(writer.publicKey).toString('base64'),
  }),
)
void writer.append({ kind: 'mark', channel: 0, mark: { kind: 'open', type: 'shell', columns: 80, rows: 24 } })
for (let line = 0; ; line += 1) {
  const wait = writer.append({ kind: 'output', channel: 0, bytes: Buffer.from(`line ${line}\r\n`) })
  if (wait !== undefined) await wait
  console.log(JSON.stringify({ line, at: Date.now() }))
  await new Promise((resolve) => setTimeout(resolve, Number(pause)))
}
