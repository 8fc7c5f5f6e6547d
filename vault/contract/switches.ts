import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { freshCode, id, nameText, nothing, people, reference, type Verb, verb } from './shapes.ts'

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
      totpCode: freshCode,
    }),
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
  'switch.sense': verb(['api'], z.strictObject({ switch: id('psw'), state: z.enum(switchStates) })),
} as const satisfies Record<string, Verb>

export type SwitchesAnswers = {
  'switch.add': PlantSwitchView
  'switch.list': readonly PlantSwitchView[]
  'switch.key': { readonly key: string }
  'switch.remove': null
  'switch.call': null
  'switch.inputs': readonly {
    readonly switch: Id<'psw'>
    readonly host: string
    readonly port: number
    readonly unit: number
    readonly kind: 'discrete' | 'coil'
    readonly number: number
    readonly stopsAt: boolean
  }[]
  'switch.sense': null
}
