import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import {
  base64,
  freshCode,
  id,
  loginName,
  moment,
  nameText,
  nothing,
  passkeyProof,
  people,
  reason,
  reference,
  sealed,
  seconds,
  type Verb,
  verb,
} from './shapes.ts'
import { mostPixels } from '../kernel/mask-region.ts'
import {
  type DesktopSettings,
  type ElevationKind,
  elevationKinds,
  type InputPolicy,
  inputPolicies,
  keyboards,
  type LegacyAlgorithm,
  legacyAlgorithms,
  type Mask,
  mostRegions,
  type Permission,
  permissions,
  type Protocol,
  rdpSecurities,
} from './words.ts'

/** What can be asked about safes, targets, accounts and who has seen their secrets. */

/** Who is written to about a safe. */
export type SafeNotifications = {
  /** Minutes after which people are reminded of a request that nobody answered; null: never. */
  readonly unansweredMinutes: number | null
  /** Who is told then, beside the approvers; null: the administrators. */
  readonly escalateTo: string | null
  /** Are the approvers written to when a session begins and ends? */
  readonly sessions: boolean
}

export const closeOutWanted = ['none', 'asked', 'required'] as const
export type CloseOutWanted = (typeof closeOutWanted)[number]

export type SafeView = {
  readonly id: Id<'saf'>
  readonly name: string
  readonly inputPolicy: InputPolicy
  /** Is a user told in their terminal who watches them? */
  readonly watchNotice: boolean
  /** How many people must approve a request for one of its accounts. */
  readonly approvals: number
  /** Do users say what they did, after a check-out? `required`: before the next one. */
  readonly closeOut: CloseOutWanted
  readonly notifications: SafeNotifications
  /** Days within which a secret that somebody has seen is rotated. */
  readonly exposureDays: number
  /** For how long members with `break-glass` may let themselves in, and who is alarmed; null: they may not. */
  readonly breakGlass: { readonly minutes: number; readonly alarms: readonly string[] } | null
  readonly targets: number
  readonly accounts: number
  readonly members: readonly { readonly user: string; readonly permissions: readonly Permission[] }[]
  readonly createdAt: string
}

export type TargetView = {
  readonly id: Id<'tgt'>
  readonly name: string
  readonly safe: string
  readonly protocol: Protocol
  readonly host: string
  readonly port: number
  /** Pinned host keys: `SHA256:…`. Empty: nobody can connect until one is approved. */
  readonly pins: readonly {
    readonly type: string
    readonly fingerprint: string
    readonly approvedBy: string
  }[]
  /** A key other than the pinned one, seen and refused; cleared by pinning. */
  readonly changedKey: { readonly type: string; readonly fingerprint: string; readonly seenAt: string } | null
  /** Old algorithms that it may be spoken with until a day; null: modern ones alone. */
  readonly legacy: {
    readonly algorithms: readonly LegacyAlgorithm[]
    readonly reason: string
    readonly until: string
    readonly isExpired: boolean
    readonly allowedBy: string
    readonly allowedAt: string
  } | null
  /** How it is logged in to, where its protocol leaves that open; null: as usual. */
  readonly desktop: DesktopSettings | null
  /** What of its screen is not recorded, and who said so; null: all is recorded. */
  readonly mask: (Mask & { readonly setBy: string }) | null
  /** Megabytes (10^6) that the files of one session may carry, both ways together; null: as usual. */
  readonly fileMegabytes: number | null
  /** What rules of the policy may name it by. */
  readonly tags: readonly string[]
  readonly zone: string | null
  readonly createdAt: string
}

export type AccountView = {
  readonly id: Id<'acc'>
  readonly name: string // `press-3/engineer`
  readonly target: string
  readonly protocol: Protocol
  readonly login: string
  readonly safe: string
  readonly credential: {
    readonly kind: 'password' | 'ssh-key'
    readonly version: number
    readonly at: string
  } | null
  /** Targets whose present identity this account is bound to. */
  readonly boundTo: readonly string[]
  /** What is typed, on the user's act, at the prompt of `kind`: the secret of `account`. */
  readonly elevation: { readonly kind: ElevationKind; readonly account: string } | null
  /** Accounts whose secrets are typed into its desktop, on the user's act. */
  readonly typeIns: readonly string[]
  /** The account by whose login files go beside its desktop; null: none do. */
  readonly files: string | null
  readonly holder: {
    readonly user: string
    readonly until: string | null
    readonly exclusive: boolean
  } | null
  readonly createdAt: string
}

export const exposureCauses = ['reveal', 'typed in', 'rotation task', 'break-glass', 'off-boarding'] as const
export type ExposureView = {
  readonly id: Id<'exp'>
  readonly user: string
  /** The company that they represent; null for everybody else. */
  readonly company: string | null
  readonly account: string
  readonly safe: string
  readonly version: number
  readonly at: string
  readonly reason: string
  /** `off-boarding`: they have seen it, and were taken off since. */
  readonly cause: (typeof exposureCauses)[number]
  /** By when it has to be rotated; null: it was, or there is nothing to rotate. */
  readonly rotationDueAt: string | null
  readonly isOverdue: boolean
  /** When another version took its place. */
  readonly rotatedAt: string | null
  /** Who set another date than the safe's, and why; null: nobody. */
  readonly dueSet: { readonly by: string; readonly at: string; readonly reason: string } | null
}

