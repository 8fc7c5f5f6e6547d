import { Button, Card, CardBody, CardTitle, Gallery, Label } from '@patternfly/react-core'
import { useState } from 'react'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { hasPasskeys } from '../sealed/passkeys.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { AddKey, KeyList } from './keys.tsx'
import { AddPasskey, PasskeyList } from './passkeys.tsx'
import { RenewCodes } from './recovery-codes.tsx'
import { SignIns } from './sign-ins.tsx'
import { MailDialog } from './user-mail.tsx'

/** One's own sign-ins and SSH keys. */
export function OwnAccount() {
  const user = useUser()
  const [adding, setAdding] = useState(false)
  const [mailing, setMailing] = useState(false)
  const [keying, setKeying] = useState(false)
  const [renewing, setRenewing] = useState(false)
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
          {user.company === undefined || user.contractEndsAt === undefined ? null : (
            <>
              {' '}
              of {visible(user.company)}, whose contract ends <Moment at={user.contractEndsAt} />
            </>
          )}
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
          <CardTitle component="h2" className="split">
            Passkeys
            <Button variant="secondary" size="sm" isDisabled={!hasPasskeys} onClick={() => setKeying(true)}>
              Add a passkey
            </Button>
          </CardTitle>
          <CardBody>
            {hasPasskeys ? null : (
              <p className="quiet">
                This browser makes no passkeys here: open the console by its name, with a certificate that it
                trusts.
              </p>
            )}
            <PasskeyList user={user.name} />
          </CardBody>
        </Card>
        <Card>
          <CardTitle component="h2" className="split">
            Recovery codes
            <Button variant="secondary" size="sm" onClick={() => setRenewing(true)}>
              {user.recoveryCodes === 0 ? 'Make them' : 'Make new ones'}
            </Button>
          </CardTitle>
          <CardBody>
            {user.recoveryCodes === 0 ? (
              <span className="quiet">
                You have none. Without them, who loses the authenticator waits for an administrator.
              </span>
            ) : (
              `${user.recoveryCodes} left. Each signs you in once where your authenticator is not at hand.`
            )}
          </CardBody>
        </Card>
        <Card>
          <CardTitle component="h2">Sign-ins</CardTitle>
          <CardBody>
            <SignIns user={user} />
          </CardBody>
        </Card>
      </Gallery>
      {keying ? <AddPasskey onClose={() => setKeying(false)} /> : null}
      {renewing ? <RenewCodes user={user} onClose={() => setRenewing(false)} /> : null}
      {mailing ? <MailDialog user={user} onClose={() => setMailing(false)} /> : null}
      {adding ? <AddKey user={user.name} onClose={() => setAdding(false)} /> : null}
    </Page>
  )
}
