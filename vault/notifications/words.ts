import { unreachable } from '../kernel/outcome.ts'
import { count } from '../kernel/count.ts'
import { whoText } from '../kernel/who.ts'
import type { About } from './about.ts'

/**
 * One sentence that says all: the subject of a mail, and `text` of a webhook.
 *
 * SECURITY: one line, whatever a name holds, and nothing in it turns the direction of the text.
 */
export function sentenceOf(about: About): string {
  return oneLine(sentence(about))
}

function sentence(about: About): string {
  switch (about.kind) {
    case 'request.asked':
      return about.extends === undefined
        ? `${about.user} asks for ${about.account} for ${span(about.forSeconds)}`
        : `${about.user} asks for ${span(about.forSeconds)} more on ${about.account}`
    case 'request.unanswered':
      return `${about.user} has waited ${about.minutes} min for an answer about ${about.account}`
    case 'request.decided':
      return `the request of ${about.user} for ${about.account} was ${about.verdict} by ${about.by}`
    case 'request.expired':
      return `nobody answered the request of ${about.user} for ${about.account} in time`
    case 'request.withdrawn':
      return `${about.user} withdrew the request for ${about.account}`
    case 'policy.asked':
      return `${whoText(about.user)} asks for another policy: ${count(about.changes, 'change')}`
    case 'policy.unanswered':
      return `${whoText(about.user)} has waited ${about.hours} h for an answer about another policy`
    case 'policy.decided':
      return `the policy that ${whoText(about.user)} asked for was ${about.verdict === 'applied' ? 'put in force' : 'withdrawn'} by ${whoText(about.by)}`
    case 'policy.alone':
      return `${whoText(about.user)} changed the policy alone, which takes two: ${count(about.changes, 'change')}`
    case 'policy.expired':
      return `nobody answered in time for the policy that ${whoText(about.user)} asked for`
    case 'session.started':
      return `a session of ${about.user} on ${about.account} has begun`
    case 'session.ended':
      return `a session of ${about.user} on ${about.account} has ended: ${about.how}`
    case 'session.terminated':
      return `the session of ${about.user} on ${about.account} was terminated by ${whoText(about.by)}`
    case 'hold.placed':
      return `${about.user} is held off ${about.account}: a frozen session ended`
    case 'lease.taken-back':
      return `${about.account} was taken back from ${about.user} by ${whoText(about.by)}`
    case 'lease.kept':
      return `${about.account} is free for ${about.user} now`
    case 'lease.passed-over':
      return `${about.account} was kept for ${about.user}, who did not take it in time`
    case 'handover.offered':
      return `${about.user} wants to hand ${about.account} over to ${about.to}`
    case 'handover.ended':
      return about.how === 'expired'
        ? `${about.to} did not take ${about.account} over from ${about.user} in time`
        : `${about.to} ${about.how === 'accepted' ? 'took' : 'declined to take'} ${about.account} over from ${about.user}`
    case 'breakglass.opened':
      return `ALARM: ${about.user} broke the glass for ${about.account}`
    case 'breakglass.reviewed':
      return `the break-glass of ${about.user} for ${about.account} was reviewed by ${about.by}`
    case 'company.contract-ends':
      return about.days === 0
        ? `the contract of ${about.company} has ended`
        : `the contract of ${about.company} ends ${about.days === 1 ? 'within a day' : `in ${about.days} days or less`}`
    case 'user.mail-changed':
      return `the mail address of ${about.user} was changed by ${whoText(about.by)}`
    case 'user.link-made':
      return `${whoText(about.by)} made a link that replaces the password and second factor of ${about.user}`
    case 'user.key-added':
      return `${whoText(about.by)} registered an SSH key for ${about.user}`
    case 'user.codes-renewed':
      return `${about.user} made new recovery codes: those before are good no longer`
    case 'user.passkey-added':
      return `${about.user} registered a passkey`
    case 'user.code-used':
      return `${about.user} signed in with a recovery code: ${about.left} left`
    case 'rotation.stuck':
      return about.phase === 'unknown'
        ? `the machine of ${about.account} takes neither its old nor its new credential`
        : `the rotation of ${about.account} needs a person`
    case 'rotation.drift':
      return `the credential of ${about.account} is not the one that its machine takes`
    case 'rotation.leaked':
      return `${whoText(about.by)} says that the secret of ${about.account} has leaked`
    case 'rotation.task-opened':
      return `a task: ${taskText(about)}`
    case 'rotation.task-asked':
      return `somebody asks to see the new secret of ${about.account}, to set it by hand`
    case 'rotation.task-due':
      return `due by ${minute(about.dueAt)}: ${taskText(about)}`
    case 'rotation.task-overdue':
      return `overdue since ${minute(about.dueAt)}: ${taskText(about)}`
    case 'campaign.asked':
      return `you are asked who still needs what, by ${minute(about.dueAt)}: ${about.name}`
    case 'campaign.due':
      return `due by ${minute(about.dueAt)}: the access review ${about.name}`
    case 'campaign.overdue':
      return `overdue since ${minute(about.dueAt)}: the access review ${about.name}`
    case 'destruction.asked':
      return `${whoText(about.user)} asks to have ${count(about.recordings, 'recording')} destroyed`
    case 'destruction.decided':
      return `the destruction of ${count(about.recordings, 'recording')} that ${whoText(about.user)} asked for was ${about.verdict} by ${whoText(about.by)}`
    case 'recording.missing':
      return `ALARM: ${count(about.recordings, 'recording')} gone that nobody had destroyed: ${ofWhom(about)}`
    case 'recording.found-again':
      return `${count(about.recordings, 'recording')} found again: ${ofWhom(about)}`
    case 'test':
      return `a test, asked for by ${whoText(about.by)}`
    default:
      return unreachable(about)
  }
}

