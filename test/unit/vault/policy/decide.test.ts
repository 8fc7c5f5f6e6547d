import { expect, test } from 'vitest'
import {
  type Role,
  type ServiceScope,
  serviceScopes,
  type VerbName,
  verbs,
} from '../../../../vault/contract.ts'
import type { LoginId, TokenId, UserId } from '../../../../vault/kernel/id.ts'
import { decide } from '../../../../vault/policy/decide.ts'
import { noRelation, type Principal, type Relation } from '../../../../vault/policy/facts.ts'
import { rules } from '../../../../vault/policy/rules.ts'

const names = Object.keys(verbs) as VerbName[]

function user(roles: readonly Role[], login: 'console' | 'replay' = 'console'): Principal {
  return {
    kind: 'user',
    id: 'usr_00000000000000000000000001' as UserId,
    name: 'somebody',
    roles,
    login: { id: 'lgn_00000000000000000000000001' as LoginId, kind: login },
  }
}

const local: Principal = { kind: 'local', uid: 0 }
const related = (relation: Partial<Relation>): Relation => ({ ...noRelation, ...relation })

/** Everybody who can ask, by a letter of the table below. */
const askers: Readonly<Record<string, readonly [Principal, Relation]>> = {
  L: [local, noRelation], // the machine's administrator
  N: [{ kind: 'anyone' }, noRelation], // nobody
  R: [{ kind: 'recorder' }, noRelation],
  T: [{ kind: 'rotation' }, noRelation], // the worker that changes credentials
  A: [user(['admin']), noRelation],
  a: [user(['admin']), related({ own: true })],
  P: [user(['approver']), noRelation],
  p: [user(['approver']), related({ permissions: ['approve'] })],
  O: [user(['operator']), noRelation],
  o: [user(['operator']), related({ own: true })],
  g: [user(['operator']), related({ granted: true })],
  m: [user(['operator']), related({ permissions: ['manage'] })],
  v: [user(['operator']), related({ permissions: ['reveal'] })],
  u: [user(['operator']), related({ permissions: ['use'] })],
  b: [user(['operator']), related({ permissions: ['break-glass'] })],
  S: [user(['supervisor']), noRelation],
  s: [user(['supervisor']), related({ permissions: ['supervise'] })],
  t: [user(['operator']), related({ permissions: ['supervise'] })], // supervisor no more: the permission sleeps
  e: [user(['observer']), related({ permissions: ['observe'] })],
  E: [
    user(['observer']),
    related({
      granted: true,
      permissions: ['use', 'reveal', 'approve', 'supervise', 'observe', 'manage', 'replay', 'break-glass'],
    }),
  ], // rows that should not exist let an observer watch and no more
  F: [user(['security-officer']), noRelation],
  G: [
    user(['security-officer']),
    related({
      granted: true,
      ruled: ['reveal', 'watch'],
      permissions: ['use', 'reveal', 'approve', 'supervise', 'observe', 'manage', 'replay', 'break-glass'],
    }),
  ], // nor do they give a security officer anything
  r: [user(['operator']), related({ ruled: ['reveal', 'watch'] })],
  V: [user(['vendor']), noRelation],
  W: [
    user(['vendor']),
    related({
      permissions: ['use', 'reveal', 'approve', 'supervise', 'observe', 'manage', 'replay'],
      ruled: ['watch'],
    }),
  ], // rows that should not exist
  U: [user(['auditor']), noRelation],
  X: [
    user(['auditor']),
    related({
      own: false,
      granted: true,
      ruled: ['reveal', 'watch'],
      permissions: ['use', 'reveal', 'approve', 'supervise', 'observe', 'manage', 'replay', 'break-glass'],
    }),
  ], // rows that should not exist give an auditor nothing
  Y: [user(['auditor'], 'replay'), noRelation], // proven by key: may only replay
  Z: [user(['admin'], 'replay'), related({ own: true, permissions: ['reveal'], granted: true })],
}

const everybody = 'AaPpOogmvubrSsteEFGVWUX'

