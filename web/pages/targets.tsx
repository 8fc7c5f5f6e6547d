import { Button, Content, Label, Radio, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useContext, useState } from 'react'
import type {
  CertificateFacts,
  DesktopSettings,
  LegacyAlgorithm,
  TargetView,
  VerbAnswer,
} from '../../vault/contract.ts'
import {
  identityOf,
  opensSessions,
  type Protocol,
  protocols,
  type SessionProtocol,
  usualFileMegabytes,
} from '../../vault/contract/words.ts'
import { unverified } from '../../vault/kernel/unverified.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at } from '../api.ts'
import { useImport } from '../import/use-import.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { addressOf, date, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, SignedIn, useChange, useUser } from '../shell/me.ts'
import { AuditLink } from './audit-link.tsx'
import { useSafes, useTargets } from './lists.ts'
import { useManages } from './may.ts'
import { ReachLink } from './reach-link.tsx'
import { DesktopFields, settingsIn } from './target-desktop.tsx'
import { AllowOldAlgorithms, OldAlgorithms } from './target-legacy.tsx'
import { Masked, MaskScreen } from './target-mask.tsx'

type Doing =
  | { readonly kind: 'add' }
  | { readonly kind: 'pin' | 'address' | 'marks' | 'mask' | 'remove'; readonly target: TargetView }
  | {
      readonly kind: 'legacy'
      readonly target: TargetView
      readonly needs: readonly LegacyAlgorithm[]
    }

/** The machines, and the keys by which they are known. */
export function Targets() {
  const targets = useTargets()
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  const importing = useImport('targets')
  const manages = useManages()
  const isAdmin = hasRole(useUser(), 'admin')
  const add = !manages() ? null : (
    <div className="row">
      <Button onClick={() => setDoing({ kind: 'add' })}>Add a target</Button>
      {importing.button}
    </div>
  )
  return (
    <Page
      title="Targets"
      about="A machine that sessions reach, or whose passwords are rotated. Nobody connects, and nothing is sent, until somebody has compared and approved its host key or certificate."
      actions={add}
    >
      <Listing
        name="Targets"
        query={targets}
        keyOf={({ id }) => id}
        text={(row) =>
          [
            row.name,
            row.safe,
            row.host,
            ...row.tags,
            row.zone ?? '',
            ...row.pins.map(({ fingerprint }) => fingerprint),
          ].join(' ')
        }
        columns={[
          {
            title: 'Name',
            cell: (row) => (
              <>
                <strong>
                  <Name of={row.name} />
                </strong>
                <Marks target={row} />
                <div className="row close">
                  <AuditLink asked={{ target: row.name }} text="Who was here" of={row.name} />
                  <ReachLink asked={{ noun: 'target', name: row.name }} text="Who can reach it" />
                </div>
              </>
            ),
          },
          { title: 'Safe', cell: (row) => <Name of={row.safe} /> },
          {
            title: 'Address',
            cell: (row) => (
              <span className="mono">
                <Name of={addressOf(row)} />
              </span>
            ),
          },
          {
            title: 'Identity',
            fit: 'text',
            cell: (row) => (
              <>
                <Identity target={row} />
                <OldAlgorithms target={row} />
                <Masked target={row} />
              </>
            ),
          },
          {
            title: 'Actions',
            actions: true,
            cell: (row) =>
              manages(row.safe) ? (
                <>
                  {hasNoIdentity(row) && row.pins.length > 0 ? null : (
                    <Button
                      size="sm"
                      variant={row.pins.length === 0 ? 'primary' : 'secondary'}
                      onClick={() => setDoing({ kind: 'pin', target: row })}
                      aria-label={`${pinningOf(row)} ${row.name}`}
                    >
                      {pinningOf(row)}
                    </Button>
                  )}
                  <Button
                    size="sm"
                    variant="secondary"
                    onClick={() => setDoing({ kind: 'address', target: row })}
                    aria-label={`Address of ${row.name}`}
                  >
                    Address
                  </Button>
                  {isAdmin ? (
                    <Button
                      size="sm"
                      variant="secondary"
                      onClick={() => setDoing({ kind: 'marks', target: row })}
                      aria-label={`Tags, zone and files of ${row.name}`}
                    >
                      Tags
                    </Button>
                  ) : null}
                  {isAdmin && (row.protocol === 'vnc' || row.protocol === 'rdp') ? (
                    <Button
                      size="sm"
                      variant="secondary"
                      onClick={() => setDoing({ kind: 'mask', target: row })}
                      aria-label={`Mask the screen of ${row.name}`}
                    >
                      Mask
                    </Button>
                  ) : null}
                  {row.protocol !== 'ssh' ? null : (
                    <Button
                      size="sm"
                      variant="secondary"
                      onClick={() => setDoing({ kind: 'legacy', target: row, needs: [] })}
                      aria-label={`Old algorithms of ${row.name}`}
                    >
                      Algorithms
                    </Button>
                  )}
                  <Button
                    size="sm"
                    variant="link"
                    isDanger
                    onClick={() => setDoing({ kind: 'remove', target: row })}
                    aria-label={`Remove ${row.name}`}
                  >
                    Remove
                  </Button>
                </>
              ) : null,
          },
        ]}
        empty={{
          title: 'No targets yet',
          body: manages() ? (
            <>
              Add the first machine here, or with{' '}
              <code>tagout target add press-3 ssh://192.0.2.10 --safe line-3</code>.
            </>
          ) : (
            'You see the machines of safes that you are a member of. Ask an administrator to make you one.'
          ),
          ...(add === null ? {} : { action: add }),
        }}
      />
      {doing?.kind === 'add' ? <AddTarget onClose={close} /> : null}
      {doing?.kind === 'pin' && hasNoIdentity(doing.target) ? (
        <ApproveUnverified target={doing.target} onClose={close} />
      ) : null}
      {doing?.kind === 'pin' && !hasNoIdentity(doing.target) ? (
        <Approve
          target={doing.target}
          onClose={close}
          onAllow={(needs) => setDoing({ kind: 'legacy', target: doing.target, needs })}
        />
      ) : null}
      {doing?.kind === 'legacy' ? (
        <AllowOldAlgorithms target={doing.target} needs={doing.needs} onClose={close} />
      ) : null}
      {doing?.kind === 'address' ? <Address target={doing.target} onClose={close} /> : null}
      {doing?.kind === 'marks' ? <ChangeMarks target={doing.target} onClose={close} /> : null}
      {doing?.kind === 'mask' ? <MaskScreen target={doing.target} onClose={close} /> : null}
      {doing?.kind === 'remove' ? <Remove target={doing.target} onClose={close} /> : null}
      {importing.dialog}
    </Page>
  )
}

