import { z } from 'zod'
import { acceptRollback, nameText, nothing, people, reference, rehearse, type Verb, verb } from './shapes.ts'
import { type Enrolment } from './users.ts'

/** What can be asked about the vault itself: its state, ways to unseal it, its keys. */

export const sealKinds = ['passphrase', 'key-file', 'recovery', 'custodians', 'pkcs11', 'plug-in'] as const

/** Ways to unseal the vault. */
export type SealKind = (typeof sealKinds)[number]

export type SharesView = {
  readonly set: string // K3F9-21XX
  readonly threshold: number
  readonly given: readonly { readonly index: number; readonly name: string }[]
  readonly missing: readonly string[]
  readonly until: string
}

export type SealView = {
  readonly id: string
  readonly kind: SealKind
  readonly createdAt: string
  /** The root key can be exchanged without it; otherwise it must unseal the vault once before. */
  readonly followsRotation: boolean
  readonly path: string | null
  /** What is outside of the vault: a key in a token, or a plug-in. */
  readonly outside: string | null
  /** Opens the vault at a start without a person. */
  readonly byItself: boolean
  readonly custodians: {
    readonly set: string
    readonly threshold: number
    readonly names: readonly string[]
  } | null
  /** When a rehearsal last showed that it opens the root key; null: none has, of which the log can vouch. */
  readonly rehearsedAt: string | null
}

export type RotationView = {
  readonly id: string
  readonly what: 'root' | 'safe'
  readonly safe: string | null
  readonly version: number
  readonly total: number
  readonly done: number
  readonly startedBy: string
  readonly startedAt: string
  readonly finishedAt: string | null
  /** `stopped`: something is wrong; it goes on at the next unsealing. */
  readonly state: 'running' | 'finished' | 'stopped'
}

export type VaultStatus = {
  readonly initialised: boolean
  readonly sealed: boolean
  /** X25519 public key (base64) to which secrets for the vault are sealed; null until initialised. */
  readonly intakeKey: string | null
  /** SHA256:… of the intake key, for people to compare. */
  readonly fingerprint: string | null
  /** Where, and by itself: at the administrator's door alone. */
  readonly sealProviders: readonly {
    readonly kind: SealKind
    readonly path?: string
    /** It opens the vault without a person. */
    readonly byItself?: true
  }[]
  /** How many custodians have entered their shares; null while none has. Names are for the administrator's door. */
  readonly shares: SharesView | null
  /** The same of shares that were entered to rehearse; null at every door but the administrator's. */
  readonly rehearsal: SharesView | null
  /** Null for nobody, too: whoever has signed in reads `auditor.lists`. */
  readonly auditors: { readonly version: number; readonly count: number; readonly fingerprint: string } | null
  /** Null for vendors, and for nobody. */
  readonly users: number | null
  readonly version: string
}

const sealProvider = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('passphrase'), passphrase: z.string().min(8).max(1024) }),
  z.strictObject({ kind: z.literal('key-file'), path: z.string().min(1).max(4096) }),
])

/** A name that tagout.json gives to a token's library or to a plug-in. */
const sealerName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name of small letters, digits and hyphens')

const pin = z.string().min(1).max(256)

const label = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'letters, digits and signs of ASCII')

const outsideProvider = z.discriminatedUnion('kind', [
  ...sealProvider.options,
  z.strictObject({
    kind: z.literal('pkcs11'),
    module: sealerName,
    token: label(32).optional(), // by its label, or by its slot
    slot: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
    key: label(63), // the label of the key that is made in it
    pin: pin.optional(), // else it is in the file
    pinFile: z.string().min(1).max(4096).optional(), // read at each start
  }),
  z.strictObject({ kind: z.literal('plug-in'), name: sealerName }),
])

const sealId = z.string().regex(/^wrp_[0-9a-z]{26}$/, 'not an id of the form wrp_…')

