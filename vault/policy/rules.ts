import type { Permission, Role, ServiceScope, VerbName } from '../contract.ts'

/**
 * Who may do what: one row per verb. What a row does not allow is refused.
 *
 * A person needs one of the reasons of `user`: a role, a permission on the safe concerned, that it is their own, or
 * a grant. `filtered` verbs list: everybody signed in may ask, and sees what they may see (`listing.ts`).
 */
export type Reason =
  | { readonly role: Role }
  | { readonly permission: Permission }
  /** A rule of the policy lets them, now. */
  | { readonly rule: 'reveal' | 'watch' }
  | 'own'
  | 'granted'
  | 'signed in'
  | 'filtered'

export type Rule = {
  readonly local?: true
  readonly anyone?: true
  readonly recorder?: true
  /** The worker that changes credentials on targets. */
  readonly rotation?: true
  readonly user?: readonly Reason[]
  /** A service whose token names this scope. It reads: nothing that changes anything is in one. */
  readonly service?: ServiceScope
  /** Never on one's own object, whatever the reason: nobody changes their own roles. */
  readonly notOwn?: true
  /** Answered to a representative who has not accepted their company's terms. */
  readonly beforeTerms?: true
  /** May a login that only replays ask it? */
  readonly replay?: true
  /** In which states of the vault besides `open` it is answered. */
  readonly whenSealed?: true
  readonly whenUninitialised?: true
}

const admin = { role: 'admin' } as const
const auditor = { role: 'auditor' } as const
const manage = { permission: 'manage' } as const
const approve = { permission: 'approve' } as const
const reveal = { permission: 'reveal' } as const
/** Acts on the live sessions of a safe. */
const supervise = { permission: 'supervise' } as const
/** Looks on. */
const observe = { permission: 'observe' } as const
/** SECURITY: a security officer reads, ends sessions and reviews break-glass: nothing that gives anybody a right. */
const officer = { role: 'security-officer' } as const