/** What a certificate says of itself, which nobody has checked: whose it is, who signed it, from when and until when. */
export type CertificateFacts = {
  readonly subject: string
  readonly issuer: string
  readonly notBefore: string
  readonly notAfter: string
}

/**
 * A host key that a target presents, or the certificate (`x509`) of one of RDP. `needs`: the old algorithms without which
 * no session with it comes about.
 */
export type ScannedKey = {
  readonly type: string
  readonly fingerprint: string
  readonly needs: readonly LegacyAlgorithm[]
  /** Of a certificate that can be read. */
  readonly certificate?: CertificateFacts
}

export type HostKeySeen = ScannedKey & { readonly key: string }

/** A tag or a zone, in small letters: rules tell them apart by these. */
const mark = nameText.transform((text) => text.toLowerCase())
const tags = z
  .array(mark)
  .max(32, 'a target has 32 tags at most')
  .transform((all) => [...new Set(all)].sort())

/** How a line ends on which a machine of Telnet asks for something. SECURITY: text, and no pattern that could be slow. */
const prompt = z
  .string()
  .trim()
  .min(1)
  .max(40, 'a prompt has 40 characters at most')
  .regex(/^[\x20-\x7e]+$/, 'a prompt is of ASCII characters')

const desktop = z.strictObject({
  security: z.enum(rdpSecurities).optional(),
  keyboard: z.enum(keyboards).optional(),
  userPrompt: prompt.optional(),
  passwordPrompt: prompt.optional(),
})

const pixel = z.int().min(0).max(mostPixels)
const maskRegion = z.strictObject({
  unit: z.enum(['pixels', 'percent']),
  x: pixel,
  y: pixel,
  width: pixel.min(1),
  height: pixel.min(1),
})

