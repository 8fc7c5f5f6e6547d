import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Finding } from './examine.ts'

/** Says loudly that a demo plant is in the installation. Nothing where there is none. */
export function examineDemo(dataDir: string): readonly Finding[] {
  const folder = join(dataDir, 'demo')
  if (!existsSync(folder)) return []
  return [
    {
      name: 'demo plant',
      level: 'wrong',
      text: `a demo plant is in this installation: passwords, codes and an auditor's key of its people lie in ${folder}`,
      next: 'bring nothing real into it; take it away before real use: tagout demo remove',
    },
  ]
}