/** What rules of the policy may name a target by. */
function Marks({ target: { tags, zone } }: { readonly target: TargetView }) {
  return (
    <>
      {tags.map((tag) => (
        <div key={tag}>
          <Label isCompact textMaxWidth="8rem">
            {visible(tag)}
          </Label>
        </div>
      ))}
      {zone === null ? null : <div className="quiet small">zone {visible(zone)}</div>}
    </>
  )
}

const wordsOf = (text: string) => text.split(/[\s,]+/).filter((word) => word !== '')
const marksIn = (text: string) => [...new Set(wordsOf(text.toLowerCase()))].sort()

function MarkFields(props: {
  readonly tags: string
  readonly onTags: (tags: string) => void
  readonly zone: string
  readonly onZone: (zone: string) => void
}) {
  return (
    <>
      <Field
        label="Tags"
        name="tags"
        required={false}
        value={props.tags}
        onChange={props.onTags}
        hint="Words that rules of the policy may name it by: press critical"
      />
      <Field
        label="Zone"
        name="zone"
        required={false}
        value={props.zone}
        onChange={props.onZone}
        hint="One word, as rules of the policy name it: level-2"
      />
    </>
  )
}

function ChangeMarks({ target, onClose }: { readonly target: TargetView; readonly onClose: () => void }) {
  const change = useChange()
  const [tags, setTags] = useState(target.tags.join(' '))
  const [zone, setZone] = useState(target.zone ?? '')
  const [files, setFiles] = useState(target.fileMegabytes === null ? '' : String(target.fileMegabytes))
  const [code, setCode] = useState('')
  const megabytes = files.trim() === '' ? null : Number(files)
  const isNumber = megabytes === null || /^[1-9]\d{0,7}$/.test(files.trim())
  const isSame =
    marksIn(tags).join(' ') === target.tags.join(' ') &&
    zone.trim() === (target.zone ?? '') &&
    megabytes === target.fileMegabytes
  return (
    <Dialog
      title={`Tags, zone and files of ${target.name}`}
      action="Change"
      ready={!isSame && isNumber && isCode(code)}
      onClose={onClose}
      act={async () => {
        // As the vault keeps them: a passkey proves exactly what is sent.
        const wanted = {
          tags: marksIn(tags),
          zone: zone.trim() === '' ? null : zone.trim().toLowerCase(),
          ...(megabytes === target.fileMegabytes ? {} : { fileMegabytes: megabytes }),
        }
        const body = await proven(code, 'target.change', { target: target.id }, wanted)
        await change(() => ask('PUT', at`/api/targets/${target.id}/marks`, body))
        onClose()
      }}
    >
      <Content component="p">
        Rules of the policy that name these let people in, or limit them, from now on: look at{' '}
        <em>May they?</em> on the page Policy afterwards.
      </Content>
      <MarkFields tags={tags} onTags={setTags} zone={zone} onZone={setZone} />
      {opensSessions(target.protocol) ? (
        <Field
          label="Megabytes in the files of a session"
          name="file-megabytes"
          required={false}
          value={files}
          onChange={setFiles}
          hint={`Both ways together, from the next session on. Left out: ${usualFileMegabytes}`}
        />
      ) : null}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

/** Does it show nothing by which it could be told from another machine? */
function hasNoIdentity({ protocol, desktop }: TargetView): boolean {
  return identityOf(protocol, desktop) === 'nothing'
}

/** What the button says by which a person approves who answers at a target's address. */
function pinningOf(target: TargetView): string {
  if (hasNoIdentity(target)) return 'Approve unverified'
  return target.pins.length === 0 ? 'Scan and approve' : 'Scan'
}

function Identity({ target }: { readonly target: TargetView }) {
  if (target.pins.some(({ fingerprint }) => fingerprint === unverified))
    return (
      <>
        <Label color="orange" isCompact>
          unverified
        </Label>{' '}
        <span className="quiet small">
          approved so by {target.pins.map(({ approvedBy }) => whoText(visible(approvedBy))).join(', ')}
        </span>
      </>
    )
  if (target.changedKey !== null)
    return (
      <Label status="danger" isCompact>
        its {target.protocol === 'ssh' ? 'key' : 'certificate'} has changed: refused
      </Label>
    )
  if (target.pins.length === 0)
    return (
      <Label color="orange" isCompact>
        not approved: {opensSessions(target.protocol) ? 'nobody can connect' : 'nothing is rotated'}
      </Label>
    )
  return (
    <>
      {target.pins.map(({ type, fingerprint, approvedBy }) => (
        <div key={fingerprint} className="pin">
          <span className="mono small">{fingerprint}</span>
          <span className="quiet small">
            {type === '' ? '' : `${type}, `}approved by {whoText(visible(approvedBy))}
          </span>
        </div>
      ))}
    </>
  )
}

function AddTarget({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const safes = useSafes()
  const [name, setName] = useState('')
  const [safe, setSafe] = useState('')
  const [address, setAddress] = useState('ssh://')
  const [tags, setTags] = useState('')
  const [zone, setZone] = useState('')
  const [settings, setSettings] = useState<DesktopSettings>({})
  const protocol = protocolIn(address)
  const isAdmin = useContext(SignedIn)?.roles.includes('admin') === true
  return (
    <Dialog
      title="Add a target"
      action="Add"
      ready={name !== '' && safe !== '' && address.length > 6}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('POST', '/api/targets', {
            name,
            safe,
            address: address.trim(),
            ...settingsIn(protocol, settings),
            ...(wordsOf(tags).length === 0 ? {} : { tags: wordsOf(tags) }),
            ...(zone.trim() === '' ? {} : { zone: zone.trim() }),
          }),
        )
        onClose()
      }}
    >
      <Field
        label="Name"
        name="name"
        value={name}
        onChange={setName}
        autoFocus
        hint="What people type: press-3"
      />
      <Field
        label="Address"
        name="address"
        value={address}
        onChange={setAddress}
        mono
        hint="ssh://host or ssh://host:port; rdp://host or vnc://host for a desktop, telnet://host. Only to rotate: ldap://host, postgresql://host, mysql://host, https://host"
      />
      {opensSessions(protocol) ? null : (
        <Content component="p">
          Nobody is let in to such a target. Its accounts are kept and rotated, and their secrets revealed
          where the policy allows it. It must speak TLS.
        </Content>
      )}
      <DesktopFields protocol={protocol} settings={settings} onChange={setSettings} />
      <Choice
        label="Safe"
        name="safe"
        value={safe}
        onChange={setSafe}
        options={[
          { value: '', label: 'Choose a safe' },
          ...(safes.data ?? []).map((one) => ({ value: one.name, label: one.name })),
        ]}
        {...(safes.data?.length === 0 ? { hint: 'Add a safe first.' } : {})}
      />
      {isAdmin ? <MarkFields tags={tags} onTags={setTags} zone={zone} onZone={setZone} /> : null}
    </Dialog>
  )
}

