import { readdirSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import type { Row } from './row.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    secrets: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
})
const suites = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => file.slice(0, -'.bench.ts'.length))

if (values.help) {
  console.log(
    `npm run bench -- [--json] [--secrets COUNT] [SUITE …]

Suites: ${suites.join(', ')}. Without a name, all of them.
--secrets: how many lie in the safe whose key the suite keys exchanges (100000; 1000000 takes ten minutes and more).`,
  )
  process.exit(0)
}
if (values.secrets !== undefined) {
  if (!/^[1-9]\d{2,6}$/.test(values.secrets)) {
    console.error('--secrets takes a number from 100 to 9999999')
    process.exit(2)
  }
  process.env['TAGOUT_BENCH_SECRETS'] = values.secrets
}
const unknown = positionals.filter((name) => !suites.includes(name))
if (unknown.length > 0) {
  console.error(`there is no suite ${unknown.join(', ')}; there are ${suites.join(', ')}`)
  process.exit(2)
}

console.error(
  `${new Date().toISOString()}  ${cpus().length} × ${cpus()[0]?.model ?? 'cpu'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
)
const all: (Row & { suite: string })[] = []
let failed = false
for (const suite of suites.filter((name) => positionals.length === 0 || positionals.includes(name))) {
  console.error(`\n${suite} …`)
  try {
    const module: { run: () => Promise<readonly Row[]> } = await import(`./${suite}.bench.ts`)
    for (const row of await module.run()) {
      all.push({ suite, ...row })
      if (!values.json) print(row)
    }
  } catch (error) {
    failed = true
    console.error(`${suite} could not be measured:`, error)
  }
}
if (values.json) console.log(JSON.stringify(all, null, 2))
process.exit(failed ? 1 : 0)

function print(row: Row): void {
  const figure = `${row.figure >= 100 ? Math.round(row.figure) : Number(row.figure.toPrecision(3))} ${row.unit}`
  console.log(
    `  ${row.what.padEnd(62)} ${figure.padStart(16)}   reach: ${row.reach}${row.peer ? `   beside: ${row.peer}` : ''}`,
  )
}
