import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import type { Phase, Step } from '../rotation/phases.ts'
import { toldRules } from '../rotation/profile-shape.ts'
import { base64, id, line, moment, nothing, people, reference, type Verb, verb } from './shapes.ts'
import type { LegacyAlgorithm, Protocol } from './words.ts'

/** What can be asked about rotation: how credentials are changed, when, and what came of it. */

/** How honestly a credential can be changed. See docs/rotation.md. */
export const rotationGrades = ['G0', 'G1', 'G2', 'G3', 'G4'] as const
export type RotationGrade = (typeof rotationGrades)[number]
export type { Phase as RotationPhase, Step as RotationStep } from '../rotation/phases.ts'

export const rotationCauses = [
  'by hand',
  'age',
  'check-in',
  'reveal',
  'exposure',
  'batch',
  'verification',
  'schedule',
  'leak',
  'dependant',
] as const
export type RotationCause = (typeof rotationCauses)[number]

export const dependantKinds = ['told', 'task', 'account', 'blocks'] as const
/** Another place that holds the same secret: a service, a historian, a driver of an HMI. */
export type Dependant = {
  readonly place: string
  /**
   * `told`: people are reminded of it. `task`: it is a task for people, each time. `account`: it is this account of the same
   * safe, which takes the new secret by its own connector. `blocks`: nothing rotates by itself while it is listed.
   */
  readonly kind: (typeof dependantKinds)[number]
}

export type PasswordStrength = {
  readonly characters: number
  readonly bits: number
  readonly verdict: 'weak' | 'fair' | 'strong'
}

export type RotationSettings = {
  readonly account: string
  readonly grade: RotationGrade
  readonly gradeReason: string
  /** Null: it is not rotated by Tagout. */
  readonly connector: string | null
  /** The recipe by which its connector changes it, `cisco-ios@1`; null: it follows none, or nobody has named one. */
  readonly recipe: string | null
  /** What people must know of that recipe: what it shows, and what it was not tried on. */
  readonly findings: readonly string[]
  readonly profile: string | null
  /** Of what the profile makes; null: it makes no passwords. */
  readonly strength: PasswordStrength | null
  /** Its machine has said which passwords it takes, then; they are made by what both it and the profile allow. */
  readonly toldAt: string | null
  readonly maxAgeDays: number | null
  readonly schedule: { readonly cron: string; readonly zone: string } | null
  readonly leakAtOnce: boolean
  readonly calendar: string | null
  readonly essential: boolean
  readonly afterCheckIn: boolean
  readonly afterReveal: boolean
  readonly reconcileAccount: string | null
  /** Another account of the same host, as which it is changed. */
  readonly throughAccount: string | null
  readonly dependants: readonly Dependant[]
  readonly lockOut: { readonly refused: number; readonly seconds: number } | null
  readonly exemption: { readonly owner: string; readonly until: string; readonly isOver: boolean } | null
  /** Null: nobody has said anything, and these are the defaults. */
  readonly setBy: string | null
  readonly setAt: string | null
  /** The age of the present credential, and when another is due; null: nothing says so. */
  readonly since: string | null
  readonly dueAt: string | null
}

export type RotationRunView = {
  readonly id: Id<'rot'>
  readonly account: string
  /** `assist`: people change it, by a task. */
  readonly kind: 'rotate' | 'assist' | 'verify'
  readonly cause: RotationCause
  readonly askedBy: string
  readonly reason: string
  readonly batch: string | null
  readonly place: number | null
  readonly connector: string
  readonly phase: Phase
  /** What a worker does just now; null: none does anything. */
  readonly step: Step | null
  readonly stepUntil: string | null
  /** Which credential sessions get meanwhile; `nothing`: none is known to be taken. */
  readonly believes: 'current' | 'candidate' | 'nothing'
  readonly attempts: number
  readonly version: number | null
  readonly persisted: boolean | null
  /** Why it is where it is; empty while all goes well. */
  readonly why: string
  /** What a person can do about it; null: nothing is to be done. */
  readonly next: string | null
  readonly createdAt: string
  readonly dueAt: string
  readonly begunAt: string | null
  readonly endedAt: string | null
  /** Other places that hold the secret, and whether each has the new one. */
  readonly dependants: readonly {
    readonly place: string
    readonly task: Id<'rtk'>
    readonly state: 'open' | 'done' | 'dropped'
    readonly isOverdue: boolean
  }[]
}