/** Who may ask what, reviewed by people. `*` stands for everybody signed in at the console. */
const table: Readonly<Record<VerbName, string>> = {
  status: 'LNR*YZ',
  'vault.initialise': '', // of an open vault: nobody
  'vault.unseal': '',
  'vault.seal': 'LAa',
  'seal.list': 'LAaUXFG',
  'seal.add': 'L',
  'seal.remove': 'L',
  'seal.rehearse': 'L',
  'seal.renewRecovery': 'L',
  'seal.confirm': 'L',
  'custody.prepare': 'L',
  'custody.share': 'L',
  'custody.forget': 'L',
  'kit.list': 'LAaUXFG',
  'kit.prepare': 'L',
  'kit.confirm': 'Aa',
  'kit.end': 'LAa',
  'kit.write': 'LAa',
  'kit.report': 'LAaFG',
  'keys.rotate': 'L',
  'keys.status': 'LAaUXFG',
  'user.add': 'LAa',
  import: 'LAa',
  'user.list': 'LAaPpUXFG',
  'user.show': 'LAaoUXFG',
  'user.roles': 'LA',
  'user.disable': 'LA',
  'user.enable': 'LA',
  'user.enrol': 'LA',
  'user.samePerson': 'LA',
  'user.mail': 'LAao',
  'user.renewCodes': '*',
  'user.key.add': 'LAao',
  'user.key.list': 'LAaoUXFG',
  'user.key.remove': 'LAao',
  'user.off': 'LA',
  'token.add': 'LAa',
  'token.list': 'LAaUXFG',
  'token.revoke': 'LAa',
  'company.add': 'LAa',
  'company.list': 'L*',
  'company.show': 'LAaoUXFG',
  'company.terms': 'LAaoUXFG',
  'company.change': 'LAa',
  'company.invite': 'LAa',
  'company.off': 'LAao',
  'company.on': 'LAa',
  'offboarding.list': 'LAaUXFG',
  'offboarding.show': 'LAaoUXFG',
  'terms.show': '*',
  'terms.accept': '*',
  'enrolment.begin': 'N',
  'enrolment.finish': 'N',
  'login.start': 'N',
  'login.providers': 'N',
  'login.leave': 'N',
  'login.return': 'N',
  'login.finish': 'N',
  'login.stepUp': '*',
  'login.stepUpReturn': '*',
  'login.confirm': '*',
  'login.challenge': 'N',
  'login.passkey': 'N',
  'passkey.challenge': '*',
  'passkey.begin': '*',
  'passkey.add': '*',
  'passkey.list': 'LAaoUXFG',
  'passkey.remove': 'LAao',
  'login.who': '*YZ',
  'login.end': '*YZ',
  'login.list': 'L*',
  'login.revoke': 'LAao',
  'login.revokeAll': 'LAao',
  'login.local': 'L',
  'safe.add': 'LAa',
  'safe.watchNotice': 'LAa',
  'safe.closeOut': 'LAa',
  'safe.approvals': 'LAa',
  'safe.notifications': 'LAa',
  'safe.breakGlass': 'LAa',
  'safe.exposure': 'LAa',
  'safe.list': 'L*',
  'safe.member.set': 'LAa',
  'target.add': 'LAam',
  'target.list': 'L*',
  'target.show': 'LAapgmUXFG',
  'target.change': 'LAa',
  'target.address': 'LAam',
  'target.scan': 'LAam',
  'target.pin': 'LAam',
  'target.legacy': 'LAam',
  'target.mask': 'LAa',
  'target.remove': 'LAam',
  'account.add': 'LAam',
  'account.list': 'L*',
  'account.show': 'LAapgmUXFG',
  'account.secret': 'LAam',
  'account.elevation': 'LAam',
  'account.type-ins': 'LAam',
  'account.files': 'LAam',
  'account.bind': 'LAam',
  'account.remove': 'LAam',
  'account.reveal': 'vrW',
  'rotation.connectors': 'L*',
  'rotation.recipes': 'L*',
  'rotation.recipe.show': 'L*',
  'rotation.recipe.add': 'LAa',
  'rotation.recipe.remove': 'LAa',
  'rotation.accounts': 'L*',
  'rotation.findings': 'L*',
  'rotation.settings': 'LAapmUXFG',
  'rotation.set': 'LAam',
  'rotation.plan': 'LAam',
  'rotation.start': 'LAam',
  'rotation.batch': 'L*', // of each account, the verb looks
  'rotation.verify': 'LAam',
  'rotation.leak': 'LAamFG',
  'rotation.ledger': 'LAapmUXFG',
  'rotation.calendar': 'L*',
  'rotation.list': 'L*',
  'rotation.show': 'LAapmUXFG',
  'rotation.cancel': 'LAam',
  'rotation.retry': 'LAam',
  'rotation.hold': 'LAapms',
  'rotation.unhold': 'LAapms',
  'rotation.holds': 'L*',
  'rotation.limit': 'LAa',
  'rotation.limits': 'L*',
  'rotation.due': 'T',
  'rotation.step': 'T',
  'rotation.sign': 'T',
  'rotation.report': 'T',
  'exposure.list': 'LAamUXFG',
  'exposure.due': 'LAam',
  'task.list': 'L*',
  'task.take': 'muW', // nobody from outside: the verb looks
  'task.approve': 'Ap',
  'task.reveal': 'ao',
  'task.make': 'muW',
  'task.sign': 'Ap',
  'task.release': 'LAamo',
  'task.drop': 'LAam',
  'task.postpone': 'LAam',
  'grant.add': 'LAap',
  'grant.list': 'L*',
  'grant.revoke': 'LAapo',
  'directory.add': 'LAa',
  'directory.list': 'LAaUXFG',
  'directory.show': 'LAaUXFG',
  'directory.change': 'LAa',
  'directory.map': 'LAa',
  'directory.remove': 'LAa',
  'directory.sync': 'LAa',
  'directory.test': 'LAa',
  'switch.add': 'LAa',
  'switch.list': 'LAaPpUXSsFG',
  'switch.key': 'L',
  'switch.change': 'LAa',
  'switch.test': 'LAa',
  'switch.remove': 'LAa',
  'switch.call': 'N',
  'switch.inputs': 'N',
  'switch.tests': 'N',
  'switch.tested': 'N',
  'switch.sense': 'N',
  'policy.show': 'LAaUXFG',
  'policy.plan': 'LAa',
  'policy.apply': 'LAa',
  'policy.ask': 'LAa',
  'policy.requests': 'LAaUXFG',
  'policy.request': 'LAaUXFG',
  'policy.approve': 'Aa',
  'policy.withdraw': 'LAa',
  'policy.explain': 'LAaUXFG',
  'policy.reach': 'LAaUXFG',
  'request.add': 'guW',
  'request.extend': 'ao',
  'request.list': 'L*',
  'request.show': 'LAapoUXFG',
  'request.withdraw': 'ao',
  'request.decide': 'Ap',
  'breakglass.open': 'b',
  'breakglass.list': 'L*',
  'breakglass.review': 'ApUXFG',
  'notification.status': 'LAa',
  'notification.test': 'LAa',
  'notification.testWebhook': 'LAa',
  'notification.open': '*',
  'webhook.set': 'LAa',
  'notification.take': 'N',
  'notification.done': 'N',
  'siem.list': 'LAaFGUX',
  'siem.add': 'LAa',
  'siem.remove': 'LAa',
  'siem.take': 'N',
  'siem.done': 'N',
  'lease.checkOut': 'g',
  'lease.checkIn': 'LAapo',
  'lease.list': 'L*',
  'lease.wait': 'g',
  'lease.leave': 'LAapo',
  'lease.queue': 'L*',
  'handover.offer': 'ao',
  'handover.accept': 'ao',
  'handover.end': 'ao',
  'handover.list': 'L*',
  'access.list': '*',
  'favourite.set': 'g',
  'ticket.issue': 'g',
  'live.open': '*',
  'closeout.list': 'L*',
  'closeout.show': 'LAapsoUFGXYZ',
  'closeout.fill': 'ao',
  'session.list': 'L*',
  'session.show': 'LAapoUXYZseEFG',
  'session.terminate': 'LAaposFG',
  'session.freeze': 'LAps',
  'session.unfreeze': 'LAps',
  'session.message': 'LAps',
  'session.take': 's',
  'session.giveBack': 's',
  'session.watch': 'ApseEr',
  'watch.end': 'R',
  'hold.list': 'L*',
  'hold.release': 'LAps',
  'recording.list': 'L*YZ',
  'recording.show': 'LAapoUXYZFG',
  'recording.readable': 'UXY',
  'recording.search': 'UXY',
  'evidence.gather': 'UXY',
  'evidence.sign': 'UXY',
  'recording.find': 'L*YZ',
  'recording.notes': 'UXY',
  'recording.note': 'UXY',
  'recording.review': 'UXY',
  'campaign.list': 'L*',
  'campaign.show': 'L*',
  'campaign.start': 'LAaFG',
  'campaign.decide': '*',
  'campaign.close': 'AaFGUX',
  'dashboard.show': 'LAaFGUX',
  'report.list': 'LAaFGUX',
  'report.make': 'LAaFGUX',
  'risk.list': 'LAaFGUX',
  'risk.review': 'FGUX',
  'risk.settings': 'LAaFGUX',
  'risk.set': 'LAa',
  'destruction.due': 'LAaUXFG',
  'destruction.ask': 'AaUX',
  'destruction.list': 'LAaUXFG',
  'destruction.approve': 'AaUX',
  'destruction.withdraw': 'LAaUX',
  'destruction.take': 'R',
  'destruction.sign': 'R',
  'destruction.done': 'R',
  'recording.expected': 'R',
  'recording.missing': 'R',
  'retention.list': 'LAaUXFG',
  'retention.set': 'LAa',
  'retention.remove': 'LAa',
  'retention.floor': 'LAa',
  'safe.retention': 'LAa',
  'legalhold.list': 'LAaUXFG',
  'legalhold.place': 'LAaUXFG',
  'legalhold.lift': 'AaUXFG',
  'legalhold.keep': 'LAaUXFG',
  'filter.list': '*',
  'filter.save': '*',
  'filter.rename': '*',
  'filter.remove': '*',
  'auditor.lists': 'LR*YZ',
  'auditor.append': 'LUXY',
  'auditor.challenge': 'LN',
  'auditor.login': 'LN',
  'audit.list': 'LAaUXFG',
  'audit.find': 'LAaUXFG',
  'audit.prove': 'LAaUXFG',
  'audit.reindex': 'LAa',
  'audit.checkpoint': 'LAaUXFG',
  'audit.verify': 'LAaUXFG',
  'audit.export': 'LAaUXFG',
  'backup.drilled': 'L',
  'backup.page': 'L',
  'backup.tables': 'L',
  'recorder.hello': 'R',
  'ssh.publickey': 'R',
  'ssh.password': 'R',
  'ssh.ticket': 'R',
  'ssh.factor': 'R',
  'ticket.redeem': 'R',
  'session.open': 'R',
  'session.start': 'R',
  'session.sign': 'R',
  'session.elevate': 'R',
  'session.type-in': 'R',
  'session.files': 'R',
  'session.files-login': 'R',
  'session.connected': 'R',
  'recorder.space': 'R',
  'session.checkpoint': 'R',
  'session.file': 'R',
  'session.clipboard': 'R',
  'session.event': 'R',
  'session.forwarding': 'R',
  'session.forwarded': 'R',
  'session.end': 'R',
  'recording.authorise': 'R',
  'recording.searchable': 'R',
}

