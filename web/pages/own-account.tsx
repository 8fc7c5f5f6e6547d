import { Button, Card, CardBody, CardTitle, Gallery, Label } from '@patternfly/react-core'
import { useState } from 'react'
import { ask, at } from '../api.ts'
import { Name } from '../parts/name.tsx'
import { Listing } from '../parts/listing.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { TwoStep } from '../parts/two-step.tsx'
import { Moment, When } from '../parts/when.tsx'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { AddKey, KeyList } from './keys.tsx'
import { MailDialog } from './user-mail.tsx'
import { useLogins } from './lists.ts'

/** One's own sign-ins and SSH keys. */
export function OwnAccount() {
  const user = useUser()
  const change = useChange()
  const logins = useLogins()
  const [adding, setAdding] = useState(false)
  const [mailing, setMailing] = useState(false)
  const [error, setError] = useState<unknown>(null)
  return (
    <Page
      title={user.name}
      about={
        <>
          {user.roles.map((role) => (
            <Label key={role} isCompact variant="outline">
              {role}
            </Label>
          ))}
        </>
      }
    >
      <Gallery hasGutter minWidths={{ default: '100%' }}>
        {hasRole(user, 'auditor') ? null : (
          <Card>
            <CardTitle component="h2" className="split">
              SSH keys
              <Button variant="secondary" size="sm" onClick={() => setAdding(true)}>
                Add a key
              </Button>
            </CardTitle>
            <CardBody>
              <KeyList user={user.name} />
            </CardBody>
          </Card>
        )}
        <Card>
          <CardTitle component="h2" className="split">
            Mail address
            <Button variant="secondary" size="sm" onClick={() => setMailing(true)}>
              {user.mail === null ? 'Set it' : 'Change'}
            </Button>
          </CardTitle>
          <CardBody>
            {user.mail === null ? (
              <span className="quiet">You are written to by nobody here.</span>
            ) : (
              <>
                <span className="mono">
                  <Name of={user.mail.address} />
                </span>
                <div className="quiet small">
                  {user.mail.notices === 'all'
                    ? 'about everything that concerns you'
                    : 'about what concerns security alone'}
                </div>
              </>
            )}
          </CardBody>
        </Card>
        <Card>
          <CardTitle component="h2">Sign-ins</CardTitle>
          <CardBody>
            <Problem error={error} />
            <Listing
              name="Sign-ins"
              query={logins}
              keyOf={({ id }) => id}
              text={(row) => `${row.user} ${row.source}`}
              columns={[
                { title: 'User', cell: (row) => row.user },
                { title: 'From', cell: (row) => <span className="mono">{row.source}</span> },
                { title: 'Since', fit: 'whole', cell: (row) => <When at={row.createdAt} /> },
                { title: 'Until', fit: 'whole', cell: (row) => <Moment at={row.expiresAt} /> },
                {
                  title: 'Actions',
                  actions: true,
                  cell: (row) => (
                    <TwoStep
                      text="End"
                      confirm="End this sign-in"
                      label={`End the sign-in from ${row.source}`}
                      onDo={() => {
                        setError(null)
                        return change(() => ask('DELETE', at`/api/logins/${row.id}`)).catch(setError)
                      }}
                    />
                  ),
                },
              ]}
              empty={{ title: 'No sign-ins', body: 'There should be at least this one.' }}
            />
          </CardBody>
        </Card>
      </Gallery>
      {mailing ? <MailDialog user={user} onClose={() => setMailing(false)} /> : null}
      {adding ? <AddKey user={user.name} onClose={() => setAdding(false)} /> : null}
    </Page>
  )
}