const unverifiedText: Readonly<Record<SessionProtocol, string>> = {
  ssh: '',
  vnc: 'VNC has no host key, and proves the password to whoever answers.',
  rdp: 'The old security of RDP shows no certificate, and hides the password badly.',
  telnet: 'Telnet has no host key, and sends the password as it is.',
}

function protocolIn(address: string): Protocol {
  const scheme = /^([a-z]+):\/\//i.exec(address.trim())?.[1]?.toLowerCase()
  return protocols.find((one) => one === scheme) ?? 'ssh'
}

/** A desktop shows nothing that could be compared: a person says that it may be connected to all the same. */
function ApproveUnverified({
  target,
  onClose,
}: {
  readonly target: TargetView
  readonly onClose: () => void
}) {
  const change = useChange()
  return (
    <Dialog
      title={`Connect to ${target.name} unverified?`}
      action="Approve that"
      onClose={onClose}
      act={async () => {
        await change(() => ask('PUT', at`/api/targets/${target.id}/pin`, { fingerprint: unverified }))
        onClose()
      }}
    >
      <Content component="p">
        {opensSessions(target.protocol) ? unverifiedText[target.protocol] : ''} Whoever answers at{' '}
        {target.host} port {target.port} is taken for {target.name}; who listens on the line can see what is
        on the screen. Approve it where that line is one that you trust.
      </Content>
    </Dialog>
  )
}

