import type { Role } from '../../vault/contract.ts'

export type Place = {
  readonly path: string
  readonly title: string
  readonly group: 'Work' | 'Watch' | 'Keep' | 'People'
  /** Whoever holds one of these sees it; the vault decides again at each request. */
  readonly roles: readonly Role[]
  /** Whoever answers for a vendor sees it too, if they hold one of these. */
  readonly sponsors?: readonly Role[]
}

const all: readonly Role[] = [
  ...(['admin', 'approver', 'supervisor', 'observer'] as const),
  ...(['operator', 'vendor', 'security-officer', 'auditor'] as const),
]
const officer = 'security-officer'

/** Where one can go, by role: what is of no use to somebody is not shown to them. */
export const places: readonly Place[] = [
  { path: '/', title: 'Overview', group: 'Work', roles: all },
  { path: '/dashboard', title: 'Dashboard', group: 'Work', roles: ['admin', officer, 'auditor'] },
  { path: '/access', title: 'My access', group: 'Work', roles: ['admin', 'approver', 'operator', 'vendor'] },
  {
    path: '/requests',
    title: 'Requests',
    group: 'Work',
    roles: ['admin', 'approver', 'operator', 'vendor', officer, 'auditor'],
  },
  {
    path: '/sessions',
    title: 'Sessions',
    group: 'Watch',
    roles: ['admin', 'approver', 'supervisor', 'observer', 'operator', 'vendor', officer],
  },
  {
    path: '/close-outs',
    title: 'Close-outs',
    group: 'Watch',
    roles: ['admin', 'approver', 'supervisor', 'operator', 'vendor', officer, 'auditor'],
  },
  {
    path: '/break-glass',
    title: 'Break-glass',
    group: 'Watch',
    roles: ['admin', 'approver', officer, 'auditor'],
  },
  { path: '/recordings', title: 'Recordings', group: 'Watch', roles: ['admin', 'auditor'] },
  { path: '/reviews', title: 'Review queue', group: 'Watch', roles: ['admin', officer, 'auditor'] },
  { path: '/reports', title: 'Reports', group: 'Watch', roles: ['admin', officer, 'auditor'] },
  { path: '/exposure', title: 'Exposure', group: 'Watch', roles: ['admin', officer, 'auditor'] },
  { path: '/audit', title: 'Audit log', group: 'Watch', roles: ['admin', officer, 'auditor'] },
  { path: '/safes', title: 'Safes', group: 'Keep', roles: ['admin', 'operator', 'approver'] },
  { path: '/targets', title: 'Targets', group: 'Keep', roles: ['admin', 'operator', 'approver'] },
  { path: '/accounts', title: 'Accounts', group: 'Keep', roles: ['admin', 'operator', 'approver'] },
  {
    path: '/rotation',
    title: 'Rotation',
    group: 'Keep',
    roles: ['admin', 'operator', 'approver', officer, 'auditor'],
  },
  {
    path: '/switches',
    title: 'Plant switches',
    group: 'Watch',
    roles: ['admin', 'approver', 'supervisor', officer],
  },
  { path: '/vault-keys', title: 'Vault keys', group: 'Keep', roles: ['admin', 'auditor'] },
  { path: '/kits', title: 'Emergency kits', group: 'Keep', roles: ['admin', officer, 'auditor'] },
  { path: '/retention', title: 'Retention', group: 'Keep', roles: ['admin', officer, 'auditor'] },
  { path: '/notifications', title: 'Notifications', group: 'Keep', roles: ['admin'] },
  { path: '/users', title: 'Users', group: 'People', roles: ['admin', officer] },
  {
    path: '/vendors',
    title: 'Vendors',
    group: 'People',
    roles: ['admin', officer, 'auditor'],
    sponsors: ['approver', 'operator'],
  },
  {
    path: '/access-reviews',
    title: 'Access reviews',
    group: 'People',
    roles: ['admin', 'approver', officer, 'auditor'],
  },
  { path: '/grants', title: 'Grants', group: 'People', roles: ['admin', 'approver', 'operator'] },
  { path: '/policy', title: 'Policy', group: 'People', roles: ['admin', officer, 'auditor'] },
  { path: '/directories', title: 'Directories', group: 'People', roles: ['admin', officer] },
  { path: '/services', title: 'Services', group: 'People', roles: ['admin'] },
  { path: '/auditors', title: 'Auditors', group: 'People', roles: ['admin', 'auditor'] },
]

export const groups = ['Work', 'Watch', 'Keep', 'People'] as const

export function placesOf(held: readonly Role[], isSponsor: boolean): readonly Place[] {
  const holds = (roles: readonly Role[] = []) => roles.some((role) => held.includes(role))
  return places.filter(({ roles, sponsors }) => holds(roles) || (isSponsor && holds(sponsors)))
}

/** May somebody with these roles answer for a vendor, and would see no vendors otherwise? */
export function maySponsor(held: readonly Role[]): boolean {
  return placesOf(held, true).length > placesOf(held, false).length
}
