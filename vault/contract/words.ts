import type { MaskRegion } from '../kernel/mask-region.ts'

/** Words that several parts of the contract share. */

export const roles = [
  'admin',
  'approver',
  'supervisor',
  'observer',
  'operator',
  'vendor',
  'security-officer',
  'auditor',
] as const

export type Role = (typeof roles)[number]

export const permissions = [
  'use',
  'reveal',
  'approve',
  'supervise',
  'observe',
  'manage',
  'replay',
  'break-glass',
] as const

export type Permission = (typeof permissions)[number]

export const actions = [
  'shell',
  'exec',
  'sftp-read',
  'sftp-write',
  'forward',
  'elevate',
  'observe',
  'interact',
  'type-in',
  'clipboard-in',
  'clipboard-out',
] as const

export type Action = (typeof actions)[number]

/** What a limit of the policy limits, all of it where it names nothing: to see a secret, too. */
export const ruleActions = [...actions, 'reveal'] as const

/** What a rule of the policy can let people do: the same, and watch others do it. */
export const allowedActions = [...ruleActions, 'watch'] as const

export type RuleAction = (typeof allowedActions)[number]

/** What a target is spoken with where people are let in to it. */
export const sessionProtocols = ['ssh', 'rdp', 'vnc', 'telnet'] as const

export type SessionProtocol = (typeof sessionProtocols)[number]

/**
 * What a target is spoken with that opens no session: a directory, a database, the web API of a device. Its accounts are
 * kept and rotated, and revealed where the policy allows it.
 */
export const rotatedProtocols = ['ldap', 'postgresql', 'mysql', 'https'] as const

export type RotatedProtocol = (typeof rotatedProtocols)[number]

/** What a target is spoken with. */
export const protocols = [...sessionProtocols, ...rotatedProtocols] as const

export type Protocol = (typeof protocols)[number]

/** Whether people can be let in to a target that is spoken with so. */
export function opensSessions(protocol: Protocol): protocol is SessionProtocol {
  return (sessionProtocols as readonly Protocol[]).includes(protocol)
}

/** What can be done with a desktop's clipboard: a text onto it, and one off it. */
export const clipboardActions: readonly Action[] = ['clipboard-in', 'clipboard-out']
/**
 * What can be done on a desktop: see it, use it, have linked secrets typed into it, and have texts on its clipboard, or off
 * it. Everything else is of SSH, where what is pasted is typed, and what is shown can be copied; files are of both.
 */
export const desktopActions: readonly Action[] = ['observe', 'interact', 'type-in', ...clipboardActions]
/** Files off a machine, and onto it: by SSH, beside a desktop where its account names who carries them. */
export const fileActions: readonly Action[] = ['sftp-read', 'sftp-write']
/** What of that is proposed where nobody has chosen: nothing leaves it, and nothing comes there but by its keys. */
export const usualDesktopActions: readonly Action[] = ['observe', 'interact']
/** What is asked of the vault for each act, and held to its limits then. */
export const releasingActions: readonly Action[] = ['elevate', 'type-in']

/** The ways of a desktop's clipboard, as actions are named: `in` from the user to the machine, `out` back. */
export const clipboardWays = ['in', 'out'] as const

export type ClipboardWay = (typeof clipboardWays)[number]

/** Whether an action is one of a target that is spoken with so. */
export function fitsProtocol(action: Action, protocol: Protocol): boolean {
  if (!opensSessions(protocol)) return false
  return fileActions.includes(action) || desktopActions.includes(action) === isDesktop(protocol)
}

/** Whether a session is opened for it there. A desktop's files go beside its picture, in the session of that. */
export function beginsSession(action: Action, protocol: Protocol): boolean {
  return isDesktop(protocol) ? desktopActions.includes(action) : fitsProtocol(action, protocol)
}

/** Whether what a session may do lets files go beside its desktop, either way: who only looks carries none. */
export function carriesFiles(actions: readonly Action[]): boolean {
  return actions.includes('interact') && actions.some((action) => fileActions.includes(action))
}

export type DesktopProtocol = Exclude<SessionProtocol, 'ssh'>

/** Whether it is shown as pictures, through guacd: a terminal of Telnet is, too. */
export function isDesktop(protocol: Protocol): protocol is DesktopProtocol {
  return opensSessions(protocol) && protocol !== 'ssh'
}

/** How RDP is secured: by a login before the desktop, by TLS alone, or by neither, as before 2003. */
export const rdpSecurities = ['nla', 'tls', 'rdp'] as const

export type RdpSecurity = (typeof rdpSecurities)[number]

/** The keyboards that a machine of RDP can be told to expect, as guacd names them. */
export const keyboards = [
  'en-us-qwerty',
  'en-gb-qwerty',
  'da-dk-qwerty',
  'de-ch-qwertz',
  'de-de-qwertz',
  'es-es-qwerty',
  'es-latam-qwerty',
  'fr-be-azerty',
  'fr-ch-qwertz',
  'fr-fr-azerty',
  'hu-hu-qwertz',
  'it-it-qwerty',
  'ja-jp-qwerty',
  'pt-br-qwerty',
  'sv-se-qwerty',
  'tr-tr-qwerty',
  'failsafe',
] as const

export type Keyboard = (typeof keyboards)[number]

/** How a machine is logged in to where its protocol leaves that open. What is not named is the usual. */
export type DesktopSettings = {
  /** Of RDP; `nla` where it is not named. */
  readonly security?: RdpSecurity
  /** Of RDP; `en-us-qwerty` where it is not named. */
  readonly keyboard?: Keyboard
  /** Of Telnet: how the line ends on which it asks for a name, and for a password. */
  readonly userPrompt?: string
  readonly passwordPrompt?: string
}

