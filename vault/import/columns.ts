import type { ImportKind } from '../contract.ts'
import type { CsvColumns } from '../kernel/csv.ts'

/** The columns of a file of each kind. Runs in browsers too. */
export const importColumns: Readonly<Record<ImportKind, CsvColumns>> = {
  targets: {
    known: [
      ...['name', 'safe', 'address', 'pin', 'tags', 'zone'],
      ...['security', 'keyboard', 'user_prompt', 'password_prompt'],
    ],
    required: ['name', 'safe', 'address'],
  },
  accounts: {
    known: ['target', 'login', 'password', 'key_file', 'safe', 'address', 'pin'],
    required: ['target', 'login'],
  },
  users: { known: ['name', 'roles'], required: ['name', 'roles'] },
  grants: {
    known: ['user', 'account', 'actions', 'not_before', 'not_after', 'mode', 'reason'],
    required: ['user', 'account', 'actions'],
  },
}

/** Columns that hold secrets or say where they lie: sealed where the file is, and never sent as cells. */
export const sealedColumns: readonly string[] = ['password', 'key_file']

/** A file of each kind to begin with. */
export const importExamples: Readonly<Record<ImportKind, string>> = {
  targets: `name,safe,address,pin,tags,zone,security,keyboard,user_prompt,password_prompt
press-3,line-3,ssh://10.0.3.7,SHA256:4cmUYq9l3KkH5GQ2nq1CqfMZ0e7qjzJr8oP0TgJmXw8,press critical,level-2,,,,
press-4,line-3,ssh://10.0.3.8:2222,,press,level-2,,,,
scada-1,line-3,rdp://10.0.3.9,,,level-2,nla,de-de-qwertz,,
plc-7,line-3,telnet://10.0.3.10,,,level-1,,,login:,Password:
`,
  accounts: `target,login,password,key_file,safe,address,pin
press-3,engineer,a password of press-3,,,,
press-9,backup,,press-9.key,line-3,ssh://10.0.3.9,
`,
  users: `name,roles
bob,operator
alice,operator approver
`,
  grants: `user,account,actions,not_before,not_after,mode,reason
bob,press-3/engineer,shell sftp-read,,2026-12-24T18:00:00Z,exclusive,order 4711
`,
}

/** The kinds of which a file with these columns can be. */
export function kindsThatFit(columns: readonly string[]): readonly ImportKind[] {
  // Not the contract's list: the console would carry the whole contract with it.
  return (Object.keys(importColumns) as ImportKind[]).filter((kind) => {
    const { known, required } = importColumns[kind]
    return columns.every((name) => known.includes(name)) && required.every((name) => columns.includes(name))
  })
}

/** The kind of which most of these columns are and the fewest are missing; undefined where none is of any. */
export function nearestKind(columns: readonly string[]): ImportKind | undefined {
  const scored = (Object.keys(importColumns) as ImportKind[]).map((kind) => {
    const { known, required } = importColumns[kind]
    const hits = columns.filter((name) => known.includes(name)).length
    return { kind, hits, score: 2 * hits - required.filter((name) => !columns.includes(name)).length }
  })
  const [best] = scored.filter(({ hits }) => hits > 0).sort((one, other) => other.score - one.score)
  return best?.kind
}
