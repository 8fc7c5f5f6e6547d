import { type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Role, UserView, VaultStatus } from '../../vault/contract.ts'
import { ask, get, Refused } from '../api.ts'
import { lockKeyring } from '../sealed/keyring.ts'

/** Who is signed in: the user, `null` for nobody, `undefined` while that is not known. */
export function useMe() {
  return useQuery({
    queryKey: ['me'],
    queryFn: async (): Promise<UserView | null> => {
      try {
        return await get<UserView>('/api/login')
      } catch (error) {
        if (error instanceof Refused && error.status === 401) return null
        throw error
      }
    },
    refetchInterval: 60_000,
  })
}

/** The signed-in user, inside pages that only a signed-in user sees. */
export function useUser(): UserView {
  const me = useMe()
  if (me.data === undefined || me.data === null) throw new Error('nobody is signed in')
  return me.data
}

export function hasRole(user: UserView, ...wanted: readonly Role[]): boolean {
  return wanted.some((role) => user.roles.includes(role))
}

export function useStatus() {
  return useQuery({
    queryKey: ['status'],
    queryFn: () => get<VaultStatus>('/api/status'),
    refetchInterval: 15_000,
  })
}

/** Signs out: the login ends in the vault, keys are wiped, and nothing that was read stays in this tab. */
export async function signOut(client: QueryClient): Promise<void> {
  lockKeyring()
  await ask('DELETE', '/api/login').catch(() => undefined)
  client.clear()
  client.setQueryData(['me'], null)
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
