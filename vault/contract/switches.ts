import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { base64, freshCode, id, nameText, nothing, people, reference, type Verb, verb } from './shapes.ts'

/** What can be asked about plant switches. */

export const switchActs = ['freeze', 'terminate'] as const

/** `lost`: its input cannot be read, which holds too. */
export const switchStates = ['run', 'stop', 'lost'] as const

export type PlantSwitchState = (typeof switchStates)[number]

export type PlantSwitchView = {
  readonly id: Id<'psw'>
  readonly name: string
  readonly safes: readonly string[]
  readonly act: (typeof switchActs)[number]
  /** Where its input is read; null: it calls. */
  readonly input: string | null
  readonly stopsAt: boolean | null
  readonly state: PlantSwitchState
  readonly changedAt: string
  readonly addedBy: string
}

/** One bit at a machine that speaks Modbus/TCP. */
type Bit = {
  readonly host: string
  readonly port: number
  readonly unit: number
  readonly kind: 'discrete' | 'coil'
  readonly number: number
}

export const switchesVerbs = {
  /** A switch at the plant that holds, or ends, what goes on in its safes. */
  'switch.add': verb(
    people,
    z.strictObject({
      name: nameText,
      safes: z.array(reference).min(1).max(100),
      act: z.enum(switchActs),
      input: z.string().max(300).optional(), // modbus://host[:port]/unit/discrete|coil/number; else it calls
      stopsAt: z.boolean().optional(), // the value of the input that stops
      /** Of a switch that calls: the asking client's one-time X25519 key, to which its key comes sealed, this once. */
      boxKey: base64.optional(),
      totpCode: freshCode,
    }),
  ),
  /** Changes what it holds, what it does, and where it is read; one that calls stays one that calls. */
  'switch.change': verb(
    people,
    z.strictObject({
      switch: reference,
      safes: z.array(reference).min(1).max(100).optional(),
      act: z.enum(switchActs).optional(),
      input: z.string().max(300).optional(),
      stopsAt: z.boolean().optional(),
      totpCode: freshCode,
    }),
  ),
  /** What an input reads now: of a switch, or of one that is to be. Turns nothing. */
  'switch.test': verb(
    people,
    z.strictObject({ switch: reference.optional(), input: z.string().max(300).optional() }),
  ),
  'switch.list': verb(people, nothing),
  'switch.key': verb(['local'], z.strictObject({ switch: reference })),
  'switch.remove': verb(people, z.strictObject({ switch: reference, totpCode: freshCode })),
  /** A call of a switch. `signature`: HMAC-SHA256 over `signedText` of vault/switches, in hex. */
  'switch.call': verb(
    ['anyone'],
    z.strictObject({
      switch: nameText,
      state: z.enum(['run', 'stop']),
      at: z.iso.datetime({ offset: true }).max(40),
      signature: z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits'),
      source: z.string().max(100),
    }),
  ),
  'switch.inputs': verb(['api'], nothing),
  /** `input`: what was read, as `switch.inputs` named it. */
  'switch.sense': verb(
    ['api'],
    z.strictObject({
      switch: id('psw'),
      state: z.enum(switchStates),
      /** Where it was read, and which value was taken for a stop. */
      input: z.string().max(300).optional(),
      stopsAt: z.boolean().optional(),
    }),
  ),
  /** The inputs that somebody wants to be read once, each handed out once; and what came of it. */
  'switch.tests': verb(['api'], nothing),
  'switch.tested': verb(
    ['api'],
    z.strictObject({
      test: id('pst'),
      reads: z.boolean().optional(),
      fault: z.string().max(200).optional(),
    }),
  ),
} as const satisfies Record<string, Verb>

export type SwitchesAnswers = {
  'switch.add': PlantSwitchView & { readonly sealedKey?: string }
  'switch.change': PlantSwitchView
  'switch.test': {
    readonly input: string
    /** What it reads; null: nothing (`fault`). */
    readonly reads: boolean | null
    readonly fault: string | null
    /** Whether that stops; null: of an input that is no switch's yet. */
    readonly stops: boolean | null
  }
  'switch.list': readonly PlantSwitchView[]
  'switch.key': { readonly key: string }
  'switch.remove': null
  'switch.call': null
  'switch.inputs': readonly (Bit & {
    readonly switch: Id<'psw'>
    readonly input: string
    readonly stopsAt: boolean
  })[]
  'switch.sense': null
  'switch.tests': readonly (Bit & { readonly test: Id<'pst'> })[]
  'switch.tested': null
}
