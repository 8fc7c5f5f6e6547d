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
import { useState } from 'react'
import type { NotificationView, VerbAnswer } from '../../vault/contract.ts'
import { ask } from '../api.ts'
import { Command } from '../parts/command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange, useUser } from '../shell/me.ts'
import { useLatestNotifications, useNotifications, useUsers } from './lists.ts'
import { LogReceivers } from './siem.tsx'

type Status = VerbAnswer<'notification.status'>

/** Mail to people and the webhook: what goes out, what waits, and whether it arrives. */
export function Notifications() {
  const status = useNotifications()
  const list = useLatestNotifications()
  const change = useChange()
  const [doing, setDoing] = useState<'test' | 'webhook' | null>(null)
  const [error, setError] = useState<unknown>(null)
  const close = () => setDoing(null)
  if (status.data === undefined)
    return (
      <Page title="Notifications">
        {status.isPending ? (
          <Bullseye>
            <Spinner aria-label="Loading notifications" />
          </Bullseye>
        ) : (
          <Problem error={status.error} />
        )}
      </Page>
    )
  const { mail, webhook, waiting, latest, webhookKey, senderSeenAt } = status.data
  const stuck = latest.filter(({ state, error: why }) => state === 'waiting' && why !== null)
  return (
    <Page
      title="Notifications"
      about="Who is written to, what waits, and whether it arrives. A mail names people, accounts and times; reasons stay here."
      actions={
        <div className="row">
          <Button onClick={() => setDoing('test')}>Test mail</Button>
          <Button variant="secondary" onClick={() => setDoing('webhook')}>
            {webhook === null ? 'Set a webhook' : 'Change the webhook'}
          </Button>
          {webhook === null ? null : (
            <Button
              variant="secondary"
              onClick={() => {
                setError(null)
                change(() => ask('POST', '/api/notifications/test-webhook')).catch(setError)
              }}
            >
              Test the webhook
            </Button>
          )}
        </div>
      }
    >
      <div className="blocks">
        <Problem error={error} />
        {stuck.length === 0 ? null : (
          <Note
            variant="warning"
            title={`${stuck.length === 1 ? 'One could' : `${stuck.length} could`} not be sent yet, and ${stuck.length === 1 ? 'is' : 'are'} tried again`}
          >
            <p>{sentence(visible(stuck[0]?.error ?? ''))}</p>
          </Note>
        )}
        <Gallery hasGutter minWidths={{ default: '100%', md: '20rem' }}>
          <Card>
            <CardTitle component="h2">Mail</CardTitle>
            <CardBody>
              {mail === null ? (
                <Content component="p">
                  {senderSeenAt === null
                    ? 'Nobody has asked for something to send since the vault started.'
                    : 'No mail server is set up: nobody is written to.'}{' '}
                  The machine’s administrator names one in <code>tagout.json</code> (<code>notify.smtp</code>
                  ).
                </Content>
              ) : (
                <Content component="p">
                  From{' '}
                  <span className="mono">
                    <Name of={mail.from} />
                  </span>
                  , by{' '}
                  <span className="mono">
                    <Name of={mail.server} />
                  </span>
                </Content>
              )}
              <Waiting of={waiting.mail} />
            </CardBody>
          </Card>
          <Card>
            <CardTitle component="h2">Webhook</CardTitle>
            <CardBody>
              {webhook === null ? (
                <Content component="p">There is none.</Content>
              ) : (
                <>
                  <Content component="p">
                    <span className="mono">
                      <Name of={webhook.url} />
                    </span>
                    , set by {webhook.setBy} <When at={webhook.setAt} />
                  </Content>
                  <Content component="p">Its receiver checks signatures with this key:</Content>
                  <Command text={webhookKey} label="Key of the webhook" />
                </>
              )}
              <Waiting of={waiting.webhook} />
            </CardBody>
          </Card>
        </Gallery>
        <LogReceivers />
        <Content component="h2">What people and the webhook were told</Content>
        <Listing
          name="Notifications"
          query={list}
          keyOf={(row) => row.id}
          text={(row) => [row.user ?? 'webhook', row.kind, row.text, row.state, row.error ?? ''].join(' ')}
          columns={[
            { title: 'State', fit: 'whole', cell: (row) => <Badge of={row} /> },
            { title: 'To', cell: (row) => (row.user === null ? 'the webhook' : <Name of={row.user} />) },
            {
              title: 'What',
              fit: 'text',
              cell: (row) => (
                <>
                  {visible(row.text)}
                  {row.error === null ? null : (
                    <div className="quiet small">{sentence(visible(row.error))}</div>
                  )}
                </>
              ),
            },
            { title: 'Made', fit: 'whole', cell: (row) => <When at={row.createdAt} /> },
            {
              title: 'Tried',
              fit: 'whole',
              cell: (row) => (
                <>
                  {row.attempts}
                  {row.nextAt === null || row.error === null ? null : (
                    <div className="quiet small">
                      again <When at={row.nextAt} />
                    </div>
                  )}
                </>
              ),
            },
          ]}
          empty={{
            title: 'Nobody was written to yet',
            body: 'Give people an address under Users; they are written to when somebody asks to be let in.',
          }}
        />
      </div>
      {doing === 'test' ? <TestMail onClose={close} /> : null}
      {doing === 'webhook' ? <Webhook webhook={webhook} onClose={close} /> : null}
    </Page>
  )
}

