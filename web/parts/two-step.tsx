import { Button } from '@patternfly/react-core'
import { useState } from 'react'

/** A small button for what cannot be taken back: the first press asks, the second does it. */
export function TwoStep(props: {
  readonly text: string
  /** What the second press does, in words: "Remove this key". */
  readonly confirm: string
  readonly label: string
  readonly onDo: () => Promise<unknown>
}) {
  const [asking, setAsking] = useState(false)
  const [running, setRunning] = useState(false)
  if (!asking)
    return (
      <Button variant="link" isDanger size="sm" aria-label={props.label} onClick={() => setAsking(true)}>
        {props.text}
      </Button>
    )
  const act = async () => {
    setRunning(true)
    await props.onDo()
    setRunning(false)
    setAsking(false)
  }
  return (
    <span className="acts">
      {/* biome-ignore lint/a11y/noAutofocus: the button that was pressed is gone, its question takes the focus */}
      <Button variant="danger" size="sm" autoFocus isLoading={running} isDisabled={running} onClick={act}>
        {props.confirm}
      </Button>
      <Button variant="link" size="sm" onClick={() => setAsking(false)}>
        Keep it
      </Button>
    </span>
  )
}
