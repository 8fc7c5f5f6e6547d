import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const module = join(import.meta.dirname, '../../../recorder/broker/ssh/containment.ts')

/** Runs a script in a process of its own, where nothing else catches. */
function run(script: string) {
  const { stdout, status } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { PassThrough } from 'node:stream'
       import { contain, containFaults } from ${JSON.stringify(module)}
       containFaults(() => undefined, () => process.exit(9))
       const mine = new PassThrough(), other = new PassThrough()
       setTimeout(() => { console.log(mine.destroyed, other.destroyed); process.exit(0) }, 200)
       ${script}`,
    ],
    { encoding: 'utf8' },
  )
  return [stdout.trim(), status]
}

test.each([
  ['a timer', "setTimeout(() => { throw new Error('x') }, 1)"],
  ['a promise', "Promise.resolve().then(() => { throw new Error('x') })"],
  ['a callback of the loop', "setImmediate(() => { throw new Error('x') })"],
])('a fault in %s of one connection ends that connection alone', (_what, fault) => {
  expect(run(`contain(other, () => undefined); contain(mine, () => { ${fault} })`)).toEqual(['true false', 0])
})

test('a fault of no connection ends the process, which its parent notices', () => {
  expect(run("setTimeout(() => { throw new Error('x') }, 1)")).toEqual(['', 9])
})
