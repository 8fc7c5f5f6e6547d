import {
  Bullseye,
  Button,
  Card,
  CardBody,
  CardTitle,
  Content,
  Gallery,
  Label,
  Spinner,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { fingerprint } from '../../vault/auditors/identity.ts'
import type { AuditorChain, ListedAuditor } from '../../vault/auditors/list.ts'
import type { Enrolment } from '../../vault/contract.ts'
import { Command } from '../parts/command.tsx'
import { Listing } from '../parts/listing.tsx'
import { Note } from '../parts/note.tsx'
import { OneTimeLink } from '../parts/one-time-link.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment } from '../parts/when.tsx'
import { chainFingerprint, fetchChain } from '../sealed/chain.ts'
import { useKeyring } from '../sealed/keyring.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { AddAuditor, RemoveAuditor } from './auditor-changes.tsx'
import { MakeAuditorKey } from './auditor-key.tsx'
import { OpenKey } from './open-key.tsx'

type Row = { readonly id: string; readonly auditor: ListedAuditor; readonly fingerprint: string }
type Doing =
  | { readonly kind: 'make' | 'open' | 'add' }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'link'; readonly name: string; readonly enrolment: Enrolment }

/** Who can open recordings. The list is signed by auditors and checked in this browser: no server can add itself. */
export function Auditors() {
  const user = useUser()
  const keyring = useKeyring()
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  const chain = useQuery({ queryKey: ['auditors'], queryFn: fetchChain, refetchInterval: 30_000 })
  const rows = useQuery({
    queryKey: ['auditors', 'rows', chain.data?.current.version ?? 0],
    queryFn: () => rowsOf(chain.data ?? null),
    enabled: chain.data !== undefined,
  })
  const auditor = hasRole(user, 'auditor')
  const listed = chain.data?.current.auditors.some(({ name }) => name === user.name) === true
  const may = auditor && listed
  return (
    <Page
      title="Auditors"
      about="Recordings are sealed to these people's own keys. The servers hold none of them, so they cannot replay."
      actions={
        may ? (
          keyring === null ? (
            <Button onClick={() => setDoing({ kind: 'open' })}>Open my key</Button>
          ) : (
            <Button onClick={() => setDoing({ kind: 'add' })}>Add an auditor</Button>
          )
        ) : null
      }
    >
      {chain.isPending ? (
        <Bullseye>
          <Spinner aria-label="Checking the list" />
        </Bullseye>
      ) : null}
      <Problem error={chain.error} />
      {auditor && chain.data !== undefined && !listed ? (
        <NoKeyYet name={user.name} chain={chain.data} onMake={() => setDoing({ kind: 'make' })} />
      ) : null}
      {!auditor && chain.data === null ? (
        <Note variant="info" title="No auditor yet" className="gap-below">
          The auditor makes a key: here, after signing in, or with{' '}
          <code>tagout auditor keygen --out auditor.key</code>. The machine administrator enrols the first
          one: <code>tagout auditor add NAME auditor.key.pub --recovery-out recordings-recovery.key</code>.
        </Note>
      ) : null}
      {chain.data === undefined || chain.data === null ? null : (
        <>
          <Listing
            name="Auditors"
            query={rows}
            keyOf={({ id }) => id}
            text={(row) => `${row.id} ${row.fingerprint}`}
            columns={[
              {
                title: 'Name',
                cell: (row) => (
                  <>
                    <strong>{row.id}</strong>{' '}
                    {row.id === user.name ? (
                      <Label isCompact color="blue">
                        you
                      </Label>
                    ) : null}
                  </>
                ),
              },
              {
                title: 'Fingerprint',
                fit: 'text',
                cell: (row) => <span className="mono small">{row.fingerprint}</span>,
              },
              {
                title: 'Actions',
                actions: true,
                cell: (row) =>
                  may && keyring !== null && row.id !== user.name ? (
                    <Button
                      size="sm"
                      variant="danger"
                      onClick={() => setDoing({ kind: 'remove', name: row.id })}
                      aria-label={`Remove ${row.id}`}
                    >
                      Remove
                    </Button>
                  ) : null,
              },
            ]}
            empty={{ title: 'No auditors', body: 'The list is empty.' }}
          />
          <Gallery hasGutter minWidths={{ default: '100%', lg: '34rem' }} className="gap-above">
            <Card>
              <CardTitle component="h2">This installation&apos;s list</CardTitle>
              <CardBody>
                <dl className="facts">
                  <dt>Version</dt>
                  <dd>
                    {chain.data.current.version}, signed <Moment at={chain.data.current.at} />
                  </dd>
                  <dt>First list</dt>
                  <dd>
                    <Command text={chainFingerprint(chain.data)} label="Fingerprint of the first list" />
                  </dd>
                </dl>
                <Content component="small">
                  Compare the fingerprint once with the one that the machine administrator was shown. From
                  then on this browser takes only lists that continue it.
                </Content>
              </CardBody>
            </Card>
          </Gallery>
        </>
      )}
      {doing?.kind === 'make' ? (
        <MakeAuditorKey name={user.name} first={chain.data === null} onClose={close} />
      ) : null}
      {doing?.kind === 'open' ? <OpenKey name={user.name} onClose={close} onOpen={close} /> : null}
      {doing?.kind === 'add' ? (
        <AddAuditor
          onClose={close}
          onAdded={(name, enrolment) =>
            enrolment === null ? close() : setDoing({ kind: 'link', name, enrolment })
          }
        />
      ) : null}
      {doing?.kind === 'remove' ? <RemoveAuditor name={doing.name} onClose={close} /> : null}
      {doing?.kind === 'link' ? (
        <OneTimeLink name={doing.name} enrolment={doing.enrolment} onClose={close} />
      ) : null}
    </Page>
  )
}

async function rowsOf(chain: AuditorChain | null): Promise<readonly Row[]> {
  return Promise.all(
    (chain?.current.auditors ?? []).map(async (auditor) => ({
      id: auditor.name,
      auditor,
      fingerprint: await fingerprint(auditor),
    })),
  )
}

function NoKeyYet(props: {
  readonly name: string
  readonly chain: AuditorChain | null
  readonly onMake: () => void
}) {
  return (
    <Note variant="warning" title="You have no auditor key on the list yet" className="gap-below">
      <Content component="p">
        Make one in this browser: the private half stays with you, sealed under a passphrase.{' '}
        {props.chain === null
          ? 'You are the first: the machine administrator then enrols you.'
          : 'An auditor who is on the list then adds you.'}
      </Content>
      <Button onClick={props.onMake}>Make my key</Button>
    </Note>
  )
}
