import { newId } from '../../vault/kernel/id.ts'
import { makeSshKey } from './vault-ssh.ts'

const publicKey = makeSshKey().line

/** Things of others by which a vendor may ask; as long as there are no others, things that nobody has. */
export type Others = {
  readonly user: string
  readonly account: string
  readonly target: string
  readonly safe: string
  readonly company: string
  readonly grant: ReturnType<typeof newId<'grt'>>
  readonly request: ReturnType<typeof newId<'req'>>
  readonly lease: ReturnType<typeof newId<'lse'>>
  readonly wait: ReturnType<typeof newId<'wai'>>
  readonly handOver: ReturnType<typeof newId<'hov'>>
  readonly session: ReturnType<typeof newId<'ses'>>
  readonly recording: ReturnType<typeof newId<'rec'>>
  readonly login: ReturnType<typeof newId<'lgn'>>
  readonly hold: ReturnType<typeof newId<'hld'>>
  readonly key: ReturnType<typeof newId<'key'>>
  readonly breakGlass: ReturnType<typeof newId<'bgl'>>
  readonly offboarding: ReturnType<typeof newId<'off'>>
}
export const nobodys: Others = {
  user: 'mallory',
  account: 'mill-9/engineer',
  target: 'mill-9',
  safe: 'line-9',
  company: 'globex',
  grant: newId('grt'),
  request: newId('req'),
  lease: newId('lse'),
  wait: newId('wai'),
  handOver: newId('hov'),
  session: newId('ses'),
  recording: newId('rec'),
  login: newId('lgn'),
  hold: newId('hld'),
  key: newId('key'),
  breakGlass: newId('bgl'),
  offboarding: newId('off'),
}
const sealed = Buffer.alloc(48).toString('base64')
const credential = { kind: 'password', sealed } as const
const soon = '2099-01-01T00:00:00Z'
const somePasskey = newId('pky')
const someToken = newId('tok')
const document = { version: 1, rules: [] }

export const ldapSettings = {
  kind: 'ldap',
  flavour: 'ldap',
  url: 'ldaps://127.0.0.1:1',
  certificates: '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----',
  base: 'dc=plant',
  userFilter: null,
  bindName: 'cn=tagout,dc=plant',
  wrongPasswords: 3,
} as const

