// node deploy/node24.mjs FILE [ARGUMENT…]: runs FILE under the pinned Node 24.
import { becomePinned } from './pinned-node.mjs'

const [file, ...args] = process.argv.slice(2)
if (file === undefined) {
  console.error('usage: node deploy/node24.mjs FILE [ARGUMENT…]')
  process.exit(2)
}
becomePinned(file, args)
