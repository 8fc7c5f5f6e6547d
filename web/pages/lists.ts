import { useQuery } from '@tanstack/react-query'
import type { VerbAnswer, VerbName } from '../../vault/contract.ts'
import { get } from '../api.ts'

/** The lists that pages share, each asked once and kept fresh. */
function useList<Name extends VerbName>(
  name: string,
  path: string,
  options: { readonly every?: number; readonly when?: boolean } = {},
) {
  return useQuery({
    queryKey: [name],
    queryFn: () => get<VerbAnswer<Name>>(path),
    refetchInterval: options.every ?? 30_000,
    enabled: options.when ?? true,
  })
}

export const useSessions = (when = true) =>
  useList<'session.list'>('sessions', '/api/sessions?limit=1000', { every: 3_000, when })
export const useHolds = () => useList<'hold.list'>('holds', '/api/holds', { every: 5_000 })
/** By the session that each is of. */
export const useCloseOuts = (when = true) =>
  useQuery({
    queryKey: ['close-outs'],
    queryFn: () => get<VerbAnswer<'closeout.list'>>('/api/close-outs'),
    refetchInterval: 5_000,
    enabled: when,
    select: (forms) => forms.map((form) => ({ ...form, id: form.session })),
  })
export const useRecordings = (when = true) =>
  useList<'recording.list'>('recordings', '/api/recordings?limit=10000', { every: 5_000, when })
export const useSafes = (when = true) => useList<'safe.list'>('safes', '/api/safes', { when })
export const useTargets = (when = true) => useList<'target.list'>('targets', '/api/targets', { when })
export const useAccounts = (when = true) =>
  useList<'account.list'>('accounts', '/api/accounts', { every: 10_000, when })
export const useUsers = (when = true) => useList<'user.list'>('users', '/api/users', { when })
export const useCompanies = (when = true) => useList<'company.list'>('companies', '/api/companies', { when })
export const useGrants = (when = true) =>
  useList<'grant.list'>('grants', '/api/grants', { every: 10_000, when })
export const useRequests = (state: 'open' | 'all' = 'open', when = true) =>
  useList<'request.list'>(`requests ${state}`, `/api/requests?state=${state}`, { every: 5_000, when })
export const useSwitches = () => useList<'switch.list'>('switches', '/api/switches', { every: 3_000 })
export const useDirectories = () => useList<'directory.list'>('directories', '/api/directories')
export const usePolicy = () => useList<'policy.show'>('policy', '/api/policy')
export const usePolicyRequests = (when = true) =>
  useList<'policy.requests'>('policy requests', '/api/policy/requests', { every: 10_000, when })
export const usePolicyRules = () =>
  useQuery({
    queryKey: ['policy'],
    queryFn: () => get<VerbAnswer<'policy.show'>>('/api/policy'),
    select: ({ document }) => document.rules.map((rule) => ({ ...rule, id: rule.name })),
  })
export const useBreakGlass = (state: 'open' | 'all' = 'open', when = true) =>
  useList<'breakglass.list'>(`break-glass ${state}`, `/api/break-glass?state=${state}`, {
    every: 5_000,
    when,
  })
export const useNotifications = (when = true) =>
  useList<'notification.status'>('notifications', '/api/notifications', { every: 3_000, when })
/** The latest of them alone, from the same answer. */
export const useLatestNotifications = () =>
  useQuery({
    queryKey: ['notifications'],
    queryFn: () => get<VerbAnswer<'notification.status'>>('/api/notifications'),
    refetchInterval: 3_000,
    select: ({ latest }) => latest,
  })
/** How many auditors there are, as the last list says; what is opened or sealed by it is verified there (`fetchChain`). */
export const useAuditorCount = () =>
  useQuery({
    queryKey: ['auditor lists'],
    queryFn: () => get<VerbAnswer<'auditor.lists'>>('/api/auditors'),
    refetchInterval: 30_000,
    select: (links): number => {
      const last = links.at(-1)
      return last === undefined ? 0 : (JSON.parse(atob(last.body)) as { auditors: unknown[] }).auditors.length
    },
  })
export const useLeases = () => useList<'lease.list'>('leases', '/api/leases', { every: 5_000 })
export const useQueue = () => useList<'lease.queue'>('queue', '/api/queue', { every: 3_000 })
export const useHandOvers = () => useList<'handover.list'>('hand-overs', '/api/hand-overs', { every: 3_000 })
export const useAccess = () => useList<'access.list'>('access', '/api/access', { every: 5_000 })
export const useSeals = (when = true) =>
  useList<'seal.list'>('seals', '/api/vault/seals', { every: 10_000, when })
export const useKeys = (when = true) =>
  useList<'keys.status'>('vault keys', '/api/vault/keys', { every: 1_500, when })
export const useRotationAccounts = () =>
  useList<'rotation.accounts'>('rotation accounts', '/api/rotation-accounts', { every: 5_000 })
export const useRotationFindings = () =>
  useList<'rotation.findings'>('rotation findings', '/api/rotation-findings', { every: 60_000 })
export const useRotations = () => useList<'rotation.list'>('rotations', '/api/rotations', { every: 2_000 })
export const useTasks = () => useList<'task.list'>('rotation tasks', '/api/rotation-tasks', { every: 5_000 })
export const useRotationCalendar = () =>
  useList<'rotation.calendar'>('rotation calendar', '/api/rotation-calendar?days=30', { every: 30_000 })
export const useRotationHolds = () =>
  useList<'rotation.holds'>('rotation holds', '/api/rotation-holds', { every: 5_000 })
export const useRotationLimits = () =>
  useList<'rotation.limits'>('rotation limits', '/api/rotation-limits', { every: 10_000 })
export const useKits = () => useList<'kit.list'>('emergency kits', '/api/kits', { every: 10_000 })
export const useDestructions = () =>
  useList<'destruction.list'>('destructions', '/api/destructions?state=all', { every: 5_000 })
export const useLegalHolds = () =>
  useList<'legalhold.list'>('legal holds', '/api/legal-holds', { every: 5_000 })
export const useSiem = () => useList<'siem.list'>('receivers of the log', '/api/siem', { every: 3_000 })
export const useTokens = () => useList<'token.list'>('tokens', '/api/tokens', { every: 10_000 })
export const useLogins = () => useList<'login.list'>('logins', '/api/logins')
export const useExposures = (when = true) => useList<'exposure.list'>('exposures', '/api/exposures', { when })
