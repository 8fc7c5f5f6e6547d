import { riskText } from '../kernel/risk-text.ts'
import { regionsText } from '../kernel/mask-region.ts'
import type { DesktopSettings } from '../contract/words.ts'
import { count } from '../kernel/count.ts'
import { unreachable } from '../kernel/outcome.ts'
import { whoText } from '../kernel/who.ts'
import type { Actor, Entry } from './entry.ts'

/** Who, for people and for lists: `local:0`, `user:bob`, `auditor:ingrid`, `service:historian`, `recorder`, `vault`, `nobody`. */
export function actorText(actor: Actor): string {
  switch (actor.kind) {
    case 'local':
      return `local:${actor.uid}`
    case 'user':
      return `user:${printable(actor.name)}`
    case 'auditor':
      return `auditor:${printable(actor.name)}`
    case 'service':
      return `service:${printable(actor.name)}`
    case 'plane':
      return actor.plane
    default:
      return actor.kind
  }
}

/** One line for people. Text from outside is quoted, and holds nothing that a terminal would obey. */
export function describe(entry: Entry): string {
  const from = entry.source === undefined ? '' : ` from ${printable(entry.source)}`
  return `${subject(entry.actor)} ${printable(what(entry))}${from}`
}

/** What a sentence begins with: people by their name, where it is not one that a plane has. */
function subject(actor: Actor): string {
  if (actor.kind === 'nobody') return 'somebody'
  return actor.kind === 'user' && !names.includes(actor.name.toLowerCase())
    ? printable(actor.name)
    : whoText(actorText(actor))
}

/** How a target is logged in to, where that is not as usual. */
function desktopText(settings: DesktopSettings | null | undefined): string {
  if (settings === undefined || settings === null) return ''
  const { security, keyboard, userPrompt, passwordPrompt } = settings
  const said = [
    ...(security === undefined ? [] : [`security ${security}`]),
    ...(keyboard === undefined ? [] : [`keyboard ${keyboard}`]),
    ...(userPrompt === undefined ? [] : [`asking for a name with ${quoted(userPrompt)}`]),
    ...(passwordPrompt === undefined ? [] : [`asking for a password with ${quoted(passwordPrompt)}`]),
  ]
  return said.length === 0 ? '' : ` (${said.join(', ')})`
}

const names = ['vault', 'recorder', 'rotation', 'api', 'nobody', 'somebody']

function taskText(entry: { readonly accountName: string; readonly place?: string }): string {
  return entry.place === undefined
    ? `the credential of account ${entry.accountName} is changed by hand`
    : `${quoted(entry.place)} takes the new secret of account ${entry.accountName}`
}

function saidText(entry: {
  readonly note: string
  readonly workOrder?: string
  readonly evidence?: string
  readonly evidenceSha256?: string
}): string {
  return [
    `: ${quoted(entry.note)}`,
    ...(entry.workOrder === undefined ? [] : [`work order ${quoted(entry.workOrder)}`]),
    ...(entry.evidence === undefined ? [] : [`evidence ${quoted(entry.evidence)}`]),
    ...(entry.evidenceSha256 === undefined ? [] : [`SHA-256 ${entry.evidenceSha256}`]),
  ].join(', ')
}

function rotationText(entry: Extract<Entry, { kind: 'rotation.set' }>): string {
  const { connector, profile, maxAgeDays, calendar, essential, afterCheckIn, afterReveal } = entry
  const said = [
    connector === null
      ? 'by nobody'
      : `by ${connector}${entry.recipe === undefined ? '' : ` and the recipe ${entry.recipe}`}`,
    ...(profile === null ? [] : [`profile ${profile}`]),
    ...(maxAgeDays === null ? [] : [`every ${maxAgeDays} days`]),
    ...(afterCheckIn ? ['after each check-in'] : []),
    ...(afterReveal ? ['after each reveal'] : []),
    ...(calendar === null ? [] : [`within ${calendar}`]),
    ...(essential ? ['never by itself'] : []),
    ...(entry.throughAccount === undefined ? [] : [`through ${entry.throughAccount}`]),
    ...(entry.reconcileAccount === null ? [] : [`reconciled by ${entry.reconcileAccount}`]),
    ...(entry.schedule === undefined ? [] : [`by the schedule ${entry.schedule}`]),
    ...(entry.leakAtOnce === true ? ['at once where it has leaked'] : []),
    ...entry.dependants.map((dependant) => `dependant ${quoted(dependant)}`),
    ...(entry.lockOut === undefined
      ? []
      : [`locked out by ${entry.lockOut.refused} refused logins within ${entry.lockOut.seconds} s`]),
    ...(entry.exemption === undefined
      ? []
      : [`${entry.exemption.owner} answers for it until ${entry.exemption.until}`]),
  ]
  return said.join(', ')
}

/** Who was written to; nobody by name is the webhook. */
/** What the files of a session may carry; null: as usual. */
function megabytesText(megabytes: number | null): string {
  return megabytes === null ? 'what is usual' : `${megabytes} MB`
}

function whom(user: string | undefined): string {
  return user ?? 'the webhook'
}

const spaceText = {
  enough: 'enough again',
  low: 'below twice its floor, make room soon',
  refusing: 'below its floor, no session starts',
  'reserve freed': 'its reserve was given up for the database, make room now',
}

const tokenRefused = {
  revoked: 'it was revoked',
  expired: 'it has expired',
  'from elsewhere': 'it is not good from there',
}

