import { useQuery } from '@tanstack/react-query'
import { get } from '../api.ts'

/** What the console's server says of itself to anybody. */
export type Health = { readonly sshPort: number; readonly demo?: boolean }

/** It, or undefined until it has answered. */
export function useHealth(): Health | undefined {
  return useQuery({
    queryKey: ['health'],
    queryFn: () => get<Health>('/api/health'),
    staleTime: Number.POSITIVE_INFINITY,
  }).data
}