/** Shows the keys that the machine presents now, for a person to compare with what is written on it or known of it. */
function Approve(props: {
  readonly target: TargetView
  readonly onClose: () => void
  /** The machine needs these, and somebody wants to allow them. */
  readonly onAllow: (needs: readonly LegacyAlgorithm[]) => void
}) {
  const { target, onClose } = props
  const change = useChange()
  const [chosen, setChosen] = useState('')
  const scan = useQuery({
    queryKey: ['scan', target.id],
    queryFn: () => ask<VerbAnswer<'target.scan'>>('POST', at`/api/targets/${target.id}/scan`),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    refetchOnWindowFocus: false,
  })
  const isCertificate = identityOf(target.protocol, target.desktop) === 'certificate'
  const pinned = target.pins.map(({ fingerprint }) => fingerprint)
  const key = scan.data?.find(({ fingerprint }) => fingerprint === (chosen === '' ? pinned[0] : chosen))
  const needs = key?.needs ?? (scan.data?.length === 1 ? (scan.data[0]?.needs ?? []) : [])
  const allowed = target.legacy?.isExpired === false ? target.legacy.algorithms : []
  const lacks = needs.filter((one) => !allowed.includes(one))
  return (
    <Dialog
      wide
      title={`${isCertificate ? 'Certificate' : 'Host key'} of ${target.name}`}
      action={isCertificate ? 'Approve this certificate' : 'Approve this key'}
      ready={chosen !== '' && !pinned.includes(chosen)}
      onClose={onClose}
      act={async () => {
        await change(() => ask('PUT', at`/api/targets/${target.id}/pin`, { fingerprint: chosen }))
        onClose()
      }}
    >
      <Content component="p">
        Compare with the machine itself:{' '}
        {isCertificate ? (
          'the administrator guide has the commands that print it.'
        ) : (
          <>
            on it, run <code>ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub</code>.
          </>
        )}{' '}
        Whoever answers at the address now may not be the machine you mean.
      </Content>
      {target.changedKey === null ? null : (
        <Note
          variant="danger"
          title={`It showed another ${isCertificate ? 'certificate' : 'key'} than the approved one`}
        >
          {isCertificate
            ? 'Somebody may stand between, or the machine has a new one: Windows makes itself one twice a year.'
            : 'Somebody may stand between, or the machine was set up anew.'}{' '}
          Find out before you approve.
        </Note>
      )}
      {scan.isPending ? (
        <p>
          <Spinner size="md" aria-label="Asking the machine" /> Asking {target.host}…
        </p>
      ) : null}
      <Problem error={scan.error} />
      {scan.data?.map(({ type, fingerprint, certificate }) => (
        <Radio
          key={fingerprint}
          id={`key-${fingerprint}`}
          name="host-key"
          isChecked={chosen === fingerprint}
          onChange={() => setChosen(fingerprint)}
          label={<span className="mono">{visible(fingerprint)}</span>}
          description={`${visible(type)}${pinned.includes(fingerprint) ? ', approved already' : ''}`}
          body={certificate === undefined ? null : <CertificateText of={certificate} />}
        />
      ))}
      {lacks.length === 0 ? null : (
        <Note
          variant="warning"
          title="This machine offers only old algorithms"
          actionLinks={
            <Button variant="link" isInline onClick={() => props.onAllow(needs)}>
              Allow {needs.join(', ')}
            </Button>
          }
        >
          Nobody can connect before it is updated, or is allowed {lacks.join(', ')} for a time. Approve its
          key first.
        </Note>
      )}
    </Dialog>
  )
}

