import { Button, Card, CardBody, CardTitle, Spinner } from '@patternfly/react-core'
import { useEffect, useState } from 'react'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { anewPath } from '../parts/step-up.tsx'
import { visible } from '../parts/wording.ts'
import { comeBackAnew, leaveAnew } from '../sealed/providers.ts'
import { Brand } from '../shell/shell.tsx'

// Asked once, whatever is drawn anew.
let asked: Promise<{ readonly directory: string } | null> | undefined

/**
 * The tab in which somebody is asked anew by their provider: it goes there, and, once they are back (`search`), says so to
 * the tab that they came from.
 */
export function SignInAnew({ search }: { readonly search: string | null }) {
  const [directory, setDirectory] = useState<string | null>(null)
  const [error, setError] = useState<unknown>(null)

  useEffect(() => {
    document.title = 'Sign in anew · Tagout'
    let gone = false
    asked ??= search === null ? leaveAnew().then(() => null) : comeBackAnew(search)
    asked.then(
      (came) => {
        if (gone || came === null) return
        setDirectory(came.directory)
        window.close()
      },
      (refused: unknown) => gone || setError(refused),
    )
    return () => {
      gone = true
    }
  }, [search])

  return (
    <main className="alone">
      <Card className="alone-card" component="section">
        <CardTitle component="h1">
          <Brand />
          <span className="card-heading">Sign in anew</span>
        </CardTitle>
        <CardBody>
          {directory === null && error === null ? <Spinner aria-label="Signing in" /> : null}
          {directory === null ? null : (
            <Note variant="success" title={`${visible(directory)} has asked you anew`}>
              <p>Close this tab, and go on in the one that you came from.</p>
            </Note>
          )}
          {error === null ? null : (
            <>
              <Problem error={error} />
              <p className="gap-above">
                <Button component="a" variant="link" isInline href={anewPath}>
                  Begin anew
                </Button>
              </p>
            </>
          )}
        </CardBody>
      </Card>
    </main>
  )
}
