import { examineBinding } from '../setup/binding.ts'
import { findPostgresPackage } from '../supervisor/postgres-programs.ts'
import type { Finding } from './examine.ts'

/** Node, ssh2's native binding, PostgreSQL's programs. */
export function examineProgram(): readonly Finding[] {
  const findings: Finding[] = []
  const line = Number(process.versions.node.split('.')[0])
  findings.push(
    line === 24
      ? { name: 'node', level: 'fine', text: `Node ${process.versions.node} runs` }
      : {
          name: 'node',
          level: 'wrong',
          text: `Node ${process.versions.node} runs, which is not the line this was made for`,
          next: 'start by npm start, which uses the pinned Node 24',
        },
  )
  const binding = examineBinding()
  findings.push(
    binding.kind === 'native'
      ? { name: 'ssh2', level: 'fine', text: 'ssh2 runs with its native binding' }
      : {
          name: 'ssh2',
          level: 'note',
          text:
            binding.kind === 'missing'
              ? 'ssh2 runs without its native binding: files and output move far slower'
              : `ssh2's native binding does not load (${binding.why}): files and output move far slower`,
          next: 'apt-get install g++ make python3, then npm run setup',
        },
  )
  const postgres = findPostgresPackage()
  if (postgres !== undefined)
    findings.push({ name: 'postgres', level: 'fine', text: `PostgreSQL ${postgres.version} is installed` })
  else if (process.env['DATABASE_URL'] === undefined)
    findings.push({
      name: 'postgres',
      level: 'wrong',
      text: 'there is no embedded PostgreSQL for this platform',
      next: 'set DATABASE_URL to a PostgreSQL server of yours',
    })
  return findings
}
