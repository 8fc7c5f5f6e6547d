import type { Action, ElevationKind, ForwardRule, Role } from '../../vault/contract.ts'
import type { PolicyDocument } from '../../vault/policy/document.ts'
import { enabled, panel } from './machines/server.ts'

/** The people of the plant, and what each is there to be tried as. */
export const people = [
  { name: 'admin', roles: ['admin'], what: 'administrator: safes, machines, accounts, people, grants' },
  {
    name: 'sam',
    roles: ['approver', 'supervisor'],
    what: 'shift supervisor: lets people in, watches, freezes and takes over',
  },
  { name: 'olga', roles: ['operator'], what: 'operator of press 3' },
  { name: 'otto', roles: ['operator'], what: 'process engineer of mixer 1, holds it exclusively' },
  { name: 'noor', roles: ['operator'], what: 'network technician' },
  { name: 'vera', roles: ['vendor'], what: 'service of the press’s maker, from outside' },
  { name: 'ingrid', roles: ['auditor'], what: 'auditor: opens recordings with her own key' },
] as const satisfies readonly {
  readonly name: string
  readonly roles: readonly Role[]
  readonly what: string
}[]

export type PersonName = (typeof people)[number]['name']

/** Vera's company. */
export const company = {
  name: 'press-works',
  sponsor: 'sam',
  mailDomain: 'press-works.example',
  days: 120,
  terms:
    'Work on the press only while its line stands still.\nBring no data carrier into the plant.\nWhat you do is recorded, and shown to nobody but the plant’s auditors.',
  representative: 'vera',
} as const satisfies { readonly sponsor: PersonName; readonly representative: PersonName } & Record<
  string,
  string | number
>

/** Whose key opens the recordings. */
export const auditorName = 'ingrid' satisfies PersonName

/** Who watches over sessions on all machines. */
export const supervisorName = 'sam' satisfies PersonName

export const safes = ['line-1', 'line-3', 'network'] as const

/** Machines, the safe of each, and the logins on it. */
export const machines = [
  { name: 'press-3', safe: 'line-3', logins: ['operator', 'engineer'] },
  { name: 'mixer-1', safe: 'line-1', logins: ['engineer'] },
  { name: enabled.machine, safe: 'network', logins: [enabled.login, enabled.secret] },
  { name: 'jump-1', safe: 'network', logins: ['service'] },
] as const satisfies readonly {
  readonly name: string
  readonly safe: (typeof safes)[number]
  readonly logins: readonly string[]
}[]

/** Who has a mail address: those whom a broken glass alarms. No mail is set up, so none is sent. */
export const addresses = {
  admin: 'admin@hall-2.example',
  sam: 'sam@hall-2.example',
} as const satisfies Partial<Record<PersonName, string>>

/** Who let themselves in, in an emergency that is over, and waits for its review. */
export const emergency = {
  user: 'olga',
  safe: 'line-3',
  account: 'press-3/engineer',
  minutes: 60,
  alarms: ['admin', 'sam'],
  reason: 'the guard of the ram does not open, a hand is caught',
} as const satisfies {
  readonly user: PersonName
  readonly safe: (typeof safes)[number]
  readonly alarms: readonly PersonName[]
} & Record<string, unknown>

/** What the plant has agreed on: the vendor works while somebody watches, and who looks after the network need not ask. */
export const policy: PolicyDocument = {
  version: 1,
  contact: 'the shift supervisor, extension 4711',
  groups: { shift: ['sam'], network: ['noor'] },
  calendars: {
    early: {
      zone: 'Europe/Berlin',
      weekly: [{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '06:00', to: '14:00' }],
    },
  },
  rules: [
    {
      name: 'vendors-are-watched',
      effect: 'limit',
      who: { companies: ['press-works'] },
      what: { targets: ['press-3'] },
      longest: '4h',
      supervisors: 'shift',
    },
    {
      name: 'network-by-day',
      effect: 'allow',
      who: { groups: ['network'] },
      what: { accounts: ['jump-1/service'] },
      actions: ['exec'],
      during: ['early'],
      factorWithin: '8h',
    },
  ],
}

