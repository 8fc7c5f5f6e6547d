import {
  Bullseye,
  Card,
  CardBody,
  CardTitle,
  Content,
  Label,
  Progress,
  Spinner,
} from '@patternfly/react-core'
import type { ReactNode } from 'react'
import type { RotationView, SealView, SharesView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { Command } from '../parts/command.tsx'
import { Listing } from '../parts/listing.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment, When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { useStatus } from '../shell/me.ts'
import { useKeys, useSeals } from './lists.ts'
import {
  changeCommand,
  hasOneWayOnly,
  KeyCommands,
  rehearsalCommand,
  sealNoun,
} from './vault-key-commands.tsx'

/** The ways to unseal the vault and the exchanges of its keys: to look at. They are changed on the machine alone. */
export function VaultKeys() {
  const status = useStatus(2_000)
  const isOpen = status.data?.initialised === true && !status.data.sealed
  return (
    <Page
      title="Vault keys"
      about="What opens the vault after a start, and the keys under which its secrets lie. It is changed on the machine alone, by the commands on this page: no login in a console can lock everybody out, or let somebody in."
    >
      {status.data === undefined ? (
        status.error === null ? (
          <Waiting />
        ) : (
          <Problem error={status.error} />
        )
      ) : isOpen ? (
        <Open />
      ) : (
        <Sealed
          kinds={status.data.sealProviders.map(({ kind }) => kind)}
          shares={status.data.shares}
          initialised={status.data.initialised}
        />
      )}
    </Page>
  )
}

function Waiting() {
  return (
    <Bullseye>
      <Spinner aria-label="Loading the keys" />
    </Bullseye>
  )
}

function Sealed(props: {
  readonly kinds: readonly SealView['kind'][]
  readonly shares: SharesView | null
  readonly initialised: boolean
}) {
  if (!props.initialised)
    return (
      <Note variant="warning" title="This vault is not initialised">
        The machine administrator runs <Command text="npm start" />.
      </Note>
    )
  const kinds = [...new Set(props.kinds)].map(sealNoun)
  return (
    <>
      <Note
        variant="warning"
        title="The vault is sealed: its keys are nowhere in memory"
        className="gap-below"
      >
        <p>The machine administrator, or the custodians one after the other, unseal it on the machine:</p>
        <p className="gap-above">
          <Command text={props.kinds.includes('custodians') ? 'tagout unseal --share' : 'tagout unseal'} />
        </p>
      </Note>
      {props.shares === null ? null : (
        <Shares shares={props.shares} title="Custodians are unsealing the vault" />
      )}
      <Card>
        <CardTitle component="h2">It opens by</CardTitle>
        <CardBody>
          {kinds.length === 0 ? 'nothing: this vault cannot be unsealed' : kinds.join(', ')}
        </CardBody>
      </Card>
    </>
  )
}

function Open() {
  const seals = useSeals()
  const keys = useKeys()
  const rotations = keys.data?.rotations ?? []
  const rehearsal = keys.data?.rehearsal ?? null
  return (
    <>
      {seals.data !== undefined && hasOneWayOnly(seals.data) ? (
        <Note variant="warning" title="Only one way opens this vault" className="gap-below">
          <p>
            If it is lost, the recovery key is all that is left. Add a second way, kept elsewhere: a key file
            on a stick in a safe, or custodians.
          </p>
          <p className="gap-above">
            <Command text="tagout keys add --key-file /media/stick/seal.key" />
          </p>
        </Note>
      ) : null}
      {rotations
        .filter(({ state }) => state !== 'finished')
        .map((rotation) => (
          <Going key={rotation.id} rotation={rotation} />
        ))}
      {rehearsal === null ? null : <Shares shares={rehearsal} title="Custodians are rehearsing" />}
      <h2 className="card-heading gap-below">Ways to unseal</h2>
      <Listing
        name="Ways to unseal"
        query={seals}
        keyOf={({ id }) => id}
        text={(seal) =>
          [sealNoun(seal.kind), seal.path, seal.outside, ...(seal.custodians?.names ?? [])].join(' ')
        }
        columns={[
          { title: 'Opens by', fit: 'text', cell: (seal) => <Way seal={seal} /> },
          { title: 'Added', fit: 'whole', cell: ({ createdAt }) => <When at={createdAt} /> },
          {
            title: 'Last rehearsed',
            fit: 'whole',
            cell: ({ rehearsedAt }) =>
              rehearsedAt === null ? <span className="quiet">never</span> : <When at={rehearsedAt} />,
          },
          { title: 'Rehearse', fit: 'text', cell: (seal) => <Copied text={rehearsalCommand(seal)} /> },
          {
            title: 'Exchange or take away',
            fit: 'text',
            cell: (seal) => <Copied text={changeCommand(seal)} />,
          },
        ]}
        empty={{
          title: 'Nothing opens this vault',
          body: 'Restore a backup, or ask who changed the database.',
        }}
      />
      <h2 className="card-heading gap-above gap-below">Exchanges of keys</h2>
      {keys.data === undefined ? (
        keys.error === null ? (
          <Waiting />
        ) : (
          <Problem error={keys.error} />
        )
      ) : (
        <>
          <p className="gap-below">
            The root key is of version {keys.data.rootVersion}
            {rotations.length === 0 ? '; no key has been exchanged.' : '.'}
          </p>
          {rotations.length === 0 ? null : <Exchanges rotations={rotations} />}
        </>
      )}
      <KeyCommands hasCustodians={seals.data?.some(({ kind }) => kind === 'custodians') === true} />
    </>
  )
}

function Copied({ text }: { readonly text: string | undefined }) {
  return text === undefined ? (
    <span className="quiet">see its row in tagout keys list</span>
  ) : (
    <Command text={text} />
  )
}

/** A way to unseal: what it is, who or what holds it, and what to know of it. */
function Way({ seal }: { readonly seal: SealView }) {
  const { custodians } = seal
  return (
    <>
      <strong>{sealNoun(seal.kind)}</strong>{' '}
      {seal.byItself ? (
        <Label isCompact color="blue">
          opens it at a start, without a person
        </Label>
      ) : null}
      {custodians === null ? null : (
        <div>
          any {custodians.threshold} of {custodians.names.map(visible).join(', ')}; set{' '}
          <span className="mono">{visible(custodians.set)}</span>
        </div>
      )}
      {seal.path === null ? null : <div className="mono small">{visible(seal.path)}</div>}
      {seal.outside === null ? null : <div className="mono small">{visible(seal.outside)}</div>}
      {seal.followsRotation ? null : (
        <div className="small">
          The root key cannot be exchanged before this way has unsealed the vault once.
        </div>
      )}
    </>
  )
}

/** An exchange that goes on, or has stopped. */
function Going({ rotation }: { readonly rotation: RotationView }) {
  const stopped = rotation.state === 'stopped'
  return (
    <Card className="gap-below">
      <CardTitle component="h2">
        {stopped ? 'The exchange of ' : 'Being exchanged: '}
        {keyText(rotation)}
        {stopped ? ' has stopped' : ''}
      </CardTitle>
      <CardBody>
        <Meter name={`Exchange of ${keyText(rotation)}`} done={rotation.done} total={rotation.total}>
          {rotation.done} of {count(rotation.total, 'key')} wrapped anew
        </Meter>
        <Content component="p" className="gap-above">
          {stopped
            ? 'Nothing is lost. The log of the vault says why; it goes on when the vault has been sealed and unsealed.'
            : 'Everything goes on meanwhile, and so does this after a restart.'}{' '}
          Begun <When at={rotation.startedAt} /> by {whoText(visible(rotation.startedBy))}.
        </Content>
      </CardBody>
    </Card>
  )
}

/** How far custodians have come who enter their shares. */
function Shares({ shares, title }: { readonly shares: SharesView; readonly title: string }) {
  const named = (names: readonly string[]) => names.filter((name) => name !== '').map(visible)
  const given = named(shares.given.map(({ name }) => name))
  return (
    <Card className="gap-below">
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>
        <Meter name="Shares entered" done={shares.given.length} total={shares.threshold}>
          {shares.given.length} of {shares.threshold} shares entered, set {visible(shares.set)}
        </Meter>
        <Content component="p" className="gap-above">
          {given.length === 0 ? null : <>From {given.join(', ')}. </>}
          {shares.missing.length === 0 ? null : <>Not yet from {named(shares.missing).join(', ')}. </>}
          They wait for the others until <Moment at={shares.until} />, in memory alone.
        </Content>
      </CardBody>
    </Card>
  )
}

function Meter(props: {
  readonly name: string
  readonly done: number
  readonly total: number
  readonly children: ReactNode
}) {
  return (
    <>
      <Progress
        aria-label={props.name}
        value={props.total === 0 ? 100 : Math.floor((props.done / props.total) * 100)}
      />
      <p>{props.children}</p>
    </>
  )
}

function Exchanges({ rotations }: { readonly rotations: readonly RotationView[] }) {
  return (
    <table aria-label="Exchanges of keys" className="listing">
      <thead>
        <tr>
          {['Key', 'Version', 'State', 'Keys wrapped anew', 'Begun', 'Finished'].map((title) => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rotations.map((rotation) => (
          <tr key={rotation.id}>
            <Cell title="Key">{keyText(rotation)}</Cell>
            <Cell title="Version">{rotation.version}</Cell>
            <Cell title="State">
              <Label isCompact color={colours[rotation.state]}>
                {rotation.state}
              </Label>
            </Cell>
            <Cell title="Keys wrapped anew">
              {rotation.done} of {rotation.total}
            </Cell>
            <Cell title="Begun">
              <When at={rotation.startedAt} /> by {whoText(visible(rotation.startedBy))}
            </Cell>
            <Cell title="Finished">
              <Moment at={rotation.finishedAt} />
            </Cell>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const colours = { running: 'blue', finished: 'green', stopped: 'orange' } as const

function Cell({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <td data-label={title} className="fit-name">
      <div>{children}</div>
    </td>
  )
}

function keyText(rotation: RotationView): string {
  return rotation.safe === null ? 'the root key' : `the key of safe ${visible(rotation.safe)}`
}