export const safesVerbs = {
  'safe.add': verb(people, z.strictObject({ name: nameText, inputPolicy: z.enum(inputPolicies).optional() })),
  /** Whether users are told in their terminal who watches them. */
  'safe.watchNotice': verb(people, z.strictObject({ safe: reference, shown: z.boolean() })),
  /** How many people must approve a request for an account of the safe. */
  'safe.closeOut': verb(people, z.strictObject({ safe: reference, closeOut: z.enum(closeOutWanted) })),
  'safe.approvals': verb(
    people,
    z.strictObject({ safe: reference, approvals: z.int().min(1).max(5), totpCode: freshCode }),
  ),
  /** Who is written to about the safe. What is not given stays as it is. */
  'safe.notifications': verb(
    people,
    z.strictObject({
      safe: reference,
      unansweredMinutes: z
        .int()
        .min(1, 'a minute at least')
        .max(24 * 60, 'a day at most')
        .nullable()
        .optional(),
      escalateTo: reference.nullable().optional(),
      sessions: z.boolean().optional(),
    }),
  ),
  /** For how long members with `break-glass` may let themselves in, and who is alarmed; null: they may not. */
  'safe.breakGlass': verb(
    people,
    z.strictObject({
      safe: reference,
      minutes: z
        .int()
        .min(5, 'five minutes at least')
        .max(24 * 60, 'a day at most')
        .nullable(),
      alarms: z.array(reference).min(2, 'name two people at least').max(20).optional(), // with minutes
      totpCode: freshCode,
    }),
  ),
  /** Days within which a secret of the safe that somebody has seen is rotated: fewer freely, more with a reason. */
  'safe.exposure': verb(
    people,
    z.strictObject({
      safe: reference,
      days: z.int().min(1, 'a day at least').max(366, 'a year at most'),
      reason: z.string().trim().min(1, 'say why').max(500).optional(),
    }),
  ),
  'safe.list': verb(people, nothing),
  'safe.member.set': verb(
    people,
    z.strictObject({
      safe: reference,
      user: reference,
      permissions: z.array(z.enum(permissions)).max(permissions.length),
      totpCode: freshCode, // where reveal, approve, manage or break-glass is added
    }),
  ),
  'target.add': verb(
    people,
    z.strictObject({
      name: nameText,
      safe: reference,
      address: z.string().max(300), // ssh://host[:port]
      pin: z.string().max(100).optional(), // SHA256:…
      desktop: desktop.optional(),
      tags: tags.optional(),
      zone: mark.optional(),
    }),
  ),
  /** What rules of the policy may name it by: in place of what it was. What is not given stays as it is. */
  'target.change': verb(
    people,
    z.strictObject({
      target: reference,
      tags: tags.optional(),
      zone: mark.nullable().optional(),
      fileMegabytes: z.int().min(1).max(10_000_000).nullable().optional(),
      totpCode: freshCode,
    }),
  ),
  'target.list': verb(people, nothing),
  'target.show': verb(people, z.strictObject({ target: reference })),
  /** Where it answers, and how it is logged in to there (left out: as before). */
  'target.address': verb(
    people,
    z.strictObject({ target: reference, address: z.string().max(300), desktop: desktop.optional() }),
  ),
  /** Has a recorder fetch the host keys, or the certificate, that the target presents now. Nothing is pinned. */
  'target.scan': verb(people, z.strictObject({ target: reference })),
  /** Pins a host key (replacing earlier ones). Accounts that were bound to the target until now follow it. */
  'target.pin': verb(people, z.strictObject({ target: reference, fingerprint: z.string().max(100) })),
  /**
   * Allows a target old algorithms, in place of those that it was allowed: a reason and an end are needed. None takes
   * them all back.
   */
  'target.legacy': verb(
    people,
    z.strictObject({
      target: reference,
      algorithms: z.array(z.enum(legacyAlgorithms)).max(legacyAlgorithms.length),
      reason,
      until: moment.optional(),
      forSeconds: seconds.optional(), // one of until and forSeconds
    }),
  ),
  /** Says what of the target's screen is not recorded from the next session on, and why. No regions: all is recorded again. */
  'target.mask': verb(
    people,
    z.strictObject({
      target: reference,
      regions: z.array(maskRegion).max(mostRegions),
      reason,
      totpCode: freshCode,
    }),
  ),
  'target.remove': verb(people, z.strictObject({ target: reference })),
  'account.add': verb(
    people,
    z.strictObject({
      target: reference,
      login: loginName,
      credential: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('password'), sealed }),
        z.strictObject({ kind: z.literal('ssh-key'), sealed, sealedPassphrase: sealed.optional() }),
      ]),
    }),
  ),
  'account.list': verb(people, nothing),
  'account.show': verb(people, z.strictObject({ account: reference })),
  'account.secret': verb(
    people,
    z.strictObject({
      account: reference,
      credential: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('password'), sealed }),
        z.strictObject({ kind: z.literal('ssh-key'), sealed, sealedPassphrase: sealed.optional() }),
      ]),
    }),
  ),
  /** Binds the account to a target as it is now. Where it was not bound to until now: with `manage` and `reveal`. */
  'account.bind': verb(people, z.strictObject({ account: reference, target: reference.optional() })),
  /** Names whose secret is typed at the prompt of sudo, su or enable; null takes it back. */
  'account.elevation': verb(
    people,
    z.strictObject({
      account: reference,
      elevation: z.strictObject({ kind: z.enum(elevationKinds), account: reference }).nullable(),
    }),
  ),
  /** Names all whose secrets are typed into desktops of the account. */
  'account.type-ins': verb(
    people,
    z.strictObject({ account: reference, secrets: z.array(reference).max(16) }),
  ),
  /** Names by whose login, of SSH on the same machine, files go beside desktops of the account; null: nobody's. */
  'account.files': verb(people, z.strictObject({ account: reference, files: reference.nullable() })),
  'account.remove': verb(people, z.strictObject({ account: reference })),
  /** The secret, sealed to the asking client's one-time X25519 key. Needs `reveal` and a fresh TOTP code. */
  'account.reveal': verb(
    ['user'],
    z.strictObject({
      account: reference,
      boxKey: base64,
      totpCode: z.union([z.string().max(16), passkeyProof]),
      reason: z.string().min(1).max(500),
    }),
  ),
  /** Of one account, one person or one company's people; left out: of all. */
  'exposure.list': verb(
    people,
    z.strictObject({
      account: reference.optional(),
      user: reference.optional(),
      company: reference.optional(),
    }),
  ),
  /** By when an exposed secret is to be rotated: earlier freely, later with a reason. */
  'exposure.due': verb(
    people,
    z.strictObject({
      exposure: id('exp'),
      dueAt: moment,
      reason: z.string().trim().min(1, 'say why').max(500).optional(),
    }),
  ),
} as const satisfies Record<string, Verb>

export type SafesAnswers = {
  'safe.add': SafeView
  'safe.watchNotice': SafeView
  'safe.closeOut': SafeView
  'safe.approvals': SafeView
  'safe.notifications': SafeView
  'safe.breakGlass': SafeView
  'safe.list': readonly SafeView[]
  'safe.member.set': SafeView
  'target.add': TargetView
  'target.list': readonly TargetView[]
  'target.show': TargetView
  'target.change': TargetView
  'target.address': TargetView
  'target.scan': readonly ScannedKey[]
  'target.pin': TargetView
  'target.legacy': TargetView
  'target.mask': TargetView
  'target.remove': null
  'account.add': AccountView
  'account.list': readonly AccountView[]
  'account.show': AccountView
  'account.secret': AccountView
  'account.bind': AccountView
  'account.elevation': AccountView
  'account.type-ins': AccountView
  'account.files': AccountView
  'account.remove': null
  'account.reveal': { readonly sealed: string; readonly version: number }
  'safe.exposure': SafeView
  'exposure.list': readonly ExposureView[]
  'exposure.due': ExposureView
}
