import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useContext } from 'react'
import type { Role, UserView, VaultStatus } from '../../vault/contract.ts'
import { ask, get } from '../api.ts'
import { lockKeyring } from '../sealed/keyring.ts'

/** Who is signed in: the user, `null` for nobody, `undefined` while that is not known. */
export function useMe() {
  return useQuery({
    queryKey: ['me'],
    queryFn: () => get<UserView | null>('/api/login'),
    refetchInterval: 60_000,
  })
}

/** The signed-in user, given to all pages by the app. */
export const SignedIn = createContext<UserView | null>(null)

/** The signed-in user, inside pages that only a signed-in user sees. */
export function useUser(): UserView {
  const user = useContext(SignedIn)
  if (user === null) throw new Error('this is shown to signed-in users alone')
  return user
}

export function hasRole(user: UserView, ...wanted: readonly Role[]): boolean {
  return wanted.some((role) => user.roles.includes(role))
}

export function useStatus(every = 15_000) {
  return useQuery({
    queryKey: ['status'],
    queryFn: () => get<VaultStatus>('/api/status'),
    refetchInterval: every,
  })
}

/** What was said last where somebody came or went: why they were signed out, how many recovery codes they have left. */
export function useSaid(what: 'signed out' | 'recovery codes') {
  const client = useQueryClient()
  const said = useQuery<string>({
    queryKey: [what],
    enabled: false,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
  })
  return { text: said.data, close: () => client.removeQueries({ queryKey: [what] }) }
}

/** Signs out: the login ends in the vault, keys are wiped, and nothing that was read stays in this tab. */
export async function signOut(client: QueryClient, why?: string): Promise<void> {
  lockKeyring()
  await ask('DELETE', '/api/login').catch(() => undefined)
  becomeUser(client, null)
  if (why !== undefined) client.setQueryData(['signed out'], why)
}

/** Somebody else is at the console now, or nobody: of what the one before read, nothing stays. */
export function becomeUser(client: QueryClient, user: UserView | null): void {
  client.setQueryData(['me'], user)
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'me' && queryKey[0] !== 'status' })
}

/** Runs a change, then has everything on the page asked anew. */
export function useChange() {
  const client = useQueryClient()
  return async <Answer>(change: () => Promise<Answer>): Promise<Answer> => {
    const answer = await change()
    await client.invalidateQueries()
    return answer
  }
}