/** Something that stands before a rotation. */
export type Obstacle = {
  readonly kind:
    | 'settings'
    | 'grade'
    | 'connector'
    | 'through'
    | 'essential'
    | 'dependants'
    | 'binding'
    | 'running'
    | 'held'
    | 'window'
    | 'production'
    | 'budget'
    | 'batch'
    | 'limit'
  readonly why: string
  readonly next: string
  /** When it goes away by itself; null: it does not. */
  readonly until: string | null
}

export type RotationPlan = {
  readonly account: string
  readonly settings: RotationSettings
  /** What would be done, in order. */
  readonly steps: readonly string[]
  readonly obstacles: readonly Obstacle[]
  /** When it could begin: now, later, or null where something does not go away by itself. */
  readonly earliest: string | null
  /** Logins that may still be refused at the target within its lock-out's time, and of how many. */
  readonly logins: { readonly left: number; readonly of: number }
}

/** How an account is rotated, or that it is not. */
export type RotationAccount = {
  readonly id: Id<'acc'>
  readonly account: string
  readonly safe: string
  readonly grade: RotationGrade
  readonly gradeReason: string
  readonly connector: string | null
  readonly calendar: string | null
  /** `not`: its secret is kept and never changed by anybody; whoever counts on rotation must know. */
  readonly how: 'by itself' | 'by hand' | 'by people' | 'not'
  readonly strength: PasswordStrength | null
  readonly since: string | null
  readonly dueAt: string | null
  readonly isOverdue: boolean
  readonly exemption: { readonly owner: string; readonly until: string; readonly isOver: boolean } | null
  /** The latest run of it, over or not. */
  readonly last: RotationRunView | null
}

/** What is bad about secrets that are kept; never which they are. */
export type RotationFinding = {
  /** `default`: publicly known for such machines; `login`: the name itself; `shared`: the same for all of these. */
  readonly kind: 'default' | 'login' | 'shared'
  readonly accounts: readonly string[]
  readonly text: string
  readonly next: string
}

/** All that is known of the secret of an account, the latest version first. */
export type AccountLedger = {
  readonly account: string
  readonly versions: readonly {
    readonly version: number
    readonly state: 'candidate' | 'current' | 'retired' | 'discarded'
    readonly kind: 'password' | 'ssh-key'
    readonly createdAt: string
    /** Who gave it or asked for it; `vault`: by itself. */
    readonly by: string
    readonly cause: RotationCause
    readonly reason: string
    readonly run: Id<'rot'> | null
    /** When a login last showed that its machine takes it; null: none has. */
    readonly verifiedAt: string | null
    readonly people: {
      readonly changer: string
      readonly approver: string | null
      readonly signer: string | null
    } | null
    readonly exposures: readonly { readonly user: string; readonly at: string; readonly cause: string }[]
  }[]
  readonly checks: readonly {
    readonly run: Id<'rot'>
    readonly at: string
    readonly result: 'fine' | 'drift' | 'unknown'
    readonly why: string
  }[]
  readonly exemption: RotationSettings['exemption']
}