function what(entry: Entry): string {
  switch (entry.kind) {
    case 'vault.initialised':
      return `initialised the vault ${entry.installation} (opened by ${entry.provider}, key ${entry.fingerprint})`
    case 'vault.unsealed':
      return `unsealed the vault by ${entry.provider}`
    case 'vault.unseal-refused':
      return `tried to unseal the vault by ${entry.provider} and was refused`
    case 'vault.sealed':
      return `sealed the vault; sessions ${entry.sessions === 'end' ? 'end' : 'go on'}`
    case 'vault.rollback-accepted':
      return `accepted a database that is older than the vault remembers: ${entry.finding}`
    case 'seal.added':
      return entry.replaced.length === 0
        ? `added a way to unseal the vault: ${entry.detail}`
        : `exchanged a way to unseal the vault: ${entry.replaced.join('; ')} for ${entry.detail}`
    case 'seal.removed':
      return `took away a way to unseal the vault: ${entry.detail}`
    case 'seal.rehearsed':
      return entry.seal === ''
        ? `tried ${entry.provider}: it can unseal the vault`
        : `rehearsed unsealing by ${entry.provider}: it opens the root key`
    case 'custody.prepared':
      return `${entry.rehearsal ? 'rehearsed making' : 'made'} shares of set ${entry.set} for ${entry.names.join(', ')} (any ${entry.threshold} open the vault)`
    case 'custody.share-entered':
      return `entered share ${entry.index} (${entry.name}) of set ${entry.set}: ${entry.given} of ${entry.threshold}${entry.rehearsal ? ', in a rehearsal' : ''}`
    case 'custody.share-refused':
      return `was refused a share${entry.rehearsal ? ' in a rehearsal' : ''}: ${entry.why}`
    case 'custody.forgotten':
      return `forgot ${count(entry.given, 'entered share')}: ${entry.why}`
    case 'kit.prepared':
      return `made shares of set ${entry.set} for ${entry.names.join(', ')}: any ${entry.threshold} will open the emergency kit of safe ${entry.safeName}, once it is confirmed`
    case 'kit.confirmed':
      return `put the emergency kit of safe ${entry.safeName}, set ${entry.set}, in force${entry.replaced === null ? '' : ' in place of the one before'}`
    case 'kit.ended':
      return `ended the emergency kit of safe ${entry.safeName}, set ${entry.set}${because(entry.reason)}`
    case 'kit.taken':
      return `took the emergency kit of safe ${entry.safeName} away: ${count(entry.accounts, 'secret')}, sealed to its custodians`
    case 'kit.opened':
      return entry.drill
        ? `noted that ${entry.custodians.join(', ')} practised opening the emergency kit of safe ${entry.safeName} on ${entry.openedAt}${because(entry.reason)}`
        : `noted that ${entry.custodians.join(', ')} opened the emergency kit of safe ${entry.safeName} on ${entry.openedAt}: ${count(entry.secrets, 'secret')} to be rotated${because(entry.reason)}`
    case 'keys.rotation-started':
      return `began to exchange ${exchangedKey(entry)}, version ${entry.version}: ${count(entry.total, 'key')} to wrap anew`
    case 'keys.rotation-rehearsed':
      return `rehearsed exchanging ${exchangedKey(entry)}: ${count(entry.total, 'key')} would be wrapped anew`
    case 'keys.rotation-finished':
      return `exchanged ${exchangedKey(entry)}, version ${entry.version}: ${count(entry.total, 'key')} wrapped anew, the old one is gone`
    case 'vault.fault':
      return `met a fault (${entry.code}): ${entry.finding}`
    case 'clock.jumped':
      return `saw that the machine’s clock was set ${entry.byMs < 0 ? 'back' : 'forward'} by ${spanText(entry.byMs)}${entry.aheadMs > 0 ? `; the vault’s time does not go back and is ${spanText(entry.aheadMs)} ahead of it` : ''}`
    case 'user.added':
      return `added user ${entry.name} (${entry.roles.join(', ')})`
    case 'user.roles':
      return `gave user ${entry.name} the roles ${entry.roles.join(', ')}`
    case 'user.disabled':
      return `disabled user ${entry.name}${entry.wasLastAdmin ? ', the last active administrator' : ''}`
    case 'user.enabled':
      return `enabled user ${entry.name}`
    case 'user.off':
      return `took user ${entry.name} off: ${counted(entry.sessions, 'session')} and ${counted(entry.grants, 'grant')} ended, ${counted(entry.secrets, 'secret')} to rotate${because(entry.reason)}`
    case 'company.added':
      return `added company ${companyNow(entry)}`
    case 'company.changed':
      return `changed company ${companyNow(entry)}`
    case 'company.invited':
      return `invited ${entry.name} (${quoted(entry.mail)}) of company ${entry.companyName}`
    case 'company.off':
      return `took company ${entry.companyName} off${because(entry.reason)}`
    case 'company.on':
      return `switched company ${entry.companyName} on again`
    case 'terms.accepted':
      return `accepted the terms of company ${entry.companyName} (SHA-256 ${entry.digest})`
    case 'user.enrolment-issued':
      return `made an enrolment link for ${entry.name}, good until ${entry.expiresAt}`
    case 'user.same-person':
      return entry.as === undefined
        ? `said that ${entry.name} is the same person as nobody else`
        : `said that ${entry.name} is the same person as ${entry.as}`
    case 'user.enrolment-opened':
      return `opened the enrolment link of ${entry.name} (a new second factor is shown, and one shown before is good no longer)`
    case 'user.enrolled':
      return `enrolled${isSelf(entry, entry.name) ? '' : ` as ${entry.name}`}: new password and second factor`
    case 'user.mail-set':
      return `${entry.address === undefined ? `took away the mail address ${entry.before ?? ''}` : `set the mail address ${entry.address}${entry.notices === 'security' ? ', for what concerns security,' : ''}`}${isSelf(entry, entry.name) ? '' : ` of ${entry.name}`}${entry.address === undefined || entry.before === undefined || entry.before === entry.address ? '' : ` in place of ${entry.before}`}`
    case 'user.key-added':
      return `registered the key ${entry.fingerprint}${isSelf(entry, entry.name) ? '' : ` for ${entry.name}`}`
    case 'user.key-removed':
      return `removed the key ${entry.fingerprint}${isSelf(entry, entry.name) ? '' : ` of ${entry.name}`}`
    case 'user.passkey-added':
      return `registered the passkey ${named(entry.passkeyName)}${isSelf(entry, entry.name) ? '' : ` for ${entry.name}`}, good at ${entry.site}`
    case 'user.passkey-removed':
      return `removed the passkey ${named(entry.passkeyName)}${isSelf(entry, entry.name) ? '' : ` of ${entry.name}`}`
    case 'user.codes-renewed':
      return `made ${count(entry.count, 'recovery code')}${isSelf(entry, entry.name) ? '' : ` for ${entry.name}`}: those before are good no longer`
    case 'user.code-used':
      return `used a recovery code${isSelf(entry, entry.name) ? '' : ` of ${entry.name}`} in place of the second factor by ${entry.via}: ${entry.left} left`
    case 'login.started':
      return `logged in${isSelf(entry, entry.name) ? '' : ` as ${entry.name}`} by ${entry.via}`
    case 'login.refused':
      return `was refused a login as ${named(entry.name)} by ${entry.via}: ${entry.why}`
    case 'login.stepped-up':
      return `signed in anew by ${entry.directoryName}${entry.acr === null ? '' : ` (${entry.acr})`}`
    case 'factor.shown':
      return `showed a second factor anew ${entry.login === undefined ? 'over SSH' : 'in the console'}`
    case 'login.ended':
      return isSelf(entry, entry.name) ? 'logged out' : `ended the login of ${entry.name}`
    case 'login.revoked':
      return isSelf(entry, entry.name) ? 'revoked another login' : `revoked a login of ${entry.name}`
    case 'ssh.proven':
      return `proved to be ${isSelf(entry, entry.name) ? 'themself' : entry.name} by SSH ${entry.via}`
    case 'safe.added':
      return `added safe ${entry.safeName} (input ${entry.inputPolicy})`
    case 'safe.member-set':
      return entry.permissions.length === 0
        ? `took ${entry.name} out of safe ${entry.safeName}`
        : `gave ${entry.name} ${entry.permissions.join(', ')} on safe ${entry.safeName}`
    case 'target.added':
      return `added target ${entry.targetName} at ${entry.address}${desktopText(entry.desktop)} to safe ${entry.safeName}${entry.tags === undefined && entry.zone === undefined ? '' : `, with ${marksText(entry.tags ?? [], entry.zone ?? null)}`}`
    case 'target.marked':
      return `gave target ${entry.targetName} ${marksText(entry.tags, entry.zone)} in place of ${marksText(entry.before.tags, entry.before.zone)}`
    case 'target.address':
      return `moved target ${entry.targetName} from ${entry.before}${desktopText(entry.desktopBefore)} to ${entry.address}${desktopText(entry.desktop)}`
    case 'target.scanned':
      return `fetched the keys of target ${entry.targetName}: ${entry.fingerprints.join(', ') || 'none'}`
    case 'target.pinned':
      return `pinned the ${keyOf(entry)} of target ${entry.targetName}`
    case 'target.changed-key':
      return `refused target ${entry.targetName}: it showed the ${keyOf(entry)}, which is not pinned`
    case 'target.legacy-allowed':
      return `allowed target ${entry.targetName} the old algorithms ${entry.algorithms.join(', ')} until ${entry.until}: ${quoted(entry.reason)}`
    case 'target.legacy-ended':
      return `took the old algorithms back from target ${entry.targetName}`
    case 'target.mask-set':
      return entry.regions.length === 0
        ? `had all of the screen of target ${entry.targetName} recorded again, where ${regionsText(entry.before)} were not`
        : `masked ${regionsText(entry.regions)} of the screen of target ${entry.targetName} in recordings${entry.before.length === 0 ? '' : `, in place of ${regionsText(entry.before)}`}: ${quoted(entry.reason)}`
    case 'target.files-bound':
      return `bound what files of a session carry on target ${entry.targetName} to ${megabytesText(entry.megabytes)}, in place of ${megabytesText(entry.before)}`
    case 'target.removed':
      return `removed target ${entry.targetName}`
    case 'account.added':
      return `added account ${entry.accountName} to safe ${entry.safeName}`
    case 'account.secret':
      return `stored version ${entry.version} (${entry.credential}) of account ${entry.accountName}`
    case 'rotation.set':
      return `set how account ${entry.accountName} is rotated: grade ${entry.grade}${because(entry.gradeReason)}, ${rotationText(entry)}`
    case 'rotation.asked':
      return entry.what === 'verify'
        ? `had the credential of account ${entry.accountName} tried (${entry.cause})`
        : `had account ${entry.accountName} rotated (${entry.cause})${because(entry.reason)}`
    case 'rotation.step':
      return `took step ${entry.step} (no. ${entry.generation}) of the rotation of account ${entry.accountName}`
    case 'rotation.signed':
      return `had a login signed for the rotation of account ${entry.accountName} (${entry.algorithm})`
    case 'rotation.moved':
      return `brought the rotation of account ${entry.accountName} from ${entry.from} to ${entry.to}${entry.version === 0 ? '' : ` (version ${entry.version})`}${because(entry.why)}`
    case 'rotation.recipe-added':
      return `added the recipe ${entry.recipe} (SHA-256 ${entry.digest})`
    case 'rotation.recipe-removed':
      return `took the recipe ${entry.recipe} away`
    case 'rotation.held':
      return `held up rotations in safe ${entry.safeName}${entry.until === undefined ? '' : ` until ${entry.until}`}${because(entry.reason)}`
    case 'rotation.unheld':
      return `let rotations in safe ${entry.safeName} go on`
    case 'rotation.limited':
      return `${entry.abreast === null && entry.perHour === null ? 'no longer limits' : 'limits'} rotations${entry.targetName !== undefined ? ` on target ${entry.targetName}` : entry.safeName !== undefined ? ` in safe ${entry.safeName}` : ''}${entry.abreast === null ? '' : `: ${entry.abreast} at a time`}${entry.perHour === null ? '' : `${entry.abreast === null ? ':' : ','} ${entry.perHour} an hour`}`
    case 'rotation.leaked':
      return `said that the secret of account ${entry.accountName} has leaked${because(entry.reason)}`
    case 'rotation.task-opened':
      return `opened a task, due ${entry.dueAt}: ${taskText(entry)}`
    case 'rotation.task-overdue':
      return `told of a task that was due ${entry.dueAt}: ${taskText(entry)}`
    case 'rotation.task-taken':
      return `took the task in hand in session ${entry.session}: ${taskText(entry)}`
    case 'rotation.task-approved':
      return `let ${entry.userName} see the new secret of account ${entry.accountName}`
    case 'rotation.task-revealed':
      return `was shown version ${entry.version} of account ${entry.accountName}, which is to be set by hand${entry.session === undefined ? '' : ` in session ${entry.session}`}`
    case 'rotation.task-made':
      return `said that it is done: ${taskText(entry)}${saidText(entry)}`
    case 'rotation.task-signed':
      return `signed what ${entry.userName} has done: ${taskText(entry)}${saidText(entry)}`
    case 'rotation.task-released':
      return `let go of a task: ${taskText(entry)}${because(entry.reason)}`
    case 'rotation.task-dropped':
      return `gave a task up: ${taskText(entry)}${because(entry.reason)}`
    case 'rotation.task-postponed':
      return `set a task to be due ${entry.dueAt}${entry.pausedUntil === undefined ? '' : `, and quiet until ${entry.pausedUntil}`}: ${taskText(entry)}${because(entry.reason)}`
    case 'account.bound':
      return `bound account ${entry.accountName} to the present identity of target ${entry.targetName}`
    case 'account.elevation-set':
      return `had account ${entry.accountName} elevated by ${entry.elevation} with the secret of ${entry.secretAccountName}`
    case 'account.type-in-linked':
      return `let the secret of ${entry.secretAccountName} be typed into desktops of account ${entry.accountName}`
    case 'account.type-in-unlinked':
      return `let the secret of ${entry.secretAccountName} be typed into desktops of account ${entry.accountName} no more`
    case 'account.files-linked':
      return `had files go beside desktops of account ${entry.accountName} by the login of ${entry.filesAccountName}`
    case 'account.files-unlinked':
      return `had files go beside desktops of account ${entry.accountName} by the login of ${entry.filesAccountName} no more`
    case 'account.elevation-ended':
      return `took the elevation of account ${entry.accountName} back`
    case 'account.removed':
      return `removed account ${entry.accountName}`
    case 'account.revealed':
      return `was shown version ${entry.version} of the secret of ${entry.accountName}: ${quoted(entry.reason)}`
    case 'grant.added':
      return `granted ${isSelf(entry, entry.userName) ? 'themself' : entry.userName} ${entry.actions.join(', ')}${entry.forwards === undefined ? '' : ` (to ${entry.forwards.map(quoted).join(', ')})`} on ${entry.accountName} from ${entry.notBefore} to ${entry.notAfter} (${entry.mode})${because(entry.reason)}`
    case 'grant.revoked':
      return `revoked the grant${of(entry)} on ${entry.accountName}`
    case 'token.added':
      return `made a token of the service ${entry.service} for ${entry.scopes.join(', ')}${entry.networks === undefined ? '' : ` from ${entry.networks.join(', ')}`}, good until ${entry.expiresAt}`
    case 'token.revoked':
      return `revoked a token of the service ${entry.service}`
    case 'token.refused':
      return `was refused with a token of the service ${entry.service}: ${tokenRefused[entry.why]}`
    case 'switch.added':
      return `added the plant switch ${entry.switchName} (${entry.act}) for ${entry.safes.join(', ')}${entry.input === undefined ? '' : `, read at ${quoted(entry.input)}`}`
    case 'switch.changed':
      return `changed the plant switch ${entry.switchName} (${entry.what.join(', ')}): ${entry.act} for ${entry.safes.join(', ')}${entry.input === undefined ? '' : `, read at ${quoted(entry.input)}, stops at ${entry.stopsAt === true ? 'on' : 'off'}`}`
    case 'switch.tested':
      return `had the input ${quoted(entry.input)} read once: ${entry.reads}`
    case 'switch.removed':
      return `took the plant switch ${entry.switchName} away`
    case 'switch.key-shown':
      return `was shown the key of the plant switch ${entry.switchName}`
    case 'switch.turned':
      return entry.state === 'run'
        ? `let work go on: the plant switch ${entry.switchName} is on`
        : `stopped work: the plant switch ${entry.switchName} ${entry.state === 'stop' ? 'is off' : 'cannot be read'}`
    case 'directory.added':
      return `added the directory ${entry.directoryName} at ${quoted(entry.at)}`
    case 'directory.changed':
      return `changed the directory ${entry.directoryName}: ${entry.what.join(', ')}`
    case 'directory.mapped': {
      const group = entry.policyGroup === undefined ? [] : [`group ${entry.policyGroup}`]
      const given = [...entry.roles, ...group].join(', ')
      return `had members of ${quoted(entry.group)} in the directory ${entry.directoryName} be ${given === '' ? 'nothing' : given}`
    }
    case 'directory.removed':
      return `took the directory ${entry.directoryName} away, with ${entry.people} ${entry.people === 1 ? 'user' : 'users'}`
    case 'directory.synced':
      return `had users follow the directory ${entry.directoryName}: ${entry.added} added, ${entry.changed} changed, ${entry.off} turned off, of ${entry.people} people`
    case 'directory.failed':
      return `could not read the directory ${entry.directoryName}: ${quoted(entry.why)}`
    case 'directory.person':
      return `followed the directory ${entry.directoryName}: ${entry.name}: ${quoted(entry.what)}`
    case 'policy.applied':
      return `applied version ${entry.version} of the policy (${entry.digest.slice(0, 12)})${entry.askedBy === undefined ? '' : `, which ${entry.askedBy} asked for`}${entry.alone === true ? ', alone, as there is no second administrator' : ''}: ${entry.changes.length === 0 ? 'nothing changed' : entry.changes.map(quoted).join(', ')}`
    case 'policy.asked':
      return `asked for another policy (${entry.digest.slice(0, 12)}): ${entry.changes.map(quoted).join(', ')}`
    case 'policy.withdrawn':
      return `withdrew the policy (${entry.digest.slice(0, 12)}) that ${entry.askedBy} asked for`
    case 'policy.unanswered':
      return `reminded people of the policy (${entry.digest.slice(0, 12)}) that ${entry.askedBy} asked for, unanswered for ${entry.hours} h`
    case 'policy.expired':
      return `let the policy (${entry.digest.slice(0, 12)}) that ${entry.askedBy} asked for expire`
    case 'grant.extended':
      return `extended grant ${entry.grant}${of(entry)} for ${entry.accountName} from ${entry.was} until ${entry.notAfter}`
    case 'grant.shortened':
      return `had the grant${of(entry)} on ${entry.accountName} end with the contract, at ${entry.notAfter}`
    case 'request.made':
      if (entry.extends !== undefined)
        return `asked for ${entry.forSeconds} s more on ${entry.accountName}, from ${entry.notBefore ?? ''} on: grant ${entry.extends}${entry.workOrder === undefined ? '' : `, work order ${quoted(entry.workOrder)}`}${because(entry.reason)}`
      return `asked for ${entry.actions.join(', ')}${entry.forwards === undefined ? '' : ` (to ${entry.forwards.map(quoted).join(', ')})`} on ${entry.accountName} for ${entry.forSeconds} s${entry.notBefore === undefined ? ' from the approval on' : ` from ${entry.notBefore}`} (${entry.mode})${entry.workOrder === undefined ? '' : `, work order ${quoted(entry.workOrder)}`}${because(entry.reason)}`
    case 'request.decided':
      return `${entry.verdict === 'approve' ? 'approved' : 'denied'} the request${of(entry)} for ${entry.accountName}${entry.grant === undefined ? '' : `: grant ${entry.grant}`}${because(entry.note)}`
    case 'request.withdrawn':
      return `withdrew the request${of(entry)} for ${entry.accountName}`
    case 'request.expired':
      return `let the request${of(entry)} for ${entry.accountName} expire`
    case 'request.unanswered':
      return `reminded people of the request${of(entry)} for ${entry.accountName}, unanswered for ${entry.minutes} min`
    case 'breakglass.opened':
      return `broke the glass for ${entry.accountName} (${entry.breakGlass}) until ${entry.until}: grant ${entry.grant}; ${entry.alarmed === 1 ? 'one person was' : `${entry.alarmed} people were`} alarmed${because(entry.reason)}`
    case 'breakglass.reviewed':
      return `reviewed the break-glass ${entry.breakGlass}${of(entry)} for ${entry.accountName}${because(entry.note)}`
    case 'safe.break-glass-set':
      return entry.minutes === undefined
        ? `ended break-glass in safe ${entry.safeName}`
        : `allowed break-glass of ${entry.minutes} min in safe ${entry.safeName}, with an alarm for ${entry.alarms.join(', ')}`
    case 'notification.sent':
      return `told ${whom(entry.userName)} (${entry.about})`
    case 'notification.not-sent':
      return `did not tell ${whom(entry.userName)} (${entry.about}): ${quoted(entry.why)}`
    case 'notification.opened':
      return `opened the link of a mail (${entry.about})`
    case 'notification.test':
      return `tried whether ${whom(entry.userName)} can be told something`
    case 'webhook.set':
      return entry.url === undefined ? 'took the webhook away' : `set the webhook ${quoted(entry.url)}`
    case 'siem.added':
      return `had the log sent to ${quoted(entry.name)}, ${quoted(entry.address)}, as ${entry.format}`
    case 'siem.removed':
      return `had the log not sent to ${quoted(entry.name)}, ${quoted(entry.address)}, any more`
    case 'safe.notifications-set':
      return `had people of safe ${entry.safeName} written to${entry.unansweredMinutes === undefined ? '' : ` about requests unanswered for ${entry.unansweredMinutes} min (${entry.escalateTo ?? 'administrators'} too)`}, ${entry.sessions ? '' : 'not '}when sessions begin and end`
    case 'lease.taken':
      return `checked out ${entry.accountName}${isSelf(entry, entry.userName) ? '' : ` for ${entry.userName}`}${entry.exclusive ? ' exclusively' : ''}${entry.until === undefined ? '' : ` until ${entry.until}`}`
    case 'lease.ended':
      return `checked in ${entry.accountName}${of(entry)}: ${entry.why}${because(entry.reason ?? '')}`
    case 'lease.wait-begun':
      return `began to wait for ${entry.accountName}${entry.exclusive ? ' alone' : ''}`
    case 'lease.kept':
      return `kept ${entry.accountName} for ${entry.userName}, whose turn it is, until ${entry.until}`
    case 'lease.wait-ended':
      return `ended the wait${of(entry)} for ${entry.accountName}: ${entry.why}`
    case 'handover.offered':
      return `offered ${entry.accountName} to ${entry.toName} until ${entry.expiresAt}`
    case 'handover.accepted':
      return `took ${entry.accountName} over from ${entry.userName}${entry.sessions === 0 ? '' : `, whose ${entry.sessions === 1 ? 'session ends' : `${entry.sessions} sessions end`}`}`
    case 'handover.ended':
      return entry.how === 'expired'
        ? `let the offer of ${entry.accountName} by ${entry.userName} to ${entry.toName} expire`
        : `${entry.how === 'declined' ? 'declined' : 'withdrew'} the offer of ${entry.accountName} by ${entry.userName} to ${entry.toName}`
    case 'safe.exposure-set':
      return `had secrets of safe ${entry.safeName} that somebody has seen rotated within ${entry.days} days (before: ${entry.before})${because(entry.reason)}`
    case 'retention.set':
      return `${entry.before === undefined ? 'made' : 'set'} the retention class ${entry.retentionClass}: recordings are kept ${kept(entry.days)}${entry.before === undefined ? '' : ` (before: ${kept(entry.before)})`}${because(entry.reason)}`
    case 'retention.removed':
      return `took the retention class ${entry.retentionClass} away (${kept(entry.days)})`
    case 'retention.floor-set':
      return `had all recordings kept ${kept(entry.days)} at least (before: ${kept(entry.before)}): ${quoted(entry.basis)}`
    case 'safe.retention-set':
      return `gave safe ${entry.safeName} the retention class ${entry.retentionClass} (before: ${entry.before})${entry.shortens ? ', which is shorter' : ''}${because(entry.reason)}`
    case 'destruction.asked':
      return `asked for ${count(entry.recordings.length, 'recording')} to be destroyed (${entry.destruction})${because(entry.reason)}`
    case 'destruction.approved':
      return `had ${count(entry.recordings.length, 'recording')} destroyed, as ${entry.askedBy} had asked (${entry.destruction})`
    case 'destruction.withdrawn':
      return `withdrew the destruction that ${entry.askedBy} had asked for (${entry.destruction})`
    case 'recording.tombstone':
      return `signed the tombstone of recording ${entry.recording}${of(entry)} on ${entry.accountName}, which ${entry.askedBy} and ${entry.approvedBy} have destroyed`
    case 'recording.destroyed':
      return `destroyed recording ${entry.recording}${of(entry)} on ${entry.accountName} (${entry.destruction})`
    case 'recording.missing':
      return `misses recording ${entry.recording}${of(entry)} on ${entry.accountName}, which nobody had destroyed`
    case 'recording.row-missing':
      return `misses session ${entry.session} or its recording in the database: somebody took it out`
    case 'recording.found-again':
      return `found recording ${entry.recording}${of(entry)} on ${entry.accountName} again`
    case 'legalhold.placed':
      return `placed a legal hold on ${heldText(entry)}${because(entry.reason)}`
    case 'legalhold.lift-asked':
      return `asked for the legal hold on ${heldText(entry)} to be lifted${because(entry.reason)}`
    case 'legalhold.kept':
      return `kept the legal hold on ${heldText(entry)}, which ${entry.askedBy} wanted lifted`
    case 'legalhold.lifted':
      return `lifted the legal hold on ${heldText(entry)}, as ${entry.askedBy} had asked${because(entry.reason)}`
    case 'exposure.due-set':
      return `set the rotation of version ${entry.version} of ${entry.accountName}, which ${entry.userName} has seen, to ${entry.dueAt} (before: ${entry.before})${because(entry.reason)}`
    case 'company.contract-notice':
      return entry.days === 0
        ? `told people that the contract of ${entry.companyName} has ended`
        : `told people that the contract of ${entry.companyName} ends at ${entry.contractEndsAt}, within ${entry.days} days`
    case 'ticket.issued':
      return `took a ticket for ${entry.accountName}${entry.for === 'connect' ? ' in the browser' : ''}, good until ${entry.expiresAt}`
    case 'ticket.used':
      return `used a ticket for ${entry.accountName} in the browser`
    case 'session.opened':
      return `opened session ${entry.session}${of(entry)} on ${entry.accountName}${entry.forward === undefined ? '' : `, forwarding to ${quoted(entry.forward)}`}, until ${entry.endsAt}`
    case 'session.started':
      return `started session ${entry.session}${of(entry)} on ${entry.accountName}: recording ${entry.recording} began`
    case 'session.typed-in':
      return `had version ${entry.version} of the secret of ${entry.secretAccountName} typed into the desktop in session ${entry.session}${of(entry)}`
    case 'session.files-opened':
      return `opened the files of the machine with version ${entry.version} of the secret of ${entry.filesAccountName} in session ${entry.session}${of(entry)}`
    case 'session.elevated':
      return `had version ${entry.version} of the secret of ${entry.secretAccountName} typed at the prompt of ${entry.elevation} in session ${entry.session}${of(entry)}`
    case 'session.connected':
      return `connected session ${entry.session}${of(entry)} to ${entry.accountName}`
    case 'recorder.space':
      return `on ${entry.node} has ${Math.floor(entry.freeBytes / 1e6)} MB of free space: ${spaceText[entry.state]}`
    case 'session.checkpoint':
      return `vouched for ${entry.sizeBytes} bytes of recording ${entry.recording}`
    case 'session.file':
      return `${entry.direction === 'upload' ? 'wrote' : 'read'} ${quoted(entry.name)} by ${entry.via} in session ${entry.session}: ${entry.size} bytes, SHA-256 ${entry.sha256}${entry.complete ? '' : ', not to the end'}`
    case 'session.clipboard':
      return `carried a text ${entry.way === 'in' ? 'onto' : 'off'} the clipboard of ${entry.accountName} in session ${entry.session}${of(entry)}: ${entry.size} bytes of ${quoted(entry.mimetype)}${entry.sha256 === undefined ? '' : `, SHA-256 ${entry.sha256}`}`
    case 'session.event':
      return `noted in session ${entry.session}: ${entry.event}, ${quoted(entry.detail)}`
    case 'session.forwarded':
      return `forwarded ${entry.connections} connections to ${entry.to} in session ${entry.session}: ${entry.bytesUp} bytes there, ${entry.bytesDown} back`
    case 'session.signed':
      return `signed a login (${entry.algorithm}) to ${entry.accountName} for session ${entry.session}`
    case 'session.terminated':
      return `terminated session ${entry.session}${of(entry)} on ${entry.accountName}${entry.holdUntil === undefined ? '' : `, held off until ${entry.holdUntil}`}${because(entry.reason)}`
    case 'session.frozen':
      return `froze session ${entry.session}${of(entry)} on ${entry.accountName}${because(entry.reason)}`
    case 'session.presence':
      return entry.missing.length === 0
        ? `let session ${entry.session}${of(entry)} on ${entry.accountName} go on: ${entry.by} supervises it`
        : `held session ${entry.session}${of(entry)} on ${entry.accountName}: it waits for a supervisor of ${entry.missing.map(quoted).join(', ')}`
    case 'session.extended':
      return `let session ${entry.session}${of(entry)} on ${entry.accountName} go on until ${entry.endsAt}`
    case 'session.unfrozen':
      return `unfroze session ${entry.session}${of(entry)} on ${entry.accountName}`
    case 'session.taken':
      return `took over session ${entry.session}${of(entry)} on ${entry.accountName}${because(entry.reason)}`
    case 'session.given-back':
      return `gave session ${entry.session}${of(entry)} on ${entry.accountName} back to its user`
    case 'session.take-ended':
      return `noted that ${entry.by}, who had taken over session ${entry.session}${of(entry)} on ${entry.accountName}, has it no more (${entry.why}): it stays frozen`
    case 'session.messaged':
      return `wrote to session ${entry.session}${of(entry)} on ${entry.accountName}: ${quoted(entry.text)}`
    case 'session.watched':
      return `began to watch session ${entry.session}${of(entry)} on ${entry.accountName}${entry.notice ? '' : ', without being shown to them'}`
    case 'session.watch-ended':
      return `noted that ${entry.by} no longer watches session ${entry.session}${of(entry)} on ${entry.accountName}`
    case 'safe.watch-notice':
      return `had users ${entry.shown ? '' : 'not '}told who watches them in safe ${entry.safeName}`
    case 'safe.close-out-set':
      return entry.closeOut === 'none'
        ? `had nobody asked what they did in safe ${entry.safeName}`
        : `had users ${entry.closeOut === 'required' ? 'required to say' : 'asked'} what they did in safe ${entry.safeName}`
    case 'close-out.asked':
      return `asked ${entry.userName} what they did on ${entry.accountName} in session ${entry.session}`
    case 'close-out.filled':
      return `closed out session ${entry.session}${of(entry)} on ${entry.accountName} as ${entry.result}: ${quoted(entry.done)}${entry.left === undefined ? '' : `, left in place: ${quoted(entry.left)}`}${entry.workOrder === undefined ? '' : `, work order ${quoted(entry.workOrder)}`}`
    case 'safe.approvals-set':
      return `had requests in safe ${entry.safeName} approved by ${entry.approvals === 1 ? 'one person' : `${entry.approvals} people`}`
    case 'hold.released':
      return `let ${entry.userName} connect to ${entry.targetName} again`
    case 'session.ended':
      return `ended session ${entry.session}${of(entry)} on ${entry.accountName}: ${entry.reason}; recording ${entry.state}, ${entry.sizeBytes} bytes${entry.holdUntil === undefined ? '' : `; it was frozen, so its user is held off until ${entry.holdUntil}`}`
    case 'session.refused':
      return refusedSession(entry)
    case 'recording.replayed':
      return `replayed recording ${entry.recording}`
    case 'recording.exported':
      return `exported recording ${entry.recording}`
    case 'recording.verified':
      return `verified recording ${entry.recording}`
    case 'recording.packaged':
      return `made an evidence package of ${entry.cut === undefined ? '' : 'a cut of '}recording ${entry.recording}, which opens ${entry.opens === 'openly' ? 'for whoever has it' : 'with a passphrase'}`
    case 'evidence.certificate':
      return `made the certificate by which evidence is checked (${entry.fingerprint})`
    case 'recording.searched':
      return `opened the search index of recording ${entry.recording}${of(entry)} on ${entry.accountName}`
    case 'search.begun':
      return `began to search in ${entry.recordings} recordings`
    case 'campaign.started':
      return `began the access review ${quoted(entry.campaignName)} of ${entry.items} things that people may, due ${entry.dueAt}`
    case 'campaign.decided':
      return `decided in the access review ${quoted(entry.campaignName)} that ${entry.userName} ${entry.decision === 'keep' ? 'keeps' : 'loses'} ${quoted(entry.what)}: ${quoted(entry.reason)}`
    case 'campaign.signed-off':
      return `signed off the access review ${quoted(entry.campaignName)}: ${entry.kept} kept, ${entry.revoked} revoked, ${entry.undecided} not decided: ${quoted(entry.note)}`
    case 'report.made':
      return `made the report ${entry.report}${entry.targetName === undefined ? '' : ` of ${entry.targetName}`}, from ${entry.from} to ${entry.to}: SHA-256 ${entry.sha256}`
    case 'risk.marked':
      return `marked ${markedOf(entry)} (${entry.rule}): ${quoted(entry.why)}`
    case 'risk.reviewed':
      return `signed for the mark ${entry.rule} of ${markedOf(entry)}, ${entry.finding === 'explained' ? 'which is explained' : 'which is to be followed up'}: ${quoted(entry.note)}`
    case 'risk.settings-set':
      return `set by what sessions and secrets are marked: ${riskText(entry.settings)}: ${quoted(entry.reason)}`
    case 'recording.noted':
      return `wrote a note on recording ${entry.recording}${of(entry)} on ${entry.accountName}`
    case 'recording.reviewed':
      return `reviewed recording ${entry.recording}${of(entry)} on ${entry.accountName}: ${quoted(entry.note)}`
    case 'auditor.list':
      return `set list ${entry.version} of the auditors (${entry.names.join(', ')}), ${entry.fingerprint}`
    case 'auditor.proven':
      return `proved to be auditor ${entry.name}`
    case 'audit.verified':
      return `verified the audit log: ${entry.sentence}`
    case 'audit.exported':
      return `exported entries ${entry.from} to ${entry.to} of the audit log`
    case 'audit.proven':
      return `exported ${entry.count === 1 ? 'one entry' : `${entry.count} entries`} of the audit log from ${entry.from} to ${entry.to}, with proofs`
    case 'audit.indexed':
      return `made ${count(entry.rows, 'missing row')} of the index of the audit log`
    case 'audit.reindexed':
      return 'had the index of the audit log made anew'
    case 'backup.drilled': {
      const proven = `${count(entry.secrets, 'secret')} opened, the log of ${entry.entries} entries and ${count(entry.recordings, 'recording')} verified in ${entry.seconds} s`
      return `restored the backup of ${entry.createdAt} for trial: ${entry.ok ? proven : 'it is not whole'}`
    }
    case 'backup.read':
      return `read ${entry.rows} rows of ${entry.table} for a backup`
    case 'refused':
      return `was refused ${entry.verb} (${entry.code}): ${entry.why}`
    default:
      return unknown(entry)
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function companyNow(entry: Extract<Entry, { kind: 'company.added' | 'company.changed' }>): string {
  const terms = entry.termsDigest === undefined ? 'no terms' : `terms SHA-256 ${entry.termsDigest}`
  return `${entry.companyName}: contract until ${entry.contractEndsAt}, sponsor ${entry.sponsorName}, mail at ${entry.mailDomains.join(', ')}, ${terms}`
}

function exchangedKey(entry: { readonly what: 'root' | 'safe'; readonly safeName: string }): string {
  return entry.what === 'root' ? 'the root key' : `the key of safe ${entry.safeName}`
}

/** An entry of a version that has kinds which this one has not. */
function unknown(entry: never): string {
  const { kind }: { readonly kind?: unknown } = entry
  return typeof kind === 'string' ? `did ${kind}` : unreachable(entry)
}

/** Did the user of this name do it? Nobody is named twice in a sentence. */
function isSelf({ actor }: Entry, name: string): boolean {
  return actor.kind === 'user' && actor.name === name
}

type OfUser = Extract<Entry, { readonly userName: string }>

function of(entry: OfUser): string {
  return isSelf(entry, entry.userName) ? '' : ` of ${entry.userName}`
}

function markedOf(entry: {
  readonly session?: string
  readonly userName: string
  readonly accountName: string
}): string {
  return `${entry.session === undefined ? 'the secret' : `session ${entry.session}`} of ${entry.accountName}, ${entry.userName}`
}

function keyOf({ type, fingerprint }: { readonly type: string; readonly fingerprint: string }): string {
  return `${type === '' ? '' : `${type} `}key ${fingerprint}`
}

function refusedSession(entry: Extract<Entry, { kind: 'session.refused' }>): string {
  const wanted = entry.account === '' ? entry.target : `${entry.target}/${entry.account}`
  const whom = isSelf(entry, entry.userName) ? '' : ` for ${named(entry.userName)}`
  return `was refused a session${whom} on ${named(wanted)} (${entry.code}): ${entry.why}`
}

/** A name that somebody gave: as it is where it looks like one, quoted otherwise. */
function named(text: string): string {
  return /^[\p{L}\p{N}_.\-/]+$/u.test(text) ? text : quoted(text)
}

/** A span of time to its largest unit, of milliseconds: `2 h`, `90 s`. */
function spanText(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  if (seconds < 120) return `${seconds} s`
  if (seconds < 120 * 60) return `${Math.round(seconds / 60)} min`
  return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
}

function kept(days: number | null): string {
  return days === null ? 'for good' : `for ${count(days, 'day')}`
}

function heldText({ on, ofName, matter }: { on: string; ofName: string; matter: string }): string {
  return `the ${on} ${ofName} (${matter})`
}

function because(reason: string): string {
  return reason === '' ? '' : `: ${quoted(reason)}`
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

/** SECURITY: names come from people and targets; a control character in one must not reach a terminal. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/gu,
    (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`,
  )
}

function marksText(tags: readonly string[], zone: string | null): string {
  const tagged =
    tags.length === 0 ? 'no tags' : `the ${tags.length === 1 ? 'tag' : 'tags'} ${tags.join(', ')}`
  return `${tagged} and ${zone === null ? 'no zone' : `the zone ${zone}`}`
}