/** What the certificate says of itself: whoever made it wrote that, and the fingerprint alone is approved. */
function CertificateText({ of }: { readonly of: CertificateFacts }) {
  const { subject, issuer, notBefore, notAfter } = of
  const now = new Date().toISOString()
  const isOut = notAfter < now || notBefore > now
  return (
    <dl className="facts small">
      <dt>It says it is</dt>
      <dd>{visible(subject) || 'nobody'}</dd>
      <dt>Signed by</dt>
      <dd>{issuer === subject ? 'itself' : visible(issuer) || 'nobody named'}</dd>
      <dt>Holds</dt>
      <dd>
        {date(notBefore)} to {date(notAfter)}
        {isOut ? (notAfter < now ? ', and is over' : ', and has not begun') : ''}
      </dd>
    </dl>
  )
}

function Address({ target, onClose }: { readonly target: TargetView; readonly onClose: () => void }) {
  const change = useChange()
  const [address, setAddress] = useState(addressOf(target))
  const [settings, setSettings] = useState<DesktopSettings>(target.desktop ?? {})
  return (
    <Dialog
      title={`Address of ${target.name}`}
      action="Change"
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('PUT', at`/api/targets/${target.id}/address`, {
            address: address.trim(),
            // Nothing set: as usual.
            desktop: settingsIn(target.protocol, settings).desktop ?? {},
          }),
        )
        onClose()
      }}
    >
      <Field label="Address" name="address" value={address} onChange={setAddress} mono autoFocus />
      <DesktopFields protocol={target.protocol} settings={settings} onChange={setSettings} />
      <Content component="p">
        A new address, or another way to log in, is a new machine: what identifies it must be approved again,
        and its accounts are bound to it only then.
      </Content>
    </Dialog>
  )
}

function Remove({ target, onClose }: { readonly target: TargetView; readonly onClose: () => void }) {
  const change = useChange()
  const [typed, setTyped] = useState('')
  return (
    <Dialog
      title={`Remove ${target.name}?`}
      action="Remove"
      danger
      ready={typed === target.name}
      onClose={onClose}
      act={async () => {
        await change(() => ask('DELETE', at`/api/targets/${target.id}`))
        onClose()
      }}
    >
      <Content component="p">
        Its accounts and their grants go with it. Recordings and the audit log stay.
      </Content>
      <Field label={`Type ${target.name} to confirm`} value={typed} onChange={setTyped} autoFocus />
    </Dialog>
  )
}