export type { MaskRegion }

/** What of a machine's screen its recordings do not hold, and why. */
export type Mask = { readonly regions: readonly MaskRegion[]; readonly reason: string }

/** Regions that a mask has at most. */
export const mostRegions = 8

/** What tells such a target from another machine: a host key, a certificate, or nothing. */
export function identityOf(
  protocol: Protocol,
  settings: DesktopSettings | null,
): 'host key' | 'certificate' | 'nothing' {
  if (protocol === 'ssh') return 'host key'
  if (!opensSessions(protocol)) return 'certificate'
  return protocol === 'rdp' && settings?.security !== 'rdp' ? 'certificate' : 'nothing'
}

export { unverified } from '../kernel/unverified.ts'

export const verdicts = ['approve', 'deny'] as const

export type Verdict = (typeof verdicts)[number]

export const requestStates = ['open', 'approved', 'denied', 'withdrawn', 'expired'] as const

/** At whose prompt a secret of the vault is typed, on the user's act. */
export const elevationKinds = ['sudo', 'su', 'enable'] as const

export type ElevationKind = (typeof elevationKinds)[number]

/** `counts`: bytes and times of each connection; `stream`: all that passed too. */
export const forwardRecords = ['counts', 'stream'] as const

/** One destination that a grant lets its user reach through the target. */
export type ForwardRule = {
  readonly host: string
  readonly port: number
  readonly record: (typeof forwardRecords)[number]
  /** Connections at a time. */
  readonly connections: number
  /** Of both directions, in one session (10^6 bytes); null: no limit. */
  readonly megabytes: number | null
}

/** What a forwarding session has carried. Counts are those of its end; null while it lives. */
export type ForwardView = {
  readonly to: string
  readonly connections: number | null
  readonly bytesUp: number | null
  readonly bytesDown: number | null
}

export const ticketUses = ['ssh', 'connect'] as const

export const inputPolicies = ['echoed', 'full', 'timing_only'] as const

export type InputPolicy = (typeof inputPolicies)[number]

/**
 * Classes of algorithms that nobody should speak any more and that old machines have nothing instead of. A target is
 * allowed those that it needs, one by one; nothing else is.
 */
export const legacyAlgorithms = [
  'group1-sha1',
  'group14-sha1',
  'gex-sha1',
  'ssh-rsa',
  'ssh-dss',
  'aes-cbc',
  '3des-cbc',
  'hmac-sha1',
  'hmac-md5',
] as const

export type LegacyAlgorithm = (typeof legacyAlgorithms)[number]

/** In which form a receiver gets the audit log. See docs/siem.md. */
export const siemFormats = ['rfc5424', 'cef', 'ocsf', 'json'] as const
export type SiemFormat = (typeof siemFormats)[number]

/** The evidence packs. */
export const reportNames = [
  'asset-access',
  'vendor-sessions',
  'exposure-ledger',
  'entitlements',
  'break-glass',
  'recording-coverage',
  'integrity',
  'password-age',
  'time-sync',
  'offboarding',
  'who-watched-whom',
  'access-reviews',
] as const
export type ReportName = (typeof reportNames)[number]

/** What marks something. Each says why in a sentence, with the facts that it looked at; none adds up points. */
export const riskRules = [
  'first-time',
  'off-hours',
  'dormant-vendor',
  'volume-spike',
  'refused-act',
  'recording-gap',
  'reveal-unrotated',
] as const
export type RiskRule = (typeof riskRules)[number]

/** What somebody found: it has a good reason, or something is to be done about it. */
export const riskFindings = ['explained', 'follow-up'] as const
export type RiskFinding = (typeof riskFindings)[number]

/** Of what a search of recordings can ask: any mark, one that nobody has reviewed, or one of a rule. */
export const riskAsked = ['any', 'open', ...riskRules] as const
export type RiskAsked = (typeof riskAsked)[number]

export const recordingStates = ['recording', 'complete', 'incomplete', 'tampered'] as const

export type RecordingState = (typeof recordingStates)[number]

/** And what became of it: two people had it destroyed, or its file is gone although nobody did. */
export const shownStates = [...recordingStates, 'destroyed', 'missing'] as const

export type ShownState = (typeof shownStates)[number]

/** What a legal hold can be on; of a person or a safe it holds what is recorded later, too. */
export const heldKinds = ['recording', 'session', 'person', 'safe'] as const

export type HeldKind = (typeof heldKinds)[number]

/** Megabytes (10^6) that the files of one session may carry, both ways together, where its target says nothing else. */
export const usualFileMegabytes = 10_000

/** Why a session ended. */
export const endReasons = [
  'finished', // what ran on the target ended by itself
  'closed by the user',
  'closed by the target', // the connection, under what still ran
  'terminated',
  'user disabled',
  'grant revoked',
  'time is up',
  'vault sealed',
  'recording failed',
  'quota reached',
  'target unreachable',
  'target refused the credential',
  'target key changed',
  'recorder crashed',
  'protocol error',
  'vault away too long',
  'shut down',
] as const

export type EndReason = (typeof endReasons)[number]

/** What the audit log says of a recording itself: that it began and ended, and who looked at it or gave it away since. */
export const custodyKinds = [
  'session.started,session.watched,session.watch-ended,session.ended',
  'recording.searched,recording.replayed,recording.exported,recording.verified,recording.packaged,recording.noted,recording.reviewed',
].join()
