import type { ImportKind } from '../../vault/contract.ts'
import { importExamples } from '../../vault/import/columns.ts'

export type ExplainedColumn = {
  readonly name: string
  readonly required: boolean
  /** What stands in it, in a few words. */
  readonly text: string
}

/** How a kind of import is spoken of, and what its file holds. */
export type ExplainedKind = {
  readonly title: string
  readonly one: string
  readonly many: string
  readonly columns: readonly ExplainedColumn[]
  readonly note?: string
  readonly example: string
  /** The columns by which a person knows a row again, and those that say more of it. */
  readonly head: (cells: Cells) => string
  readonly rest: (cells: Cells) => string
}

export type Cells = Readonly<Record<string, string>>

const must = (name: string, text: string): ExplainedColumn => ({ name, required: true, text })
const may = (name: string, text: string): ExplainedColumn => ({ name, required: false, text })
const cell = (cells: Cells, name: string) => (Object.hasOwn(cells, name) ? (cells[name] ?? '') : '').trim()
const joined = (parts: readonly string[]) => parts.filter((part) => part !== '').join(', ')

export const explainedKinds: Readonly<Record<ImportKind, ExplainedKind>> = {
  targets: {
    title: 'Import targets',
    one: 'target',
    many: 'targets',
    columns: [
      must('name', 'what people type: press-3'),
      must('safe', 'the safe that it lies in; it must exist'),
      must('address', 'ssh://host or ssh://host:port; rdp://, vnc:// or telnet:// for a desktop'),
      may(
        'pin',
        'the fingerprint of its host key, SHA256:…; without one nobody connects until one is approved',
      ),
      may('tags', 'what rules of the policy may name it by; several with blanks between'),
      may('zone', 'the zone that rules of the policy may name it by'),
      may(
        'security',
        'of RDP: nla (without it), tls where it has no login before the desktop, or rdp as before 2003',
      ),
      may(
        'keyboard',
        'of RDP: the keyboard that the machine expects, as de-de-qwertz; without it en-us-qwerty',
      ),
      may('user_prompt', 'of Telnet: how the line ends on which it asks for a name, as login:'),
      may('password_prompt', 'of Telnet: how the line ends on which it asks for a password, as Password:'),
    ],
    example: importExamples.targets,
    head: (cells) => cell(cells, 'name'),
    rest: (cells) => joined([cell(cells, 'address'), cell(cells, 'safe'), cell(cells, 'pin')]),
  },
  accounts: {
    title: 'Import accounts',
    one: 'account',
    many: 'accounts',
    columns: [
      must('target', 'the machine: press-3'),
      must('login', 'the login name as the machine knows it: engineer'),
      may('password', 'the password of the login; sealed in this browser, never shown'),
      may('safe', 'where the target does not exist yet: the safe that it goes into'),
      may('address', 'where the target does not exist yet: ssh://host or ssh://host:port'),
      may('pin', 'where the target does not exist yet: the fingerprint of its host key'),
    ],
    note: 'A browser cannot read key files. Import accounts with keys by the command: tagout import accounts.csv',
    // Without key_file: a browser cannot read one.
    example: `target,login,password,safe,address,pin
press-3,engineer,a password of press-3,,,
press-9,backup,a password of press-9,line-3,ssh://10.0.3.9,
`,
    head: (cells) => `${cell(cells, 'target')}/${cell(cells, 'login')}`,
    rest: (cells) => joined([cell(cells, 'address'), cell(cells, 'safe'), cell(cells, 'pin')]),
  },
  users: {
    title: 'Import users',
    one: 'user',
    many: 'users',
    columns: [
      must('name', 'what they sign in with: bob'),
      must('roles', 'admin, approver, operator, vendor or auditor; several with blanks between them'),
    ],
    example: importExamples.users,
    head: (cells) => cell(cells, 'name'),
    rest: (cells) => cell(cells, 'roles'),
  },
  grants: {
    title: 'Import grants',
    one: 'grant',
    many: 'grants',
    columns: [
      must('user', 'who is let in: bob'),
      must('account', 'to what: press-3/engineer'),
      must(
        'actions',
        'shell, exec, sftp-read, sftp-write, elevate; for a desktop observe, interact, type-in, clipboard-in, clipboard-out; several with blanks between them',
      ),
      may('not_before', 'when it begins: 2026-12-01T06:00:00Z; without it at once'),
      may('not_after', 'when it ends; without it after the usual time'),
      may('mode', 'shared (without it) or exclusive: one user at a time'),
      may('reason', 'work order, or what it is for'),
    ],
    example: importExamples.grants,
    head: (cells) => joined([`${cell(cells, 'user')} on ${cell(cells, 'account')}`]),
    rest: (cells) =>
      joined([
        cell(cells, 'actions'),
        cell(cells, 'not_before') === '' ? '' : `from ${cell(cells, 'not_before')}`,
        cell(cells, 'not_after') === '' ? '' : `until ${cell(cells, 'not_after')}`,
        cell(cells, 'mode'),
        cell(cells, 'reason'),
      ]),
  },
}
