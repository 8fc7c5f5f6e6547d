import { Button } from '@patternfly/react-core'
import { useContext, useEffect, useState } from 'react'
import { onAnew } from '../sealed/providers.ts'
import { SignedIn } from '../shell/me.ts'
import { visible } from './wording.ts'

/** Where the provider of whoever is signed in asks them anew. */
export const anewPath = '/sign-in/anew'

/**
 * The way to the provider that has to ask somebody anew: in a tab of its own, so that what they were at stays as it is.
 */
export function StepUp() {
  const user = useContext(SignedIn)
  const [isBack, setIsBack] = useState(false)
  useEffect(() => onAnew(() => setIsBack(true)), [])
  if (user?.directory === undefined) return null
  return (
    <div aria-live="polite">
      {isBack ? (
        <p>You have signed in there anew: go on here.</p>
      ) : (
        <Button component="a" variant="link" isInline href={anewPath} target="tagout-anew">
          Sign in by {visible(user.directory)} anew, in another tab
        </Button>
      )}
    </div>
  )
}
