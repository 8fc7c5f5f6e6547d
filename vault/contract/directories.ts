import { z } from 'zod'
import type { Id } from '../kernel/id.ts'
import { oidcSettings } from './oidc.ts'
import {
  certificates,
  freshCode,
  line,
  nameText,
  nothing,
  people,
  reference,
  sealed,
  type Verb,
  verb,
} from './shapes.ts'
import type { UserView } from './users.ts'

/** What can be asked about directories: where people come from who are not this installation's alone. */

export const directoryKinds = ['ldap', 'oidc'] as const
export type DirectoryKind = (typeof directoryKinds)[number]

/** The roles that a group of a directory may give. Administrators and auditors are made here, by hand. */
export const mappedRoles = ['operator', 'approver', 'supervisor'] as const

/** How a directory names things: Active Directory (Samba too), or what RFC 2307 and RFC 4519 have. */
export const ldapFlavours = ['active-directory', 'ldap'] as const
export type LdapFlavour = (typeof ldapFlavours)[number]

export const ldapSettings = z.strictObject({
  kind: z.literal('ldap'),
  flavour: z.enum(ldapFlavours),
  /** ldaps://host[:636]. There is no other way: a password does not cross a network in clear. */
  url: z
    .string()
    .max(300)
    .regex(
      /^ldaps:\/\/(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(:[0-9]{1,5})?$/i,
      'write it as ldaps://host or ldaps://host:636',
    )
    .refine((url) => {
      const port = /:([0-9]+)$/.exec(url)?.[1]
      return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
    }, 'there is no such port'),
  /** PEM: of the CA that signed the directory's, or the directory's own: then it is that one, whatever name is on it. */
  certificates,
  /** Below which entry people are found. */
  base: line(1000).regex(/=/, 'write a DN, like dc=plant,dc=example'),
  /** Who of them are people; null: as the flavour has it. */
  userFilter: line(1000).nullable(),
  /** Whom Tagout reads the directory as. */
  bindName: line(1000).regex(/[=@\\]/, 'write a DN, or name@domain'),
  /** How many wrong passwords of one person reach the directory within half an hour: fewer than make it lock them out. */
  wrongPasswords: z.int().min(1).max(50),
})
export type LdapSettings = z.output<typeof ldapSettings>

export const directorySettings = z.discriminatedUnion('kind', [ldapSettings, oidcSettings])
export type DirectorySettings = z.output<typeof directorySettings>

/** What members of a group of the directory get. */
export const directoryMapping = z.strictObject({
  /** As the directory names it: a DN. */
  group: line(1000),
  roles: z.array(z.enum(mappedRoles)).max(mappedRoles.length),
  /** The group of the policy that they are in, too. */
  policyGroup: nameText.nullable(),
})
export type DirectoryMapping = z.output<typeof directoryMapping>

export type DirectoryView = {
  readonly id: Id<'dir'>
  readonly name: string
  readonly settings: DirectorySettings
  readonly hasSecret: boolean
  readonly mappings: readonly DirectoryMapping[]
  /** 0: it is read when somebody asks for it. */
  readonly syncMinutes: number
  /** Users of it who are not turned off. */
  readonly people: number
  /** When it was last read whole, and its people set as it says. */
  readonly lastSyncAt: string | null
  readonly lastTryAt: string | null
  /** Why the last try came to nothing; null: it did not. */
  readonly fault: string | null
  readonly addedBy: string
  readonly addedAt: string
}
export type DirectoryPerson = {
  readonly user: string
  /** How they are called in the directory. */
  readonly login: string
  readonly state: UserView['state']
  /** Their entry, when it was last read. */
  readonly entry: 'present' | 'disabled' | 'gone'
  readonly roles: UserView['roles']
  readonly policyGroups: readonly string[]
}
export type DirectoryDetail = DirectoryView & {
  readonly users: readonly DirectoryPerson[]
  /** Groups that it gives members to and that the policy does not name. */
  readonly unknownPolicyGroups: readonly string[]
}

/**
 * What a synchronisation does with a person. `back`: their entry is there again, and they stay turned off; `renamed`:
 * they keep their name here; `skip`: nothing, for the reason given.
 */
export const syncActs = ['add', 'change', 'off', 'back', 'renamed', 'skip'] as const
export type SyncChange = {
  readonly does: (typeof syncActs)[number]
  readonly user: string
  /** What, in words: `operator; group line-3`, or why not. */
  readonly what: string
}
export type SyncAnswer = {
  readonly applied: boolean
  /** How many people are in its mapped groups. */
  readonly people: number
  readonly changes: readonly SyncChange[]
}
/** What a test found. `fine` is false where it works and somebody should look at it. */
export type DirectoryFinding = {
  readonly about: 'discovery' | 'keys' | 'certificate' | 'client'
  readonly fine: boolean
  readonly says: string
}
export type DirectoryTest = {
  /** How many people it finds; null: it cannot say. */
  readonly people: number | null
  /** How many members each mapped group has. */
  readonly groups: readonly { readonly group: string; readonly members: number }[]
  readonly findings: readonly DirectoryFinding[]
  readonly milliseconds: number
}

const syncMinutes = z.int().min(0).max(1440)

export const directoriesVerbs = {
  /** `sealedSecret`: the password of `bindName`, bound to the directory's name and to where it goes. */
  'directory.add': verb(
    people,
    z.strictObject({
      name: nameText,
      settings: directorySettings,
      sealedSecret: sealed.optional(),
      syncMinutes: syncMinutes.optional(),
      totpCode: freshCode,
    }),
  ),
  'directory.list': verb(people, nothing),
  'directory.show': verb(people, z.strictObject({ directory: reference })),
  /** What is left out stays. Where it is, or as whom it is read, takes the secret anew. */
  'directory.change': verb(
    people,
    z.strictObject({
      directory: reference,
      settings: directorySettings.optional(),
      sealedSecret: sealed.optional(),
      syncMinutes: syncMinutes.optional(),
      totpCode: freshCode,
    }),
  ),
  /** What members of a group get, in place of what it said before; nothing at all takes the group away. */
  'directory.map': verb(
    people,
    z.strictObject({ directory: reference, ...directoryMapping.shape, totpCode: freshCode }),
  ),
  /** `withPeople`: its users are taken off, as by `user.off`; without it a directory that has users stays. */
  'directory.remove': verb(
    people,
    z.strictObject({ directory: reference, withPeople: z.boolean().optional(), totpCode: freshCode }),
  ),
  /** `yes`: also where it would turn off many. */
  'directory.sync': verb(
    people,
    z.strictObject({ directory: reference, dryRun: z.boolean().optional(), yes: z.boolean().optional() }),
  ),
  /** Speaks with it, and changes nothing. */
  'directory.test': verb(people, z.strictObject({ directory: reference })),
} as const satisfies Record<string, Verb>

export type DirectoriesAnswers = {
  'directory.add': DirectoryView
  'directory.list': readonly DirectoryView[]
  'directory.show': DirectoryDetail
  'directory.change': DirectoryView
  'directory.map': DirectoryView
  'directory.remove': null
  'directory.sync': SyncAnswer
  'directory.test': DirectoryTest
}
