import type { Permission, Role, ServiceScope, VerbName } from '../contract.ts'
import type { LoginId, TokenId, UserId } from '../kernel/id.ts'

/** Who asks, as the vault has established it. */
export type Principal =
  /** The machine's administrator, through the admin door. */
  | { readonly kind: 'local'; readonly uid: number }
  | {
      readonly kind: 'user'
      readonly id: UserId
      readonly name: string
      readonly roles: readonly Role[]
      /** They have not accepted the terms of their company. */
      readonly owesTerms?: true
      readonly login: { readonly id: LoginId; readonly kind: 'console' | 'replay' }
    }
  /** A program with a token: no user, and has nothing of one. */
  | {
      readonly kind: 'service'
      readonly id: TokenId
      readonly service: string
      readonly scopes: readonly ServiceScope[]
    }
  /** Nobody yet: a plane or a local program that carries somebody who is about to prove who they are. */
  | { readonly kind: 'anyone' }
  | { readonly kind: 'recorder' }
  /** The worker that changes credentials on targets. */
  | { readonly kind: 'rotation' }

/** How the principal stands to what the verb is about. */
export type Relation = {
  /** It is the principal's own: their user, key, login, grant, lease or session. */
  readonly own: boolean
  /** It is another user's who is the same person, and why; missing: that is not known, or is not asked. */
  readonly alias?: string
  /** The principal's permissions on the safe that holds it. */
  readonly permissions: readonly Permission[]
  /** The principal holds a grant on the account that is valid now. */
  readonly granted: boolean
  /** What rules of the policy let the principal do with the account now, beside sessions. */
  readonly ruled: readonly ('reveal' | 'watch')[]
}

export const noRelation: Relation = { own: false, permissions: [], granted: false, ruled: [] }

/** Everything that decides whether a verb may be done. */
export type Facts = {
  readonly verb: VerbName
  readonly principal: Principal
  readonly vault: 'uninitialised' | 'sealed' | 'open'
  readonly relation: Relation
}

export type Decision =
  | { readonly kind: 'allow' }
  | {
      readonly kind: 'deny'
      readonly code: 'forbidden' | 'unauthenticated' | 'sealed' | 'not_initialised' | 'conflict'
      readonly why: string
      readonly next?: string
    }