const unsealing = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('passphrase'), passphrase: z.string().min(8).max(1024), acceptRollback }),
  z.strictObject({ kind: z.literal('key-file'), path: z.string().min(1).max(4096), acceptRollback }),
  z.strictObject({ kind: z.literal('recovery'), recoveryKey: z.string().max(200), acceptRollback }),
  z.strictObject({ kind: z.literal('stored-key-file'), acceptRollback }),
  /** Without a PIN: by the stored file that holds it. */
  z.strictObject({ kind: z.literal('pkcs11'), pin: pin.optional(), seal: sealId.optional(), acceptRollback }),
  z.strictObject({ kind: z.literal('plug-in'), seal: sealId.optional(), acceptRollback }),
])

export const keysVerbs = {
  status: verb(['anyone', 'local', 'user', 'recorder', 'api'], nothing),
  'vault.initialise': verb(['local'], z.strictObject({ provider: sealProvider })),
  'vault.unseal': verb(['local'], unsealing),
  'vault.seal': verb(people, z.strictObject({ sessions: z.enum(['end', 'keep']) })),
  'seal.list': verb(people, nothing),
  'seal.add': verb(['local'], z.strictObject({ provider: outsideProvider, rehearse })),
  'seal.remove': verb(['local'], z.strictObject({ seal: sealId, rehearse })),
  'seal.rehearse': verb(['local'], z.strictObject({ how: unsealing })),
  /** A new recovery key, which opens the vault instead of the present one once it is confirmed. */
  'seal.renewRecovery': verb(['local'], z.strictObject({ rehearse })),
  /** What was prepared has been handed out and kept: it opens the vault from now on. */
  'seal.confirm': verb(['local'], z.strictObject({ prepared: z.string().regex(/^[0-9a-f]{32}$/) })),
  /** Makes the shares of custodians; they open nothing until they are confirmed. */
  'custody.prepare': verb(
    ['local'],
    z.strictObject({
      custodians: z.array(nameText).min(2, 'two custodians at least').max(16, 'sixteen custodians at most'),
      threshold: z.int().min(2, 'two at least: one alone would open the vault').max(16),
      change: z.boolean(), // they take the place of the present ones
      rehearse,
    }),
  ),
  /** A custodian's share. With the last one that is needed the vault opens. */
  'custody.share': verb(
    ['local'],
    z.strictObject({ share: z.string().max(4_000), rehearse, acceptRollback }),
  ),
  'custody.forget': verb(['local'], nothing),
  /** Begins to exchange the root key, or the key of a safe. It goes on in the background. */
  'keys.rotate': verb(
    ['local'],
    z.discriminatedUnion('what', [
      z.strictObject({ what: z.literal('root'), rehearse }),
      z.strictObject({ what: z.literal('safe'), safe: reference, rehearse }),
    ]),
  ),
  'keys.status': verb(people, nothing),
} as const satisfies Record<string, Verb>

export type KeysAnswers = {
  status: VaultStatus
  'vault.initialise': {
    readonly recoveryKey: string
    readonly firstAdmin: Enrolment
    readonly fingerprint: string
  }
  'vault.unseal': null
  'vault.seal': null
  'seal.list': readonly SealView[]
  /** Null after a rehearsal. */
  'seal.add': SealView | null
  'seal.remove': SealView
  'seal.rehearse': null
  /** Null and empty in a rehearsal. */
  'seal.renewRecovery': { readonly prepared: string | null; readonly recoveryKey: string }
  'seal.confirm': SealView
  'custody.prepare': {
    /** Null in a rehearsal, whose shares are empty. */
    readonly prepared: string | null
    readonly set: string
    readonly threshold: number
    readonly shares: readonly { readonly index: number; readonly name: string; readonly text: string }[]
  }
  'custody.share': {
    readonly name: string
    /** It had been entered before. */
    readonly already: boolean
    readonly opened: boolean
    readonly shares: SharesView
  }
  'custody.forget': { readonly given: number }
  /** `total`: how many keys are wrapped anew. `rotation` is null in a rehearsal. */
  'keys.rotate': { readonly total: number; readonly rotation: RotationView | null }
  'keys.status': {
    readonly rootVersion: number
    readonly rotations: readonly RotationView[]
    /** Shares that were entered to rehearse, and wait for others. */
    readonly rehearsal: SharesView | null
  }
}