/** Whose secret is typed at which prompt. */
export const elevations = [
  {
    account: `${enabled.machine}/${enabled.login}`,
    kind: 'enable',
    secret: `${enabled.machine}/${enabled.secret}`,
  },
] as const satisfies readonly {
  readonly account: string
  readonly kind: ElevationKind
  readonly secret: string
}[]

/** The one that speaks old algorithms, and why nobody has mended that. */
export const oldMachine = {
  name: 'switch-7',
  reason: 'replaced in the spring shutdown, order 4711',
  days: 90,
} as const

const day = 24 * 3600

export type DemoGrant = {
  readonly user: PersonName
  readonly account: string
  readonly actions: readonly Action[]
  readonly forwards?: readonly (Omit<ForwardRule, 'megabytes'> & { readonly megabytes: number })[]
  /** Seconds from now until it begins. */
  readonly begins?: number
  readonly seconds: number
  readonly mode?: 'exclusive'
  /** Each is other: by it a second run knows what the first made. */
  readonly reason: string
  /** Taken back once the week is over. */
  readonly isRevoked?: true
}

export const grants: readonly DemoGrant[] = [
  {
    user: 'olga',
    account: 'press-3/operator',
    actions: ['shell', 'exec'],
    seconds: 30 * day,
    reason: 'runs press 3',
  },
  {
    user: 'otto',
    account: 'mixer-1/engineer',
    actions: ['shell', 'exec'],
    seconds: 14 * day,
    mode: 'exclusive',
    reason: 'new recipe EPDM-70',
  },
  {
    user: 'noor',
    account: 'switch-7/manager',
    actions: ['shell', 'exec', 'elevate'],
    seconds: 60 * day,
    reason: 'network of hall 2',
  },
  {
    user: 'noor',
    account: 'jump-1/service',
    actions: ['shell'],
    seconds: 60 * day,
    reason: 'looks after the jump host',
  },
  {
    user: 'vera',
    account: 'press-3/engineer',
    actions: ['shell', 'exec'],
    seconds: 4 * 3600,
    reason: 'ram guide worn, work order 2290',
    isRevoked: true,
  },
  {
    user: 'vera',
    account: 'press-3/engineer',
    actions: ['shell', 'exec'],
    begins: 7 * day,
    seconds: 8 * 3600,
    reason: 'yearly service, work order 2311',
  },
  {
    user: 'vera',
    account: 'jump-1/service',
    actions: ['shell', 'forward'],
    forwards: [{ ...panel, record: 'stream', connections: 4, megabytes: 50 }],
    seconds: 7 * day,
    reason: 'looks at the panel of mixer 1',
  },
  { user: 'olga', account: 'mixer-1/engineer', actions: ['exec'], seconds: 5, reason: 'stood in for otto' },
]

/** Who may ask to be let in where: vera at the press, olga at the mixer. */
export const askers = [
  { user: 'vera', safe: 'line-3' },
  { user: 'olga', safe: 'line-1' },
] as const satisfies readonly { readonly user: PersonName; readonly safe: (typeof safes)[number] }[]

export type DemoRequest = {
  readonly user: PersonName
  readonly account: string
  readonly actions: readonly Action[]
  readonly seconds: number
  /** Each is other: by it a second run knows what the first made. */
  readonly reason: string
  readonly workOrder?: string
  /** What the supervisor denied it with. Missing: it waits for an answer. */
  readonly denial?: string
}

export const requests: readonly DemoRequest[] = [
  {
    user: 'olga',
    account: 'mixer-1/engineer',
    actions: ['shell'],
    seconds: 4 * 3600,
    reason: 'the batch runs too hot, otto is off today',
    denial: 'otto is on his way: wait for him',
  },
  {
    user: 'vera',
    account: 'press-3/engineer',
    actions: ['shell', 'exec'],
    seconds: 2 * 3600,
    reason: 'the alarm of the ram guide stands again',
    workOrder: '2318',
  },
]
