import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Import, importsOf, sourcesUnder } from './imports.ts'

/** A rule of ARCHITECTURE.md that a file breaks. */
export type Breach = { readonly file: string; readonly line: number; readonly why: string }

/** Ways into a plane from outside. `kernel` and the verbs are shared by all; the rest by those named. */
const vaultEntries = [
  'vault/index.ts',
  'vault/contract.ts',
  'vault/plane.ts',
  'vault/intake.ts',
  'vault/import/columns.ts',
]
/** Mathematics without a plane around it: browsers, the recorder and the command-line program run it as well. */
const isShared = (target: string) =>
  ['vault/kernel/', 'vault/auditors/', 'vault/proof/'].some((folder) => target.startsWith(folder))
/** Connects to targets: the recorder and the worker of rotation do, and the process with the root key never. */
const speaks = (target: string) =>
  ['vault/ssh/', 'vault/tls/', 'vault/telnet/'].some((folder) => target.startsWith(folder))
const recorderEntries = [
  'recorder/index.ts',
  'recorder/replay/index.ts',
  'recorder/evidence/index.ts',
  'recorder/recording/index.ts',
]

type Rule = {
  readonly folder: string
  /** May import a file of ours of this path (in its own folder it always may). */
  readonly mayImport: (target: string) => boolean
  readonly says: string
}

const inKernel = (target: string) => target.startsWith('vault/kernel/')
const entersVault = (target: string) => isShared(target) || vaultEntries.includes(target)

/** What of the vault's folder runs in a process without keys, and may speak with targets. */
const maySpeak = [
  'vault/ssh/',
  'vault/tls/',
  'vault/telnet/',
  'vault/rotation/connectors/',
  'vault/rotation/worker/',
]
const whoSpeaks =
  'the process with the root key speaks with no target: vault/ssh, vault/tls and vault/telnet are for rotation’s worker'

/** From the narrowest folder to the widest: the first that fits a file is its rule. */
const rules: readonly Rule[] = [
  { folder: 'vault/kernel', mayImport: () => false, says: 'vault/kernel imports nothing of ours' },
  { folder: 'vault', mayImport: () => false, says: 'the vault imports only the vault' },
  {
    folder: 'recorder',
    mayImport: (target) => entersVault(target) || speaks(target),
    says: `the recorder enters the vault by vault/kernel, vault/auditors, vault/proof, vault/ssh, vault/tls, vault/telnet, ${vaultEntries.join(', ')}`,
  },
  {
    folder: 'api',
    mayImport: (target) => entersVault(target) || recorderEntries.includes(target),
    says: 'the api enters the vault and the recorder by their index.ts and the contract',
  },
  {
    folder: 'web',
    mayImport: (target) =>
      isShared(target) ||
      [
        'vault/contract.ts',
        // Words alone: what checks shapes would come along with the rest of the contract.
        'vault/contract/words.ts',
        'vault/intake.ts',
        'vault/import/columns.ts',
        'vault/audit/found-file.ts',
        'vault/audit/describe.ts',
        'vault/audit/entry.ts',
        'vault/policy/file.ts',
        'vault/policy/difference.ts',
        'vault/policy/conditions.ts',
      ].includes(target) ||
      target === 'recorder/live/protocol.ts' ||
      target.startsWith('recorder/replay/') ||
      target.startsWith('recorder/evidence/'),
    says: 'the console imports only what browsers run too: vault/kernel, vault/auditors, vault/proof, vault/contract.ts, vault/contract/words.ts, vault/intake.ts, vault/import/columns.ts, vault/audit/found-file.ts and describe.ts, vault/policy/file.ts, difference.ts and conditions.ts, recorder/replay, recorder/evidence, recorder/live/protocol.ts',
  },
  { folder: 'migrations', mayImport: inKernel, says: 'migrations import only vault/kernel' },
  {
    folder: 'deploy',
    mayImport: (target) => !target.startsWith('test/') && !target.startsWith('web/'),
    says: 'deploy imports nothing of test/ or web/',
  },
]

/** Finds where the code goes against the one direction: deploy → api → recorder → vault → vault/kernel. */
export function breachesOfDirection(root: string): readonly Breach[] {
  const folders = ['vault', 'recorder', 'api', 'web', 'migrations', 'deploy']
  const imports = sourcesUnder(root, folders).flatMap((file) => importsOf(root, file))
  return [
    ...imports.flatMap((entry) => directionOf(entry) ?? []),
    ...breachesInBrowser(root, imports),
    ...imports
      .filter((entry) => entry.ours && entry.target.endsWith('.ts') && !existsSync(join(root, entry.target)))
      .map(({ file, line, target }) => ({ file, line, why: `${target} does not exist` })),
  ]
}

function directionOf({ file, line, target, ours }: Import): Breach | undefined {
  if (!ours) return undefined
  if (speaks(target) && file.startsWith('vault/') && !maySpeak.some((part) => file.startsWith(part)))
    return { file, line, why: `imports ${target}, but ${whoSpeaks}` }
  const rule = rules.find(({ folder }) => file.startsWith(`${folder}/`))
  if (rule === undefined || target.startsWith(`${rule.folder}/`) || rule.mayImport(target)) return undefined
  return { file, line, why: `imports ${target}, but ${rule.says}` }
}

/** What the console reaches runs in browsers: it may touch no module of Node. */
function breachesInBrowser(root: string, imports: readonly Import[]): readonly Breach[] {
  const byFile = Map.groupBy(imports, (entry) => entry.file)
  const reached = new Set(sourcesUnder(root, ['web']).filter((file) => !file.endsWith('vite.config.ts')))
  const breaches: Breach[] = []
  for (const file of reached)
    for (const entry of byFile.get(file) ?? []) {
      if (entry.typeOnly) continue
      if (entry.target.startsWith('node:'))
        breaches.push({
          file,
          line: entry.line,
          why: `imports ${entry.target}, but the console reaches this file`,
        })
      else if (entry.ours && byFile.has(entry.target)) reached.add(entry.target)
    }
  return breaches
}