export const rules: Readonly<Record<VerbName, Rule>> = {
  status: {
    local: true,
    anyone: true,
    recorder: true,
    user: ['signed in'],
    replay: true,
    beforeTerms: true,
    whenSealed: true,
    whenUninitialised: true,
  },

  'vault.initialise': { local: true, whenUninitialised: true },
  'vault.unseal': { local: true, whenSealed: true },
  'vault.seal': { local: true, user: [admin] },

  // SECURITY: who opens the vault is the machine administrator's to say: a login in the console changes nothing of it.
  'seal.list': { local: true, user: [admin, auditor, officer] },
  'seal.add': { local: true },
  'seal.remove': { local: true },
  'seal.rehearse': { local: true, whenSealed: true },
  'seal.renewRecovery': { local: true },
  'seal.confirm': { local: true },
  'custody.prepare': { local: true },
  'custody.share': { local: true, whenSealed: true },
  'custody.forget': { local: true, whenSealed: true },
  // SECURITY: the machine's administrator hands the shares out, an administrator confirms: neither alone has a kit that opens.
  'kit.list': { local: true, user: [admin, auditor, officer] },
  'kit.prepare': { local: true },
  'kit.confirm': { user: [admin] },
  'kit.end': { local: true, user: [admin] },
  'kit.write': { local: true, user: [admin] },
  'kit.report': { local: true, user: [admin, officer] },
  'keys.rotate': { local: true },
  'keys.status': { local: true, user: [admin, auditor, officer] },

  'user.add': { local: true, user: [admin] },
  import: { local: true, user: [admin] },
  'user.list': { local: true, service: 'users.read', user: [admin, auditor, { role: 'approver' }, officer] },
  'user.show': { local: true, service: 'users.read', user: [admin, auditor, 'own', officer] },
  'user.roles': { local: true, user: [admin], notOwn: true },
  'user.disable': { local: true, user: [admin], notOwn: true },
  'user.enable': { local: true, user: [admin], notOwn: true },
  'user.enrol': { local: true, user: [admin], notOwn: true },
  'user.renewCodes': { user: ['signed in'] },
  'user.samePerson': { local: true, user: [admin], notOwn: true },
  'user.mail': { local: true, user: [admin, 'own'] },
  'user.key.add': { local: true, user: [admin, 'own'] },
  'user.key.list': { local: true, user: [admin, auditor, 'own', officer] },
  'user.key.remove': { local: true, user: [admin, 'own'] },

  'user.off': { local: true, user: [admin], notOwn: true },

  // A token outlives the login that made it: it takes a fresh code.
  'token.add': { local: true, user: [admin] },
  'token.list': { local: true, user: [admin, auditor, officer] },
  'token.revoke': { local: true, user: [admin] },

  'company.add': { local: true, user: [admin] },
  'company.list': { local: true, service: 'users.read', user: ['filtered'] },
  // `own`: the sponsor's.
  'company.show': { local: true, service: 'users.read', user: [admin, auditor, 'own', officer] },
  'company.terms': { local: true, user: [admin, auditor, 'own', officer] },
  'company.change': { local: true, user: [admin] },
  'company.invite': { local: true, user: [admin] },
  'company.off': { local: true, user: [admin, 'own'] },
  'company.on': { local: true, user: [admin] },
  'offboarding.list': { local: true, service: 'users.read', user: [admin, auditor, officer] },
  'offboarding.show': { local: true, service: 'users.read', user: [admin, auditor, 'own', officer] },
  'terms.show': { user: ['signed in'], beforeTerms: true },
  'terms.accept': { user: ['signed in'], beforeTerms: true },

  'directory.add': { local: true, user: [admin] },
  'directory.list': { local: true, user: [admin, auditor, officer] },
  'directory.show': { local: true, user: [admin, auditor, officer] },
  'directory.change': { local: true, user: [admin] },
  'directory.map': { local: true, user: [admin] },
  'directory.remove': { local: true, user: [admin] },
  'directory.sync': { local: true, user: [admin] },
  'directory.test': { local: true, user: [admin] },

  'enrolment.begin': { anyone: true },
  'enrolment.finish': { anyone: true },
  'login.start': { anyone: true },
  'login.providers': { anyone: true },
  'login.leave': { anyone: true },
  'login.return': { anyone: true },
  'login.finish': { anyone: true },
  'login.stepUp': { user: ['signed in'] },
  'login.stepUpReturn': { user: ['signed in'] },
  'login.confirm': { user: ['signed in'] },
  'login.challenge': { anyone: true },
  'login.passkey': { anyone: true },
  'passkey.challenge': { user: ['signed in'] },
  'passkey.begin': { user: ['signed in'] },
  'passkey.add': { user: ['signed in'] },
  'passkey.list': { local: true, user: [admin, auditor, 'own', officer] },
  'passkey.remove': { local: true, user: [admin, 'own'] },
  'login.who': { user: ['signed in'], replay: true, beforeTerms: true },
  'login.end': { user: ['signed in'], replay: true, beforeTerms: true },
  'login.list': { local: true, service: 'users.read', user: ['filtered'] },
  'login.revoke': { local: true, user: [admin, 'own'] },
  'login.revokeAll': { local: true, user: [admin, 'own'] },
  'login.local': { local: true },

  'safe.add': { local: true, user: [admin] },
  'safe.watchNotice': { local: true, user: [admin] },
  'safe.closeOut': { local: true, user: [admin] },
  'safe.approvals': { local: true, user: [admin] },
  'safe.notifications': { local: true, user: [admin] },
  'safe.breakGlass': { local: true, user: [admin] },
  'safe.exposure': { local: true, user: [admin] },
  // Another time than before: nothing is destroyed by it.
  'retention.list': { local: true, user: [admin, auditor, officer] },
  'retention.set': { local: true, user: [admin] },
  'retention.remove': { local: true, user: [admin] },
  'retention.floor': { local: true, user: [admin] },
  'safe.retention': { local: true, user: [admin] },
  // SECURITY: whoever fears for evidence holds it; two let it go, and the machine's administrator, who has no second factor, is neither.
  'legalhold.list': { local: true, user: [admin, auditor, officer] },
  'legalhold.place': { local: true, user: [admin, auditor, officer] },
  'legalhold.lift': { user: [admin, auditor, officer] },
  'legalhold.keep': { local: true, user: [admin, auditor, officer] },
  // SECURITY: two of these, one of them an auditor, and the machine's administrator is neither: it takes them minutes, and for good.
  'destruction.due': { local: true, user: [admin, auditor, officer] },
  'destruction.ask': { user: [admin, auditor] },
  'destruction.list': { local: true, user: [admin, auditor, officer] },
  'destruction.approve': { user: [admin, auditor] },
  'destruction.withdraw': { local: true, user: [admin, auditor] },
  'safe.list': { local: true, service: 'inventory.read', user: ['filtered'] },
  'safe.member.set': { local: true, user: [admin] },

  'target.add': { local: true, user: [admin, manage] },
  'target.list': { local: true, service: 'inventory.read', user: ['filtered'] },
  'target.show': {
    local: true,
    service: 'inventory.read',
    user: [admin, auditor, manage, approve, 'granted', officer],
  },
  // SECURITY: limits hold by tags and zones: who manages a safe lifts none.
  'target.change': { local: true, user: [admin] },
  'target.address': { local: true, user: [admin, manage] },
  'target.scan': { local: true, user: [admin, manage] },
  'target.pin': { local: true, user: [admin, manage] },
  'target.legacy': { local: true, user: [admin, manage] },
  // SECURITY: it takes evidence away: who manages a safe may be one whose sessions it would hide.
  'target.mask': { local: true, user: [admin] },
  'target.remove': { local: true, user: [admin, manage] },

  'account.add': { local: true, user: [admin, manage] },
  'account.list': { local: true, service: 'inventory.read', user: ['filtered'] },
  'account.show': {
    local: true,
    service: 'inventory.read',
    user: [admin, auditor, manage, approve, 'granted', officer],
  },
  'account.secret': { local: true, user: [admin, manage] },
  'account.bind': { local: true, user: [admin, manage] },
  'account.elevation': { local: true, user: [admin, manage] },
  'account.type-ins': { local: true, user: [admin, manage] },
  'account.files': { local: true, user: [admin, manage] },
  'account.remove': { local: true, user: [admin, manage] },
  // SECURITY: no role reveals, and neither does the machine's administrator: only the permission on the safe, or a rule of the policy.
  'account.reveal': { user: [reveal, { rule: 'reveal' }] },
  'exposure.list': { local: true, service: 'access.read', user: [admin, auditor, manage, officer] },
  'exposure.due': { local: true, user: [admin, manage] },

  // SECURITY: who manages a safe has its credentials changed: as much as setting them by hand.
  'rotation.connectors': { local: true, user: ['signed in'] },
  // SECURITY: a recipe says where a secret is typed: whoever adds one is an administrator, and managers choose from them.
  'rotation.recipes': { local: true, user: ['signed in'] },
  'rotation.recipe.show': { local: true, user: ['signed in'] },
  'rotation.recipe.add': { local: true, user: [admin] },
  'rotation.recipe.remove': { local: true, user: [admin] },
  'rotation.accounts': { local: true, service: 'inventory.read', user: ['filtered'] },
  'rotation.findings': { local: true, user: ['filtered'] },
  'rotation.settings': {
    local: true,
    service: 'inventory.read',
    user: [admin, auditor, manage, approve, officer],
  },
  'rotation.ledger': {
    local: true,
    service: 'inventory.read',
    user: [admin, auditor, manage, approve, officer],
  },
  'rotation.calendar': { local: true, service: 'inventory.read', user: ['filtered'] },
  'rotation.set': { local: true, user: [admin, manage] },
  'rotation.plan': { local: true, user: [admin, manage] },
  'rotation.start': { local: true, user: [admin, manage] },
  // Of each account, the verb looks.
  'rotation.batch': { local: true, user: ['signed in'] },
  'rotation.verify': { local: true, user: [admin, manage] },
  // An alarm gives nobody a right.
  'rotation.leak': { local: true, user: [admin, manage, officer] },
  'rotation.list': { local: true, service: 'inventory.read', user: ['filtered'] },
  'rotation.show': {
    local: true,
    service: 'inventory.read',
    user: [admin, auditor, manage, approve, officer],
  },
  'rotation.cancel': { local: true, user: [admin, manage] },
  'rotation.retry': { local: true, user: [admin, manage] },
  // Who lets people in on the floor says when production runs.
  'rotation.hold': { local: true, user: [admin, manage, approve, supervise] },
  'rotation.unhold': { local: true, user: [admin, manage, approve, supervise] },
  'rotation.holds': { local: true, service: 'inventory.read', user: ['filtered'] },
  'rotation.limit': { local: true, user: [admin] },
  'rotation.limits': { local: true, service: 'inventory.read', user: ['filtered'] },
  // SECURITY: what is due and may be done is looked at by the verbs, from the rows: nothing that a worker says lets it have more.
  'rotation.due': { rotation: true },
  'rotation.step': { rotation: true },
  'rotation.sign': { rotation: true },
  'rotation.report': { rotation: true },

  'task.list': { local: true, service: 'inventory.read', user: ['filtered'] },
  // SECURITY: no role has a secret shown: who works with the account or looks after it, and somebody else lets them. Nobody from
  // outside: the verbs look.
  'task.take': { user: [manage, { permission: 'use' }] },
  'task.approve': { user: [admin, approve], notOwn: true },
  'task.reveal': { user: ['own'] },
  'task.make': { user: [manage, { permission: 'use' }] },
  'task.sign': { user: [admin, approve], notOwn: true },
  'task.release': { local: true, user: [admin, manage, 'own'] },
  'task.drop': { local: true, user: [admin, manage] },
  'task.postpone': { local: true, user: [admin, manage] },

  'grant.add': { local: true, user: [admin, approve] },
  'grant.list': { local: true, service: 'access.read', user: ['filtered'] },
  'grant.revoke': { local: true, user: [admin, approve, 'own'] },

  // Who uses accounts of a safe may ask for them; who has a grant may ask for a longer one.
  'request.add': { user: [{ permission: 'use' }, 'granted'] },
  'request.extend': { user: ['own'] },
  'request.list': { local: true, service: 'access.read', user: ['filtered'] },
  'request.show': { local: true, service: 'access.read', user: [admin, auditor, approve, 'own', officer] },
  'request.withdraw': { user: ['own'] },
  // SECURITY: nobody approves their own request, and the machine's administrator approves none.
  'request.decide': { user: [admin, approve], notOwn: true },

  'switch.add': { local: true, user: [admin] },
  'switch.list': {
    local: true,
    service: 'inventory.read',
    user: [admin, auditor, { role: 'approver' }, { role: 'supervisor' }, officer],
  },
  // SECURITY: who holds it turns the switch. It leaves to the machine's administrator, or once, sealed, to who adds it.
  'switch.key': { local: true },
  'switch.change': { local: true, user: [admin] },
  'switch.test': { local: true, user: [admin] },
  'switch.remove': { local: true, user: [admin] },
  // Its signature is looked at by the verb.
  'switch.call': { anyone: true },
  // Through the api's own door alone: it reads the inputs. What stops is taken while sealed too.
  'switch.inputs': { anyone: true },
  'switch.tests': { anyone: true },
  'switch.tested': { anyone: true },
  'switch.sense': { anyone: true, whenSealed: true },
  'policy.show': { local: true, service: 'policy.read', user: [admin, auditor, officer] },
  'policy.plan': { local: true, user: [admin] },
  'policy.apply': { local: true, user: [admin] },
  'policy.ask': { local: true, user: [admin] },
  'policy.requests': { local: true, user: [admin, auditor, officer] },
  'policy.request': { local: true, user: [admin, auditor, officer] },
  // SECURITY: the machine's administrator approves none: it has no second factor. Whose own it is, the verb looks at.
  'policy.approve': { user: [admin] },
  'policy.withdraw': { local: true, user: [admin] },
  'policy.explain': { local: true, service: 'policy.read', user: [admin, auditor, officer] },
  'policy.reach': { local: true, service: 'policy.read', user: [admin, auditor, officer] },
  // SECURITY: no role lets itself in, and the machine's administrator does not: only the permission on the safe.
  'breakglass.open': { user: [{ permission: 'break-glass' }] },
  'breakglass.list': { local: true, service: 'access.read', user: ['filtered'] },
  'breakglass.review': { user: [admin, auditor, approve, officer], notOwn: true },

  'notification.status': { local: true, user: [admin] },
  'notification.test': { local: true, user: [admin] },
  'notification.testWebhook': { local: true, user: [admin] },
  // Whether it was sent to this person is looked at by the verb.
  'notification.open': { user: ['signed in'] },
  'webhook.set': { local: true, user: [admin] },
  // Through the api's own door alone: it sends.
  'notification.take': { anyone: true },
  'notification.done': { anyone: true },
  'siem.list': { local: true, user: [admin, auditor, officer] },
  'siem.add': { local: true, user: [admin] },
  'siem.remove': { local: true, user: [admin] },
  'siem.take': { anyone: true },
  'siem.done': { anyone: true },

  'lease.checkOut': { user: ['granted'] },
  'lease.checkIn': { local: true, user: [admin, approve, 'own'] },
  'lease.list': { local: true, service: 'access.read', user: ['filtered'] },
  'lease.wait': { user: ['granted'] },
  'lease.leave': { local: true, user: [admin, approve, 'own'] },
  'lease.queue': { local: true, user: ['filtered'] },
  // `own`: the holder's, and the colleague's. Which of the two may do what is looked at by the verb.
  'handover.offer': { user: ['own'] },
  'handover.accept': { user: ['own'] },
  'handover.end': { user: ['own'] },
  'handover.list': { local: true, user: ['filtered'] },
  'access.list': { user: ['filtered'] },
  'favourite.set': { user: ['granted'] },
  'ticket.issue': { user: ['granted'] },
  'live.open': { user: ['signed in'] },

  'closeout.list': { local: true, user: ['filtered'] },
  'closeout.show': { local: true, user: [admin, auditor, officer, approve, supervise, 'own'], replay: true },
  // SECURITY: nobody says for somebody else what they did.
  'closeout.fill': { user: ['own'] },
  'session.list': { local: true, service: 'sessions.read', user: ['filtered'] },
  'session.show': {
    local: true,
    service: 'sessions.read',
    user: [admin, auditor, approve, 'own', supervise, observe, officer],
    replay: true,
  },
  'session.terminate': { local: true, user: [admin, approve, 'own', supervise, officer] },
  // SECURITY: nobody lets their own input go on, nor writes to themselves as if somebody watched over them.
  'session.freeze': { local: true, user: [admin, approve, supervise], notOwn: true },
  'session.unfreeze': { local: true, user: [admin, approve, supervise], notOwn: true },
  'session.message': { local: true, user: [admin, approve, supervise], notOwn: true },
  // SECURITY: the machine's administrator never watches; whoever does leaves the same trace.
  'session.watch': { user: [admin, approve, supervise, observe, { rule: 'watch' }], notOwn: true },
  // SECURITY: no role takes over, and no administrator: only who may supervise there.
  'session.take': { user: [supervise], notOwn: true },
  'session.giveBack': { user: [supervise], notOwn: true },
  'watch.end': { recorder: true, whenSealed: true },
  'hold.list': { local: true, service: 'sessions.read', user: ['filtered'] },
  'hold.release': { local: true, user: [admin, approve, supervise], notOwn: true },

  'recording.list': { local: true, service: 'recordings.read', user: ['filtered'], replay: true },
  'recording.show': {
    local: true,
    service: 'recordings.read',
    user: [admin, auditor, approve, 'own', officer],
    replay: true,
  },
  'recording.find': { local: true, service: 'recordings.read', user: ['filtered'], replay: true },
  // SECURITY: nobody reviews what they did themselves, under whichever of their users.
  'recording.notes': { user: [auditor], replay: true },
  'recording.note': { user: [auditor], replay: true },
  'recording.review': { user: [auditor], notOwn: true, replay: true },
  'campaign.list': { local: true, user: ['filtered'] },
  // What is not theirs to decide is not there, says the verb.
  'campaign.show': { local: true, user: ['filtered'] },
  'campaign.start': { local: true, user: [admin, officer] },
  // SECURITY: whom it was given to, and that it is nobody's own, the verb looks at: under whichever of their users.
  'campaign.decide': { user: ['signed in'] },
  'campaign.close': { user: [admin, auditor, officer] },
  'dashboard.show': { local: true, user: [admin, auditor, officer] },
  'report.list': { local: true, user: [admin, auditor, officer] },
  'report.make': { local: true, user: [admin, auditor, officer] },
  'risk.list': { local: true, user: [admin, auditor, officer] },
  // SECURITY: nobody signs for what they did themselves, under whichever of their users; nor does the machine's administrator.
  'risk.review': { user: [auditor, officer], notOwn: true },
  'risk.settings': { local: true, user: [admin, auditor, officer] },
  'risk.set': { local: true, user: [admin] },
  'filter.list': { user: ['signed in'] },
  'filter.save': { user: ['signed in'] },
  'filter.rename': { user: ['signed in'] },
  'filter.remove': { user: ['signed in'] },
  // The safe's own list of who replays it, and the list of auditors, are looked at by the verb.
  'recording.readable': { user: [auditor], replay: true },
  'recording.search': { user: [auditor], replay: true },
  'evidence.gather': { user: [auditor], replay: true },
  'evidence.sign': { user: [auditor], replay: true },

  'auditor.lists': { local: true, recorder: true, user: ['signed in'], replay: true },
  // Who may add a list is decided by the signature on it: an auditor's key proves more than a login.
  'auditor.append': { local: true, user: [auditor], replay: true },
  'auditor.challenge': { local: true, anyone: true },
  'auditor.login': { local: true, anyone: true },

  'audit.list': { local: true, service: 'audit.read', user: [admin, auditor, officer] },
  'audit.find': { local: true, service: 'audit.read', user: [admin, auditor, officer] },
  'audit.prove': { local: true, service: 'audit.read', user: [admin, auditor, officer] },
  'audit.reindex': { local: true, user: [admin] },
  'audit.checkpoint': { local: true, service: 'audit.read', user: [admin, auditor, officer] },
  'audit.verify': { local: true, service: 'audit.read', user: [admin, auditor, officer] },
  'audit.export': { local: true, service: 'audit.read', user: [admin, auditor, officer] },

  'backup.drilled': { local: true },
  'backup.page': { local: true },
  'backup.tables': { local: true },

  // INVARIANT: a sealed vault releases nothing, but what ends or proves a running session is still written down.
  'recorder.hello': { recorder: true, whenSealed: true },
  'recorder.space': { recorder: true, whenSealed: true },
  'ssh.publickey': { recorder: true },
  'ssh.password': { recorder: true },
  'ssh.ticket': { recorder: true },
  'ssh.factor': { recorder: true },
  'ticket.redeem': { recorder: true },
  'session.open': { recorder: true },
  'session.start': { recorder: true },
  'session.sign': { recorder: true },
  'session.elevate': { recorder: true },
  'session.type-in': { recorder: true },
  'session.files': { recorder: true },
  'session.files-login': { recorder: true },
  'session.connected': { recorder: true, whenSealed: true },
  'session.checkpoint': { recorder: true, whenSealed: true },
  'session.file': { recorder: true, whenSealed: true },
  'session.clipboard': { recorder: true, whenSealed: true },
  'session.event': { recorder: true, whenSealed: true },
  'session.forwarding': { recorder: true, whenSealed: true },
  'session.forwarded': { recorder: true, whenSealed: true },
  'session.end': { recorder: true, whenSealed: true },
  'recording.authorise': { recorder: true },
  'destruction.take': { recorder: true },
  'destruction.sign': { recorder: true },
  'destruction.done': { recorder: true },
  'recording.expected': { recorder: true },
  'recording.missing': { recorder: true },
  'recording.searchable': { recorder: true },
}