/** What comes in a safe: windows, a hold, what is due. */
export type LineCalendar = {
  readonly safe: string
  readonly windows: readonly {
    readonly calendar: string
    readonly from: string
    readonly until: string | null
  }[]
  readonly hold: { readonly reason: string; readonly until: string | null } | null
  readonly due: readonly {
    readonly account: string
    readonly dueAt: string
    readonly isOverdue: boolean
    readonly how: RotationAccount['how']
    readonly calendar: string | null
    /** When it can begin; null: no window has room for it within a year. */
    readonly beginsAt: string | null
    /** Within the time that was asked about. */
    readonly fits: boolean
  }[]
}

export type ConnectorView = {
  readonly name: string
  readonly title: string
  readonly protocols: readonly string[]
  readonly credential: 'password' | 'ssh-key'
  /** It follows recipes of this format; null: it follows none. */
  readonly recipes: string | null
  readonly persists: boolean
  readonly retires: boolean
  readonly reconciles: boolean
  /** It changes nothing by itself: another account of the same host has to be named. */
  readonly through: boolean
  /** The machine is asked which passwords it takes. */
  readonly tells: boolean
}
/** A recipe: how machines of a kind are told to take another credential. See docs/rotation-recipes.md. */
export type RecipeView = {
  readonly name: string
  readonly version: number
  readonly connector: string
  readonly title: string
  readonly notes: string
  readonly tried: 'nothing' | 'simulator' | 'machine'
  readonly profile: string
  readonly protocols: readonly string[]
  readonly findings: readonly string[]
  /** Accounts that are rotated by it. */
  readonly accounts: number
  /** Null: Tagout comes with it. */
  readonly addedBy: string | null
  readonly addedAt: string | null
}
export type ProfileView = {
  readonly name: string
  readonly title: string
  readonly least: number
  readonly most: number
  readonly strength: PasswordStrength
}
export type RotationHold = {
  readonly safe: string
  readonly reason: string
  readonly by: string
  readonly since: string
  readonly until: string | null
}

/** How many rotations go on at a time and begin within an hour: on a target, in a safe; of neither, in all. */
export type RotationLimit = {
  readonly safe: string | null
  readonly target: string | null
  /** Null: nobody has said. */
  readonly abreast: number | null
  readonly perHour: number | null
  readonly setBy: string
  readonly setAt: string
}

/** A credential as a worker gets it: a password sealed to its own key of this step, a key that the vault signs with. */
export type StepCredential =
  | { readonly kind: 'password'; readonly sealed: string }
  | { readonly kind: 'ssh-key'; readonly publicKey: string }

/** Where a step is done, and as whom. */
export type StepPlace = {
  readonly target: {
    readonly name: string
    readonly protocol: Protocol
    readonly host: string
    readonly port: number
    readonly pins: readonly { readonly type: string; readonly fingerprint: string }[]
    readonly legacy: { readonly algorithms: readonly LegacyAlgorithm[] } | null
    readonly prompts?: { readonly user?: string; readonly password?: string }
  }
  readonly account: { readonly login: string; readonly name: string }
}

/** What of a step is a secret, or signed by the vault. */
export const stepSecrets = ['current', 'candidate', 'privileged', 'through', 'elevation'] as const
export type StepSecret = (typeof stepSecrets)[number]

/** One step of a run, given out once. */
export type RotationOrder = StepPlace & {
  readonly generation: number
  readonly step: Step
  readonly connector: string
  /** The recipe to follow, as JSON; null: the connector follows none. */
  readonly recipe: string | null
  /** The password with which the account is elevated there, where the recipe asks for one. */
  readonly elevation: StepCredential | null
  /** Seconds within which the worker must be done: then it lets go, whatever it does. */
  readonly seconds: number
  readonly current: StepCredential | null
  readonly candidate: StepCredential | null
  readonly privileged: (StepCredential & { readonly login: string }) | null
  /** Another account of the same host, where this step is done as that one. */
  readonly through: (StepCredential & StepPlace) | null
}

/** A run of which something is due. Holds nothing that is secret: it may go into a queue. */
export type DueRun = { readonly run: Id<'rot'>; readonly generation: number; readonly inMs: number }

