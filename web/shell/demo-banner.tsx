import { useHealth } from './health.ts'

/** Says on every page that this is the plant to try. Nothing in a real installation. */
export function DemoBanner() {
  if (useHealth()?.demo !== true) return null
  return (
    <div className="demo-banner" role="note" aria-label="Demo plant">
      <strong>Demo plant.</strong> None of it is real, and nothing real belongs into it. Codes:{' '}
      <code>npx tagout demo code NAME</code>
    </div>
  )
}
