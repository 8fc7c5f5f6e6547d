/** Tables of identity, safes, targets, accounts, grants, leases, sessions and recordings. */
export type DomainTables = Record<never, never>