const why = z.string().max(400)
const change = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('changed') }),
  z.strictObject({ kind: z.literal('untouched'), why, rejected: z.literal(true).optional() }),
  z.strictObject({ kind: z.literal('refused'), why }),
  z.strictObject({ kind: z.literal('unknown'), why }),
])
const login = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('accepted') }),
  z.strictObject({ kind: z.literal('rejected'), why }),
  z.strictObject({ kind: z.literal('unreachable'), why }),
])
const keep = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('kept') }),
  z.strictObject({ kind: z.literal('rejected'), why }),
  z.strictObject({ kind: z.literal('unknown'), why }),
])
const rules = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('told'), rules: toldRules }),
  z.strictObject({ kind: z.literal('untold'), why }),
])
const seen = z.discriminatedUnion('step', [
  z.strictObject({ step: z.literal('rules'), result: rules }),
  z.strictObject({ step: z.enum(['change', 'reconcile']), result: change }),
  z.strictObject({ step: z.enum(['login-candidate', 'login-current']), result: login }),
  z.strictObject({ step: z.enum(['persist', 'retire']), result: keep }),
])

const days = z.int().min(1, 'a day at least').max(3_650, 'ten years at most')
const run = id('rot')
/** A recipe by its name, or by its name and version: `cisco-ios`, `cisco-ios@1`. */
const recipe = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}(@[1-9]\d{0,3})?$/, 'name it like cisco-ios or cisco-ios@1')
const word = line(100)

export const rotationVerbs = {
  'rotation.connectors': verb(people, nothing),
  'rotation.recipes': verb(people, nothing),
  'rotation.recipe.show': verb(people, z.strictObject({ recipe })),
  'rotation.recipe.add': verb(
    people,
    z.strictObject({
      document: z
        .string()
        .min(2)
        .max(32 * 1024),
    }),
  ),
  'rotation.recipe.remove': verb(people, z.strictObject({ recipe })),
  'rotation.accounts': verb(people, nothing),
  'rotation.findings': verb(people, nothing),
  'rotation.ledger': verb(people, z.strictObject({ account: reference })),
  'rotation.calendar': verb(people, z.strictObject({ days: z.int().min(1).max(366).default(30) })),
  'rotation.settings': verb(people, z.strictObject({ account: reference })),
  'rotation.set': verb(
    people,
    z.strictObject({
      account: reference,
      grade: z.enum(rotationGrades).optional(),
      gradeReason: z.string().trim().max(500).optional(),
      connector: z.string().min(1).max(60).nullable().optional(),
      recipe: recipe.nullable().optional(),
      profile: z.string().min(1).max(60).nullable().optional(),
      maxAgeDays: days.nullable().optional(),
      calendar: word.nullable().optional(),
      /** Five fields of cron in the time of a zone. */
      schedule: z
        .strictObject({ cron: line(100), zone: line(60) })
        .nullable()
        .optional(),
      /** Where it has leaked, its window is not waited for. */
      leakAtOnce: z.boolean().optional(),
      essential: z.boolean().optional(),
      afterCheckIn: z.boolean().optional(),
      afterReveal: z.boolean().optional(),
      reconcileAccount: reference.nullable().optional(),
      throughAccount: reference.nullable().optional(),
      dependants: z
        .array(z.strictObject({ place: line(200), kind: z.enum(dependantKinds) }))
        .max(50)
        .optional(),
      lockOut: z
        .strictObject({ refused: z.int().min(1).max(100), seconds: z.int().min(1).max(86_400) })
        .nullable()
        .optional(),
      exemption: z
        .strictObject({ owner: line(100), until: moment })
        .nullable()
        .optional(),
    }),
  ),
  'rotation.plan': verb(people, z.strictObject({ account: reference })),
  'rotation.start': verb(
    people,
    z.strictObject({
      account: reference,
      reason: line(500).optional(),
      /** The other places that hold the secret are known of, and looked after. */
      despiteDependants: z.boolean().optional(),
    }),
  ),
  'rotation.batch': verb(
    people,
    z.strictObject({ accounts: z.array(reference).min(1).max(1_000), reason: line(500) }),
  ),
  'rotation.verify': verb(people, z.strictObject({ account: reference })),
  'rotation.leak': verb(people, z.strictObject({ account: reference, reason: line(500) })),
  'rotation.list': verb(
    people,
    z.strictObject({ account: reference.optional(), open: z.boolean().optional() }),
  ),
  'rotation.show': verb(people, z.strictObject({ run })),
  'rotation.cancel': verb(people, z.strictObject({ run, reason: line(500) })),
  'rotation.retry': verb(people, z.strictObject({ run })),
  'rotation.hold': verb(
    people,
    z.strictObject({ safe: reference, reason: line(500), until: moment.optional() }),
  ),
  'rotation.unhold': verb(people, z.strictObject({ safe: reference })),
  'rotation.holds': verb(people, nothing),
  'rotation.limit': verb(
    people,
    z.strictObject({
      safe: reference.optional(),
      target: reference.optional(),
      abreast: z.int().min(1).max(1_000).nullable(),
      perHour: z.int().min(1).max(100_000).nullable(),
    }),
  ),
  'rotation.limits': verb(people, nothing),

  'rotation.due': verb(['rotation'], nothing),
  'rotation.step': verb(['rotation'], z.strictObject({ run, boxKey: base64 })),
  'rotation.sign': verb(
    ['rotation'],
    z.strictObject({
      run,
      generation: z.int().min(1),
      which: z.enum(stepSecrets),
      algorithm: z.string().max(60),
      data: base64,
    }),
  ),
  'rotation.report': verb(
    ['rotation'],
    z.strictObject({
      run,
      generation: z.int().min(1),
      seen,
      /** A secret left, or may have left, for the target. */
      sent: z.boolean(),
      /** The target let it in, whatever came of the rest. */
      letIn: z.literal(true).optional(),
    }),
  ),
} as const satisfies Record<string, Verb>