test('every verb of the contract has a row in the rules and in this table, and no other', () => {
  expect(Object.keys(rules).sort()).toEqual([...names].sort())
  expect(Object.keys(table).sort()).toEqual([...names].sort())
})

test.each(names)('%s is answered to those of the table and to nobody else', (verb) => {
  const expected = new Set(table[verb].replace('*', everybody))
  const allowed = Object.entries(askers).filter(
    ([, [principal, relation]]) => decide({ verb, principal, vault: 'open', relation }).kind === 'allow',
  )
  expect(allowed.map(([letter]) => letter).sort()).toEqual([...expected].sort())
})

test('a sealed vault answers what ends and proves sessions, and what opens it, alone', () => {
  const answered = names.filter((verb) =>
    Object.values(askers).some(
      ([principal, relation]) => decide({ verb, principal, vault: 'sealed', relation }).kind === 'allow',
    ),
  )
  expect(answered.sort()).toEqual(
    [
      'status',
      'vault.unseal',
      'seal.rehearse',
      'custody.share',
      'custody.forget',
      'recorder.hello',
      'session.connected',
      'recorder.space',
      'session.checkpoint',
      'session.file',
      'session.clipboard',
      'session.event',
      'session.forwarding',
      'session.forwarded',
      'session.end',
      'switch.sense',
      'watch.end',
    ].sort(),
  )
})

