import { expect, test } from 'vitest'
import { describe } from '../../../../vault/audit/describe.ts'
import { type Entry, entryBytes, maxEntryBytes } from '../../../../vault/audit/entry.ts'
import { Fault } from '../../../../vault/kernel/fault.ts'

const at = '2026-11-24T07:00:00.000Z'
const refused = (why: string, source?: string): Entry => ({
  kind: 'refused',
  actor: { kind: 'local', uid: 1000 },
  verb: 'grant.add',
  code: 'forbidden',
  why,
  at,
  ...(source === undefined ? {} : { source }),
})

test('an entry has one form in bytes, whatever the order of its members', () => {
  const { why, kind, ...rest } = refused('no') as Extract<Entry, { kind: 'refused' }>
  const one = Buffer.from(entryBytes({ why, ...rest, kind })).toString()
  expect(one).toBe(
    '{"actor":{"kind":"local","uid":1000},"at":"2026-11-24T07:00:00.000Z","code":"forbidden","kind":"refused","verb":"grant.add","why":"no"}',
  )
  expect(Buffer.from(entryBytes(refused('no'))).toString()).toBe(one)
})

test('text that is no Unicode is made so, and an entry without bounds is refused', () => {
  expect(JSON.parse(Buffer.from(entryBytes(refused('a\ud800b'))).toString()).why).toBe('a\ufffdb')
  expect(() => entryBytes(refused('x'.repeat(maxEntryBytes)))).toThrow(Fault)
})

test('a line for people holds nothing that a terminal obeys', () => {
  const line = describe(refused('\u001b[2J\r\n\u202egnp.exe', '10.0.0.1\u0007'))
  // biome-ignore lint: control characters are the point
  expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
  expect(line).toContain('was refused grant.add (forbidden)')
  expect(line).toContain('local:1000')
})

const eve = { kind: 'user', id: 'usr_01890000000070008000000000000001', name: 'eve' } as const
const admin = { kind: 'local', uid: 0 } as const
const account = { account: 'acc_01890000000070008000000000000001', accountName: 'press-3/engineer' } as const
const session = {
  session: 'ses_01890000000070008000000000000001',
  recording: 'rec_01890000000070008000000000000001',
  accountName: 'press-3/engineer',
} as const
const grant = {
  kind: 'grant.added',
  grant: 'grt_01890000000070008000000000000001',
  user: eve.id,
  actions: ['shell'],
  notBefore: at,
  notAfter: at,
  maxSessionSeconds: 60,
  mode: 'shared',
  reason: '',
} as const
const refusal = { kind: 'session.refused', userName: 'eve', code: 'forbidden', why: 'no grant' } as const
const sentence = (entry: unknown) => describe({ at, ...(entry as object) } as Entry)

test.each([
  [
    { ...refusal, target: 'press-3', account: 'strtgt', actor: eve },
    'eve was refused a session on press-3/strtgt (forbidden): no grant',
  ],
  [
    { ...refusal, target: 'press-3', account: '', actor: eve },
    'eve was refused a session on press-3 (forbidden): no grant',
  ],
  [
    { ...refusal, target: 'the press', account: 'x', actor: eve },
    'eve was refused a session on "the press/x" (forbidden): no grant',
  ],
  [
    { kind: 'login.started', user: eve.id, name: 'eve', via: 'password', actor: eve },
    'eve logged in by password',
  ],
  [
    { kind: 'login.refused', name: 'bob', via: 'password', why: 'no', actor: { kind: 'nobody' } },
    'somebody was refused a login as bob by password: no',
  ],
  [
    { kind: 'session.opened', ...session, userName: 'eve', endsAt: at, actor: eve },
    `eve opened session ${session.session} on press-3/engineer, until ${at}`,
  ],
  [
    { kind: 'session.terminated', ...session, userName: 'eve', reason: '', actor: admin },
    `the gateway’s administrator (local:0) terminated session ${session.session} of eve on press-3/engineer`,
  ],
  [
    {
      kind: 'session.terminated',
      ...session,
      userName: 'eve',
      reason: 'stop\x1b[2J',
      holdUntil: at,
      actor: admin,
    },
    `the gateway’s administrator (local:0) terminated session ${session.session} of eve on press-3/engineer, held off until ${at}: "stop\\u001b[2J"`,
  ],
  [
    { kind: 'session.frozen', ...session, userName: 'eve', reason: 'wrong valve', actor: admin },
    `the gateway’s administrator (local:0) froze session ${session.session} of eve on press-3/engineer: "wrong valve"`,
  ],
  [
    {
      kind: 'session.taken',
      ...session,
      userName: 'eve',
      watch: 'wch_00000000000000000000000001' as never,
      reason: 'slip',
      actor: admin,
    },
    `the gateway’s administrator (local:0) took over session ${session.session} of eve on press-3/engineer: "slip"`,
  ],
  [
    { kind: 'session.messaged', ...session, userName: 'eve', text: 'hi', actor: admin },
    `the gateway’s administrator (local:0) wrote to session ${session.session} of eve on press-3/engineer: "hi"`,
  ],
  [
    { ...grant, ...account, userName: 'eve', actor: admin },
    `the gateway’s administrator (local:0) granted eve shell on press-3/engineer from ${at} to ${at} (shared)`,
  ],
  [
    { ...grant, ...account, userName: 'eve', actor: eve },
    `eve granted themself shell on press-3/engineer from ${at} to ${at} (shared)`,
  ],
  [
    {
      kind: 'lease.taken',
      ...account,
      lease: 'lse_1',
      exclusive: true,
      explicit: false,
      userName: 'eve',
      actor: eve,
    },
    'eve checked out press-3/engineer exclusively',
  ],
  [
    {
      kind: 'target.pinned',
      type: '',
      fingerprint: 'SHA256:x',
      target: 'tgt_1',
      targetName: 'press-3',
      actor: admin,
    },
    'the gateway’s administrator (local:0) pinned the key SHA256:x of target press-3',
  ],
  [
    {
      kind: 'target.pinned',
      type: 'ssh-ed25519',
      fingerprint: 'SHA256:x',
      target: 'tgt_1',
      targetName: 'press-3',
      actor: admin,
    },
    'the gateway’s administrator (local:0) pinned the ssh-ed25519 key SHA256:x of target press-3',
  ],
  [
    {
      kind: 'keys.rotation-started',
      what: 'safe',
      safeName: 'line-3',
      version: 2,
      total: 1,
      actor: admin,
    },
    'the gateway’s administrator (local:0) began to exchange the key of safe line-3, version 2: 1 key to wrap anew',
  ],
  [
    { kind: 'keys.rotation-rehearsed', what: 'safe', safeName: 'line-3', total: 1, actor: admin },
    'the gateway’s administrator (local:0) rehearsed exchanging the key of safe line-3: 1 key would be wrapped anew',
  ],
  [
    {
      kind: 'keys.rotation-finished',
      what: 'root',
      safeName: '',
      version: 3,
      total: 0,
      actor: { kind: 'plane', plane: 'vault' },
    },
    'vault exchanged the root key, version 3: 0 keys wrapped anew, the old one is gone',
  ],
])('a sentence of the audit log names who did it once: %#', (entry, said) => {
  expect(sentence(entry)).toBe(said)
})

test('a user with the name of a plane is not taken for it', () => {
  const vault = { ...eve, name: 'Vault' }
  expect(sentence({ kind: 'user.disabled', user: eve.id, name: 'eve', actor: vault })).toBe(
    'user:Vault disabled user eve',
  )
})
