import { Button, Content, Label, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useState } from 'react'
import type { UserView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Listing } from '../parts/listing.tsx'
import { Problem } from '../parts/problem.tsx'
import { TwoStep } from '../parts/two-step.tsx'
import { Moment, When } from '../parts/when.tsx'
import { useChange } from '../shell/me.ts'
import { PasskeyList } from './passkeys.tsx'
import { useLogins } from './lists.ts'

/** Where a user is signed in, and how to end it: one of them, or all but the one that is looked at with. */
export function SignIns({ user }: { readonly user: UserView }) {
  const change = useChange()
  const logins = useLogins()
  const [error, setError] = useState<unknown>(null)
  const end = (path: string) => {
    setError(null)
    return change(() => ask('DELETE', path)).catch(setError)
  }
  const theirs = (logins.data ?? []).filter((row) => row.user === user.name)
  const others = theirs.filter(({ isOwn }) => !isOwn)
  const all = others.length < theirs.length ? 'others' : 'sign-ins'
  return (
    <>
      <Problem error={error} />
      <Listing
        name="Sign-ins"
        query={logins.data === undefined ? logins : { ...logins, data: theirs }}
        keyOf={({ id }) => id}
        text={(row) => `${row.user} ${row.source}`}
        columns={[
          {
            title: 'From',
            cell: (row) => (
              <>
                <span className="mono">{row.source}</span>{' '}
                {row.isOwn ? (
                  <Label isCompact color="blue">
                    this one
                  </Label>
                ) : null}
              </>
            ),
          },
          { title: 'Since', fit: 'whole', cell: (row) => <When at={row.createdAt} /> },
          { title: 'Last seen', fit: 'whole', cell: (row) => <When at={row.lastSeenAt} /> },
          { title: 'Until', fit: 'whole', cell: (row) => <Moment at={row.expiresAt} /> },
          {
            title: 'Actions',
            actions: true,
            cell: (row) => (
              <TwoStep
                text="End"
                confirm="End this sign-in"
                label={`End the sign-in from ${row.source}`}
                onDo={() => end(at`/api/logins/${row.id}`)}
              />
            ),
          },
        ]}
        tools={
          others.length > 1 || (others.length === 1 && all === 'others') ? (
            <TwoStep
              text={`End all ${all}`}
              confirm={`End ${others.length} ${others.length === 1 ? 'sign-in' : 'sign-ins'}`}
              label={`End all ${all} of ${user.name}`}
              onDo={() => end(at`/api/users/${user.id}/logins`)}
            />
          ) : null
        }
        empty={{ title: 'No sign-ins', body: `${user.name} is signed in nowhere.` }}
      />
    </>
  )
}

export function SignInsDialog({ user, onClose }: { readonly user: UserView; readonly onClose: () => void }) {
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="sign-ins-title">
      <ModalHeader title={`Sign-ins and passkeys of ${user.name}`} labelId="sign-ins-title" />
      <ModalBody>
        <SignIns user={user} />
        <Content component="h2" className="gap-above">
          Passkeys
        </Content>
        <PasskeyList user={user.name} />
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>Done</Button>
      </ModalFooter>
    </Modal>
  )
}