/** What to do about it: a line or two below the sentence. Empty where there is nothing. */
export function adviceOf(about: About): readonly string[] {
  switch (about.kind) {
    case 'request.asked':
    case 'request.unanswered':
      return [`It can be answered until ${minute(about.expiresAt)}, under Requests in the console.`]
    case 'request.decided':
      return about.verdict === 'approved'
        ? ['Connect from My access in the console, or as its command there says.']
        : ['What was said to it is under Requests in the console.']
    case 'request.expired':
      return ['Ask again, or talk to an approver.']
    case 'policy.asked':
    case 'policy.unanswered':
      return [
        `It can be put in force or withdrawn until ${minute(about.expiresAt)}, under Policy in the console.`,
        'Look at what it changes before you approve it: the audit log says where it was asked for.',
      ]
    case 'policy.decided':
      return about.verdict === 'applied'
        ? ['What is in force is under Policy in the console.']
        : ['The policy in force stays as it was.']
    case 'policy.alone':
      return [
        `Version ${about.version} is in force, and under Policy in the console: see what it changes.`,
        'Was there no second administrator? The audit log says who was turned off, and by whom.',
      ]
    case 'policy.expired':
      return ['Ask again, and talk to another administrator: tagout policy apply FILE.']
    case 'session.terminated':
    case 'hold.placed':
      return about.holdUntil === null
        ? ['The reason was shown in the session, and is in the audit log.']
        : [
            `The target stays closed to ${about.user} until ${minute(about.holdUntil)}, or until somebody lifts it.`,
          ]
    case 'company.contract-ends':
      return about.days === 0
        ? ['Nobody of it can sign in or connect any more. Renew it, or take the company off, under Vendors.']
        : [
            `It ends at ${minute(about.contractEndsAt)}: grants and sessions of its people end with it.`,
            'Renew it under Vendors, or let it end.',
          ]
    case 'lease.kept':
      return [`It is kept until ${minute(about.until)}: connect, or check it out, under My access.`]
    case 'lease.passed-over':
      return ['Whoever waits next has it now. Join the queue again under My access if you still need it.']
    case 'handover.offered':
      return [`It can be taken over until ${minute(about.expiresAt)}, under My access in the console.`]
    case 'breakglass.opened':
      return [
        `They let themselves in, until ${minute(about.until)}, on nobody’s approval. Their sessions are recorded.`,
        'Watch, freeze or terminate them under Sessions; when it is over, review it under Break-glass in the console.',
      ]
    case 'lease.taken-back':
      return ['The reason was shown in the sessions that ended with it, and is in the audit log.']
    case 'user.mail-changed':
    case 'user.link-made':
    case 'user.key-added':
    case 'user.codes-renewed':
    case 'user.code-used':
    case 'user.passkey-added':
      return ['If you do not know of this, tell an administrator at once: somebody may be taking your place.']
    case 'rotation.stuck':
      return [
        `Both credentials are kept. What to do is in: tagout rotation show ${about.rotation}.`,
        'Until then sessions get the one that the machine is likeliest to take, or none.',
      ]
    case 'rotation.drift':
      return [
        'Somebody changed it on the machine, or an earlier one came back with a download or a restore.',
        `What was seen is in: tagout rotation show ${about.rotation}.`,
      ]
    case 'rotation.leaked':
      return [
        'Whether it is changed by itself, and what stands before that, is under Rotation in the console.',
      ]
    case 'rotation.task-opened':
    case 'rotation.task-due':
    case 'rotation.task-overdue':
      return [
        `What is to be done is under Rotation in the console, and in: tagout rotation tasks.`,
        'Until then the present secret stays in use.',
      ]
    case 'rotation.task-asked':
      return ['Look at who asks and in which session, then approve it under Rotation in the console.']
    case 'campaign.asked':
    case 'campaign.due':
    case 'campaign.overdue':
      return ['Say under Access reviews in the console what each keeps, and why.']
    case 'destruction.asked':
      return [
        'It takes a second person, one of the two an auditor: approve or withdraw it under Retention in the console.',
        'What is approved is gone for good.',
      ]
    case 'destruction.decided':
      return about.verdict === 'approved'
        ? ['What is destroyed leaves a signed tombstone: tagout destruction list --all.']
        : ['The recordings stay, and are due still.']
    case 'recording.missing':
      return [
        `Look at its disk first; all of them are in: tagout recording find --state missing.`,
        'If nobody can say where they went, treat it as a theft of evidence: the audit log still says who did what in them.',
      ]
    case 'recording.found-again':
      return ['Have it verified before it counts: tagout recording verify.']
    case 'test':
      return ['It arrived: nothing is to be done.']
    default:
      return []
  }
}

function ofWhom(about: {
  readonly recordings: number
  readonly user: string
  readonly account: string
}): string {
  const others = about.recordings - 1
  return `${about.user} on ${about.account}${others === 0 ? '' : `, and ${count(others, 'other')}`}`
}

function taskText(about: { readonly account: string; readonly place: string }): string {
  return about.place === ''
    ? `the password of ${about.account} is to be changed by hand`
    : `${about.place} is to take the new secret of ${about.account}`
}

/** A duration in the two largest of its units. */
function span(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60))
  const parts = [
    [Math.floor(minutes / 1440), 'd'],
    [Math.floor(minutes / 60) % 24, 'h'],
    [minutes % 60, 'min'],
  ] as const
  const shown = parts.filter(([count]) => count > 0).slice(0, 2)
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ')
}

function minute(moment: string): string {
  return `${moment.slice(0, 16).replace('T', ' ')} UTC`
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]+/gu, ' ')
}