function Waiting({ of: { count, since } }: { readonly of: Status['waiting']['mail'] }) {
  return (
    <Content component="small">
      {since === null ? (
        'Nothing waits.'
      ) : (
        <>
          {count} {count === 1 ? 'waits' : 'wait'}, since <When at={since} />
        </>
      )}
    </Content>
  )
}

function Badge({ of: { state, error } }: { readonly of: NotificationView }) {
  const colour =
    state === 'sent'
      ? 'green'
      : state === 'failed'
        ? 'red'
        : error !== null && state === 'waiting'
          ? 'orange'
          : 'grey'
  return (
    <Label color={colour} isCompact>
      {state}
    </Label>
  )
}

function TestMail({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const me = useUser()
  const users = useUsers()
  const written = (users.data ?? []).filter(({ mail, state }) => mail !== null && state !== 'disabled')
  const [chosen, setChosen] = useState(me.name)
  const user = written.some(({ name }) => name === chosen) ? chosen : ''
  return (
    <Dialog
      title="Test mail"
      action="Send"
      ready={user !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', '/api/notifications/test', { user }))
        onClose()
      }}
    >
      <Choice
        label="To"
        name="user"
        value={user}
        onChange={setChosen}
        options={[
          {
            value: '',
            label: written.length === 0 ? 'Nobody has a mail address yet' : 'Choose a user',
          },
          ...written.map(({ name, mail }) => ({ value: name, label: `${name} (${mail?.address ?? ''})` })),
        ]}
        hint="What becomes of it is in the list, within seconds."
      />
    </Dialog>
  )
}

function Webhook({
  webhook,
  onClose,
}: {
  readonly webhook: Status['webhook']
  readonly onClose: () => void
}) {
  const change = useChange()
  const [url, setUrl] = useState(webhook?.url ?? '')
  const [code, setCode] = useState('')
  const given = url.trim()
  const takesAway = given === ''
  return (
    <Dialog
      title="Webhook"
      action={takesAway ? 'Take it away' : 'Set'}
      danger={takesAway}
      ready={(!takesAway || webhook !== null) && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'webhook.set', {}, { url: takesAway ? null : given })
        await change(() => ask('PUT', '/api/webhook', body))
        onClose()
      }}
    >
      <Field
        label="Address"
        name="url"
        value={url}
        onChange={setUrl}
        required={false}
        autoFocus
        hint="https://… It is told of everything that anybody is written to about, signed. Empty: there is none."
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