test('a vault that is not initialised can be asked for its status and be initialised', () => {
  const answered = names.filter((verb) =>
    Object.values(askers).some(
      ([principal, relation]) =>
        decide({ verb, principal, vault: 'uninitialised', relation }).kind === 'allow',
    ),
  )
  expect(answered.sort()).toEqual(['status', 'vault.initialise'])
})

test('the machine administrator never reveals, connects, approves, watches or replays', () => {
  for (const verb of [
    'account.reveal',
    'lease.checkOut',
    'ticket.issue',
    'session.open',
    'session.start',
    'session.sign',
    'ssh.publickey',
    'ssh.password',
    'ssh.ticket',
    'ssh.factor',
    'ticket.redeem',
    'recording.authorise',
  ] as const) {
    const relation = related({
      own: true,
      granted: true,
      permissions: ['use', 'reveal', 'approve', 'replay'],
    })
    expect(decide({ verb, principal: local, vault: 'open', relation }).kind).toBe('deny')
  }
})

test('a verb that nobody has heard of is denied', () => {
  for (const verb of ['toString', '__proto__', 'constructor', 'vault.wipe'])
    expect(
      decide({ verb: verb as VerbName, principal: local, vault: 'open', relation: noRelation }).kind,
    ).toBe('deny')
})