/** What a vendor asks of each verb. `null`: it makes something of its own, and knows nothing of others. */
export const asked: Readonly<Record<string, ((of: Others) => readonly object[]) | null>> = {
  status: () => [{}],
  'vault.seal': () => [{ sessions: 'end' }],
  'seal.list': () => [{}],
  'keys.status': () => [{}],
  'user.add': (of) => [{ name: of.user, roles: ['operator'] }],
  import: (of) => [{ kind: 'users', rows: [{ line: 2, cells: { name: of.user } }], apply: false }],
  'user.list': () => [{}],
  'user.show': (of) => [{ user: 'vera' }, { user: of.user }],
  'user.roles': (of) => [{ user: of.user, roles: ['vendor'] }],
  'user.disable': (of) => [{ user: of.user }],
  'user.enable': (of) => [{ user: of.user }],
  'user.enrol': (of) => [{ user: of.user }],
  'user.key.add': (of) => [{ user: of.user, publicKey: publicKey }],
  'user.key.list': (of) => [{ user: 'vera' }, { user: of.user }],
  'user.key.remove': (of) => [
    { user: of.user, key: of.key },
    { user: 'vera', key: of.key },
  ],
  'user.mail': (of) => [{ user: of.user, address: 'a@b.com' }],
  'user.off': (of) => [{ user: of.user, reason: 'x' }],
  'token.add': () => [{ service: 'x', scopes: ['audit.read'], expiresAt: soon, boxKey: sealed }],
  'token.list': () => [{}],
  'token.revoke': () => [{ token: someToken }],
  'company.add': (of) => [{ name: of.company, contractEndsAt: soon, sponsor: 'sue', mailDomains: ['x.com'] }],
  'company.list': () => [{}],
  'company.show': (of) => [{ company: 'acme' }, { company: of.company }],
  'company.change': (of) => [{ company: of.company, sponsor: 'sue' }],
  'company.invite': (of) => [{ company: of.company, name: 'new', mail: 'a@globex.com' }],
  'company.off': (of) => [{ company: of.company, reason: 'x' }],
  'company.on': (of) => [{ company: of.company }],
  'offboarding.list': () => [{}],
  'offboarding.show': (of) => [{ offboarding: of.offboarding }],
  'terms.show': () => [{}],
  'terms.accept': () => [{ digest: '0'.repeat(64) }],
  'login.who': () => [{}],
  'login.end': null,
  'login.list': () => [{}],
  'user.renewCodes': null,
  'login.revokeAll': (of) => [{ user: of.user }],
  'passkey.challenge': null,
  'passkey.begin': null,
  'passkey.add': null,
  'passkey.list': (of) => [{ user: 'vera' }, { user: of.user }],
  'passkey.remove': (of) => [
    { user: of.user, passkey: somePasskey },
    { user: 'vera', passkey: somePasskey },
  ],
  'login.revoke': (of) => [{ login: of.login }],
  'safe.add': (of) => [{ name: of.safe }],
  'safe.watchNotice': (of) => [{ safe: of.safe, shown: true }],
  'safe.approvals': (of) => [{ safe: of.safe, approvals: 1 }],
  'safe.list': () => [{}],
  'safe.member.set': (of) => [{ safe: of.safe, user: of.user, permissions: ['use'] }],
  'target.add': (of) => [{ name: of.target, safe: of.safe, address: 'ssh://192.0.2.1' }],
  'target.list': () => [{}],
  'target.show': (of) => [{ target: 'press-3' }, { target: of.target }],
  'target.change': (of) => [{ target: of.target, tags: [] }],
  'target.address': (of) => [{ target: of.target, address: 'ssh://192.0.2.1' }],
  'target.scan': (of) => [{ target: of.target }],
  'target.pin': (of) => [{ target: of.target, fingerprint: 'SHA256:x' }],
  'target.legacy': (of) => [{ target: of.target, algorithms: [] }],
  'target.remove': (of) => [{ target: of.target }],
  'account.add': (of) => [{ target: of.target, login: 'new', credential }],
  'account.list': () => [{}],
  'account.show': (of) => [{ account: 'press-3/engineer' }, { account: of.account }],
  'account.secret': (of) => [{ account: of.account, credential }],
  'account.bind': (of) => [{ account: of.account }, { account: 'press-3/engineer', target: of.target }],
  'account.elevation': (of) => [{ account: of.account, elevation: null }],
  'account.remove': (of) => [{ account: of.account }],
  'account.reveal': (of) => [{ account: of.account, boxKey: sealed, totpCode: '000000', reason: 'x' }],
  'exposure.list': (of) => [{}, { account: of.account }, { account: 'press-3/engineer' }],
  'exposure.due': () => [{ exposure: newId('exp'), dueAt: soon }],
  'grant.add': (of) => [{ user: of.user, account: of.account, actions: ['shell'] }],
  'grant.list': (of) => [{}, { user: of.user }, { account: of.account }, { account: 'press-3/engineer' }],
  'grant.revoke': (of) => [{ grant: of.grant }],
  'safe.notifications': (of) => [{ safe: of.safe, sessions: true }],
  'breakglass.open': (of) => [{ account: of.account, reason: 'x' }],
  'breakglass.list': () => [{}, { state: 'all' }],
  'breakglass.review': (of) => [{ breakGlass: of.breakGlass, note: 'x' }],
  'safe.exposure': (of) => [{ safe: of.safe, days: 7 }],
  'company.terms': (of) => [{ company: 'acme' }, { company: of.company }],
  'safe.breakGlass': (of) => [{ safe: of.safe, minutes: null }],
  'notification.status': () => [{}],
  'notification.test': (of) => [{ user: of.user }],
  'notification.testWebhook': () => [{}],
  'notification.open': () => [{ token: 'a'.repeat(43) }],
  'webhook.set': () => [{ url: null }],
  'directory.add': () => [{ name: 'corp', settings: ldapSettings }],
  'directory.list': () => [{}],
  'directory.show': () => [{ directory: 'corp' }],
  'directory.change': () => [{ directory: 'corp', syncMinutes: 0 }],
  'directory.map': () => [
    { directory: 'corp', group: 'cn=ops,dc=plant', roles: ['operator'], policyGroup: null },
  ],
  'directory.remove': () => [{ directory: 'corp', withPeople: true }],
  'directory.sync': () => [{ directory: 'corp' }],
  'directory.test': () => [{ directory: 'corp' }],
  'switch.add': () => [{ name: 'hall-9', safes: ['line-3'], act: 'freeze' }],
  'switch.list': () => [{}],
  'switch.remove': () => [{ switch: 'hall-9' }],
  'policy.show': () => [{}],
  'policy.plan': () => [{ document }],
  'policy.apply': () => [{ document, expected: null }],
  'policy.ask': () => [{ document, expected: 'ab'.repeat(32) }],
  'policy.requests': () => [{}],
  'policy.request': () => [{ request: newId('plr') }],
  'policy.approve': () => [{ request: newId('plr'), means: 'ab'.repeat(32) }],
  'policy.withdraw': () => [{ request: newId('plr') }],
  'policy.explain': (of) => [{ user: of.user, account: of.account }],
  'policy.reach': (of) => [{ user: of.user }],
  'request.add': (of) => [{ account: of.account, actions: ['shell'], forSeconds: 3600, reason: 'x' }],
  'request.extend': (of) => [{ grant: of.grant, until: '2099-01-01T00:00:00Z', reason: 'x' }],
  'request.list': () => [{}, { state: 'all' }],
  'request.show': (of) => [{ request: of.request }],
  'request.withdraw': (of) => [{ request: of.request }],
  'request.decide': (of) => [{ request: of.request, verdict: 'deny', digest: '0'.repeat(64) }],
  'lease.checkOut': (of) => [{ account: of.account, exclusive: false }],
  'lease.checkIn': (of) => [{ lease: of.lease, reason: 'x' }],
  'lease.list': () => [{}],
  'lease.wait': (of) => [{ account: of.account }],
  'lease.leave': (of) => [{ wait: of.wait }],
  'lease.queue': () => [{}],
  'handover.offer': (of) => [{ lease: of.lease, user: of.user }],
  'handover.accept': (of) => [{ handOver: of.handOver, totpCode: '000000' }],
  'handover.end': (of) => [{ handOver: of.handOver }],
  'handover.list': () => [{}],
  'access.list': () => [{}],
  'favourite.set': (of) => [{ account: of.account, favourite: true }],
  'ticket.issue': (of) => [{ account: of.account }],
  'live.open': () => [{}],
  'session.list': () => [{}, { live: true }],
  'session.show': (of) => [{ session: of.session }],
  'session.terminate': (of) => [{ session: of.session }],
  'session.freeze': (of) => [{ session: of.session }],
  'session.unfreeze': (of) => [{ session: of.session }],
  'session.message': (of) => [{ session: of.session, text: 'x' }],
  'session.take': (of) => [{ session: of.session, watch: newId('wch'), totpCode: '123456' }],
  'session.giveBack': (of) => [{ session: of.session }],
  'session.watch': (of) => [{ session: of.session }],
  'hold.list': () => [{}],
  'hold.release': (of) => [{ hold: of.hold }],
  'recording.list': () => [{}],
  'recording.show': (of) => [{ recording: of.recording }],
  'recording.readable': (of) => [{ recording: of.recording }],
  'auditor.lists': () => [{}],
  'auditor.append': () => [{ body: sealed, signature: sealed }],
  'audit.list': () => [{}],
  'audit.find': (of) => [{}, { target: of.target }, { person: of.user }],
  'audit.prove': () => [{ seqs: [0] }],
  'audit.reindex': () => [{}],
  'audit.verify': () => [{}],
  'audit.export': () => [{ from: 0, limit: 10 }],
}
