import { expect, test } from 'vitest'
import { run } from '../bench/live-control.bench.ts'
import { whyNoModbus } from '../support/modbus.ts'
import { whyNoSshd } from '../support/sshd.ts'

const why = whyNoSshd()
if (why !== undefined) console.warn(`freezing at a real target is left out: ${why}`)

test.skipIf(why !== undefined)(
  'over two workers, a freeze and a plant switch hold within a second and a terminate ends within three, measured at the target',
  async () => {
    const [freeze, terminate, plantSwitch] = await run(4)
    expect(freeze?.figure).toBeLessThan(1_000)
    expect(terminate?.figure).toBeLessThan(3_000)
    if (whyNoModbus() === undefined) expect(plantSwitch?.figure).toBeLessThan(1_000)
  },
  120_000,
)
