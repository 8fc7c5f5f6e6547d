import '@patternfly/react-core/dist/styles/base.css'
import '@xterm/xterm/css/xterm.css'
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Refused } from './api.ts'
import { App } from './app.tsx'
import { followColourScheme } from './shell/colour-scheme.ts'
// Last, so that it wins over the components' own styles.
import './console.css'

const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // Whoever was signed out elsewhere, or for whom time is up, sees the sign-in page at the next answer.
    onError: (error) => {
      if (error instanceof Refused && error.status === 401) client.setQueryData(['me'], null)
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // A refusal is an answer; only a part that is away is asked again.
      retry: (times, error) => times < 2 && (!(error instanceof Refused) || error.status === 503),
      refetchOnWindowFocus: true,
    },
  },
})

followColourScheme()
const root = document.getElementById('root')
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  )