test('who has not accepted the terms of their company is answered what they need for that, and nothing else', () => {
  const owing = { ...user(['vendor']), owesTerms: true } as Principal
  const relation = related({ own: true, granted: true, permissions: ['use', 'reveal'] })
  const answered = names.filter(
    (verb) => decide({ verb, principal: owing, vault: 'open', relation }).kind === 'allow',
  )
  expect(answered.sort()).toEqual(['login.end', 'login.who', 'status', 'terms.accept', 'terms.show'])
  expect(decide({ verb: 'access.list', principal: owing, vault: 'open', relation })).toMatchObject({
    why: 'you have not accepted the terms of your company yet',
  })
})

/** What each scope of a service's token names, reviewed by people. */
const ofScope: Readonly<Record<ServiceScope, readonly VerbName[]>> = {
  'access.read': [
    'breakglass.list',
    'exposure.list',
    'grant.list',
    'lease.list',
    'request.list',
    'request.show',
  ],
  'audit.read': [
    'audit.checkpoint',
    'audit.export',
    'audit.find',
    'audit.list',
    'audit.prove',
    'audit.verify',
  ],
  'inventory.read': [
    'account.list',
    'account.show',
    'rotation.accounts',
    'rotation.calendar',
    'rotation.holds',
    'rotation.ledger',
    'rotation.limits',
    'rotation.list',
    'rotation.settings',
    'rotation.show',
    'safe.list',
    'switch.list',
    'target.list',
    'target.show',
    'task.list',
  ],
  'policy.read': ['policy.explain', 'policy.reach', 'policy.show'],
  'recordings.read': ['recording.find', 'recording.list', 'recording.show'],
  'sessions.read': ['hold.list', 'session.list', 'session.show'],
  'users.read': [
    'company.list',
    'company.show',
    'login.list',
    'offboarding.list',
    'offboarding.show',
    'user.list',
    'user.show',
  ],
}

function service(scopes: readonly ServiceScope[]): Principal {
  return { kind: 'service', id: 'tok_00000000000000000000000001' as TokenId, service: 'historian', scopes }
}

test('a service reads what the scopes of its token name, and nothing else, however it stands to it', () => {
  const relation = related({
    own: true,
    granted: true,
    permissions: ['use', 'reveal', 'approve', 'manage', 'replay', 'break-glass'],
  })
  const answered = (scopes: readonly ServiceScope[], vault: 'open' | 'sealed' = 'open') =>
    names
      .filter((verb) => decide({ verb, principal: service(scopes), vault, relation }).kind === 'allow')
      .sort()
  for (const scope of serviceScopes) expect([scope, answered([scope])]).toEqual([scope, ofScope[scope]])
  expect(answered(serviceScopes)).toEqual(Object.values(ofScope).flat().sort())
  expect(answered([])).toEqual([])
  expect(answered(serviceScopes, 'sealed')).toEqual([])
})