export type RotationAnswers = {
  'rotation.connectors': {
    readonly connectors: readonly ConnectorView[]
    readonly profiles: readonly ProfileView[]
  }
  'rotation.accounts': readonly RotationAccount[]
  'rotation.findings': {
    readonly findings: readonly RotationFinding[]
    /** Secrets that were looked at, and those that the next asking looks at. */
    readonly looked: number
    readonly left: number
  }
  'rotation.recipes': readonly RecipeView[]
  'rotation.recipe.show': RecipeView & { readonly document: string }
  'rotation.recipe.add': RecipeView
  'rotation.recipe.remove': null
  'rotation.ledger': AccountLedger
  'rotation.calendar': readonly LineCalendar[]
  'rotation.settings': RotationSettings
  'rotation.set': RotationSettings
  'rotation.plan': RotationPlan
  'rotation.start': RotationRunView
  'rotation.batch': readonly RotationRunView[]
  'rotation.verify': RotationRunView
  'rotation.leak': {
    /** Null: nothing rotates it; `why` and `next` say so. */
    readonly run: RotationRunView | null
    readonly why: string | null
    readonly next: string | null
    /** Sessions with it that were told. */
    readonly told: number
  }
  'rotation.list': readonly RotationRunView[]
  'rotation.show': RotationRunView
  'rotation.cancel': RotationRunView
  'rotation.retry': RotationRunView
  'rotation.hold': RotationHold
  'rotation.unhold': null
  'rotation.holds': readonly RotationHold[]
  'rotation.limit': RotationLimit
  'rotation.limits': readonly RotationLimit[]
  'rotation.due': readonly DueRun[]
  'rotation.step': RotationOrder
  'rotation.sign': { readonly signature: string }
  'rotation.report': null
}
