import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { ask, type Refused } from '../api.ts'
import { proven } from '../sealed/passkeys.ts'
import { Dialog } from './dialog.tsx'
import { FreshCode, isCode } from './fresh-code.tsx'
import { sentence } from './wording.ts'

/**
 * Asks for a second factor that a rule of the policy wants younger than the sign-in's. `then`: does what was refused once
 * more; left out, whoever is asked does it.
 */
export function ShowFactor({ refused, then }: { readonly refused: Refused; readonly then?: () => void }) {
  const [isOpen, setOpen] = useState(then !== undefined)
  const [isShown, setShown] = useState(false)
  if (isShown) return then === undefined ? <p role="status">That was taken: do it again.</p> : null
  return (
    // What is sent here is no form's that this stands in.
    // biome-ignore lint/a11y/noStaticElementInteractions: nothing is done here by a person
    <div onSubmit={(event) => event.stopPropagation()}>
      <Button variant="link" isInline onClick={() => setOpen(true)}>
        Give a fresh code
      </Button>
      {isOpen ? (
        <FactorDialog
          why={sentence(refused.message)}
          onShown={() => {
            setOpen(false)
            setShown(true)
            then?.()
          }}
          onClose={() => setOpen(false)}
        />
      ) : null}
    </div>
  )
}

function FactorDialog(props: {
  readonly why: string
  readonly onShown: () => void
  readonly onClose: () => void
}) {
  const [code, setCode] = useState('')
  return (
    <Dialog
      title="Show that it is you"
      description={props.why}
      action="Go on"
      ready={isCode(code)}
      onClose={props.onClose}
      act={async () => {
        await ask('POST', '/api/login/confirm', await proven(code, 'login.confirm', {}, {}))
        props.onShown()
      }}
    >
      <FreshCode code={code} onChange={setCode} autoFocus />
    </Dialog>
  )
}
