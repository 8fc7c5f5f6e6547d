import { Button, Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { SiemReceiver } from '../../vault/contract.ts'
import { type SiemFormat, siemFormats } from '../../vault/contract/words.ts'
import { ask } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange } from '../shell/me.ts'
import { useSiem } from './lists.ts'

const formatTexts: Readonly<Record<SiemFormat, string>> = {
  rfc5424: 'RFC 5424: syslog with structured data',
  cef: 'CEF, over syslog',
  ocsf: 'OCSF 1.3, JSON',
  json: 'JSON, as in the log',
}

/** Where the audit log is sent: a SIEM, a log server. */
export function LogReceivers() {
  const receivers = useSiem()
  const [doing, setDoing] = useState<'add' | SiemReceiver | null>(null)
  const close = () => setDoing(null)
  return (
    <section>
      <div className="row">
        <Content component="h2">The audit log, sent on</Content>
        <Button variant="secondary" onClick={() => setDoing('add')}>
          Add a receiver
        </Button>
      </div>
      <Listing
        name="Receivers of the log"
        query={receivers}
        keyOf={({ id }) => id}
        text={({ name, address, format, error }) => [name, address, format, error ?? ''].join(' ')}
        columns={[
          { title: 'Receiver', cell: ({ name }) => <Name of={name} /> },
          {
            title: 'Address',
            fit: 'text',
            cell: ({ address, format }) => (
              <>
                <span className="mono">{visible(address)}</span>
                <div className="quiet small">{formatTexts[format]}</div>
              </>
            ),
          },
          {
            title: 'Told',
            fit: 'text',
            cell: ({ toldSeq, toldAt, waiting, error, nextAt }) => (
              <>
                {toldSeq === null || toldAt === null ? (
                  'nothing yet'
                ) : (
                  <>
                    up to {toldSeq}, <When at={toldAt} />
                  </>
                )}
                {waiting === 0 ? null : <div className="small">{waiting} wait in the log</div>}
                {error === null ? null : (
                  <div className="small">
                    {sentence(visible(error))} Again <When at={nextAt ?? ''} />.
                  </div>
                )}
              </>
            ),
          },
          {
            title: 'Actions',
            fit: 'whole',
            cell: (row) => (
              <Button variant="link" isInline isDanger onClick={() => setDoing(row)}>
                Take off
              </Button>
            ),
          },
        ]}
        empty={{
          title: 'The log is sent nowhere',
          body: 'A SIEM or a log server gets each entry within seconds; what it misses while it is away, it gets when it is back.',
        }}
      />
      {doing === 'add' ? <AddReceiver onClose={close} /> : null}
      {doing === null || doing === 'add' ? null : <RemoveReceiver receiver={doing} onClose={close} />}
    </section>
  )
}

function AddReceiver({ onClose }: { readonly onClose: () => void }) {
  const change = useChange()
  const [name, setName] = useState('')
  const [address, setAddress] = useState('')
  const [format, setFormat] = useState<SiemFormat>('rfc5424')
  const [certificates, setCertificates] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title="Add a receiver of the log"
      action="Add"
      ready={name.trim() !== '' && address.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const given = {
          ...{ name: name.trim(), address: address.trim(), format },
          ...(certificates.trim() === '' ? {} : { certificates: certificates.trim() }),
        }
        await change(async () => ask('POST', '/api/siem', await proven(code, 'siem.add', {}, given)))
        onClose()
      }}
    >
      <Field label="Name" name="name" value={name} onChange={setName} autoFocus hint="Such as soc." />
      <Field
        label="Address"
        name="address"
        value={address}
        onChange={setAddress}
        hint="syslog+tls://siem.plant.example:6514, or https://…, which is signed as the webhook is. It gets all entries from now on."
      />
      <Choice
        label="Form"
        name="format"
        value={format}
        onChange={(value) => setFormat(siemFormats.find((known) => known === value) ?? 'rfc5424')}
        options={siemFormats.map((value) => ({ value, label: formatTexts[value] }))}
        hint="Over https: OCSF or JSON."
      />
      <LongField
        label="Certificate of its authority"
        name="certificates"
        value={certificates}
        onChange={setCertificates}
        required={false}
        hint="PEM. Empty: public authorities are trusted."
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function RemoveReceiver(props: { readonly receiver: SiemReceiver; readonly onClose: () => void }) {
  const { receiver, onClose } = props
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Take ${visible(receiver.name)} off`}
      action="Take off"
      danger
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'siem.remove', { receiver: receiver.id }, {})
        await change(() => ask('POST', `/api/siem/${receiver.id}/remove`, body))
        onClose()
      }}
    >
      <Content component="p">
        It is told that it was taken off, by whom, and nothing after that. What it has, it keeps.
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
