import {
  Button,
  Checkbox,
  Content,
  FormGroup,
  Label,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
} from '@patternfly/react-core'
import { useState } from 'react'
import type { ServiceScope, TokenView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Command } from '../parts/command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { TwoStep } from '../parts/two-step.tsx'
import { Moment, When } from '../parts/when.tsx'
import { visible, zonedMoment } from '../parts/wording.ts'
import { addServiceToken } from '../sealed/service-token.ts'
import { useChange } from '../shell/me.ts'
import { useTokens } from './lists.ts'

const meanings: Readonly<Record<ServiceScope, string>> = {
  'access.read': 'Grants, requests, leases, break-glass, and who has seen which secret',
  'audit.read': 'The audit log, and its export',
  'inventory.read': 'Safes, targets, accounts and plant switches; no secrets',
  'policy.read': 'The policy, and what it lets whom do',
  'recordings.read': 'Which recordings there are; never what is in them',
  'sessions.read': 'Sessions, live and past, and who is kept off',
  'users.read': 'Users, their sign-ins, vendors and their contracts',
}

const states = {
  good: { text: 'good', colour: 'green' },
  expired: { text: 'expired', colour: 'grey' },
  revoked: { text: 'revoked', colour: 'grey' },
} as const

type Doing =
  | { readonly kind: 'add' }
  | { readonly kind: 'made'; readonly token: TokenView; readonly secret: string }

/** Programs that read through the API, each by a token of its own. */
export function Services() {
  const tokens = useTokens()
  const change = useChange()
  const [doing, setDoing] = useState<Doing | null>(null)
  const [error, setError] = useState<unknown>(null)
  const close = () => setDoing(null)
  const add = <Button onClick={() => setDoing({ kind: 'add' })}>Make a token</Button>
  return (
    <Page
      title="Services"
      about="Programs that read through the API: a historian, a SIEM, an inventory. A service is no user: it approves, reveals, connects and changes nothing."
      actions={add}
    >
      <Problem error={error} />
      <Listing<TokenView>
        name="Tokens"
        query={tokens}
        keyOf={({ id }) => id}
        text={({ service, scopes, state, networks }) => [service, state, ...scopes, ...networks].join(' ')}
        columns={[
          {
            title: 'Service',
            cell: ({ service, id }) => (
              <>
                <strong>
                  <Name of={service} />
                </strong>
                <div className="quiet small mono">{id}</div>
              </>
            ),
          },
          {
            title: 'State',
            fit: 'whole',
            cell: ({ state }) => (
              <Label isCompact color={states[state].colour}>
                {states[state].text}
              </Label>
            ),
          },
          {
            title: 'Reads',
            cell: ({ scopes }) => (
              <div className="row close">
                {scopes.map((scope) => (
                  <Label key={scope} isCompact variant="outline">
                    {scope}
                  </Label>
                ))}
              </div>
            ),
          },
          {
            title: 'From',
            cell: ({ networks }) =>
              networks.length === 0 ? (
                <span className="quiet">everywhere</span>
              ) : (
                <span className="mono">{networks.map(visible).join(', ')}</span>
              ),
          },
          { title: 'Until', fit: 'whole', cell: ({ expiresAt }) => <Moment at={expiresAt} /> },
          {
            title: 'Last used',
            fit: 'whole',
            cell: ({ lastUsedAt, lastSource }) => (
              <>
                <When at={lastUsedAt} />
                {lastSource === null ? null : <div className="quiet small mono">{visible(lastSource)}</div>}
              </>
            ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: ({ id, service, state }) =>
              state !== 'good' ? null : (
                <TwoStep
                  text="Revoke"
                  confirm="Revoke this token"
                  label={`Revoke the token ${id} of ${service}`}
                  onDo={() => {
                    setError(null)
                    return change(() => ask('DELETE', at`/api/tokens/${id}`)).catch(setError)
                  }}
                />
              ),
          },
        ]}
        empty={{
          title: 'No tokens yet',
          body: (
            <>
              Make one here, or with <code>tagout token add historian --scope audit.read --expires 90d</code>.
            </>
          ),
          action: add,
        }}
      />
      {doing?.kind === 'add' ? (
        <AddToken onClose={close} onMade={(made) => setDoing({ kind: 'made', ...made })} />
      ) : null}
      {doing?.kind === 'made' ? <Made token={doing.token} secret={doing.secret} onClose={close} /> : null}
    </Page>
  )
}

const lives = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '180', label: '180 days' },
  { value: '365', label: 'a year' },
]

function AddToken(props: {
  readonly onClose: () => void
  readonly onMade: (made: { readonly token: TokenView; readonly secret: string }) => void
}) {
  const change = useChange()
  const [service, setService] = useState('')
  const [scopes, setScopes] = useState<readonly ServiceScope[]>([])
  const [networks, setNetworks] = useState('')
  const [days, setDays] = useState('90')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title="Make a token"
      action="Make the token"
      ready={service !== '' && scopes.length > 0 && isCode(code)}
      onClose={props.onClose}
      act={async () => {
        const from = networks.split(/[\s,]+/).filter((part) => part !== '')
        const expiresAt = new Date(Date.now() + Number(days) * 24 * 3600_000).toISOString()
        const wanted = {
          service,
          scopes: [...scopes],
          expiresAt,
          ...(from.length === 0 ? {} : { networks: from }),
        }
        props.onMade(await change(() => addServiceToken(wanted, code)))
      }}
    >
      <Field
        label="Service"
        name="service"
        value={service}
        onChange={setService}
        autoFocus
        hint="Which program it is for: historian"
      />
      <FormGroup label="It reads" role="group" fieldId="scopes">
        {(Object.keys(meanings) as ServiceScope[]).map((scope) => (
          <Checkbox
            key={scope}
            id={`scope-${scope}`}
            label={scope}
            description={meanings[scope]}
            isChecked={scopes.includes(scope)}
            onChange={(_event, checked) =>
              setScopes(checked ? [...scopes, scope] : scopes.filter((other) => other !== scope))
            }
          />
        ))}
      </FormGroup>
      <Choice label="Good for" name="expiresAt" value={days} onChange={setDays} options={lives} />
      <Field
        label="From"
        name="networks"
        value={networks}
        onChange={setNetworks}
        required={false}
        mono
        hint="Addresses or networks where it is good: 10.0.3.0/24. Empty: everywhere"
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

/** A token that was just made. The vault keeps a hash of it: nobody is shown it again. */
function Made(props: { readonly token: TokenView; readonly secret: string; readonly onClose: () => void }) {
  const { token, secret, onClose } = props
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="token-title">
      <ModalHeader title={`A token of ${token.service}`} labelId="token-title" />
      <ModalBody>
        <Content component="p">
          Enter it where {token.service} keeps its secrets. It is good until {zonedMoment(token.expiresAt)},
          and is sent with each request as <code>Authorization: Bearer</code>.
        </Content>
        <Command text={secret} label="Token" />
        <Note isInline isPlain variant="warning" title="It is not shown again" className="gap-above" />
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>Done</Button>
      </ModalFooter>
    </Modal>
  )
}
