import { Button, Content, Progress } from '@patternfly/react-core'
import { useRef, useState } from 'react'
import { makePackage, rangeOf, sizeInHeader } from '../../recorder/evidence/index.ts'
import {
  openRecordingKey,
  parseClock,
  type RecordingVerdict,
  verifyRecording,
} from '../../recorder/replay/index.ts'
import type { RecordingFound, VerbAnswer } from '../../vault/contract.ts'
import { custodyKinds } from '../../vault/contract/words.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { ask, askText, at, Refused } from '../api.ts'
import { AuditLink } from '../pages/audit-link.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { clock, sentence } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { type Keyring, touchKeyring, useKeyring } from '../sealed/keyring.ts'
import { loadSodium } from '../sealed/sodium.ts'
import type { Opened } from './opened.ts'
import { signedStart } from './signed-start.ts'
import { openSource } from './source.ts'

/** Makes an evidence package in this browser, which has the key; the vault signs it, and writes down who made it, of which part. */
export function MakePackage(props: {
  readonly view: RecordingFound
  readonly opened: Opened
  readonly madeBy: string
}) {
  const [isOpen, setOpen] = useState(false)
  return (
    <section aria-label="Evidence" className="integrity">
      <h2>Evidence</h2>
      <p className="small quiet">
        One file with the recording, who let it happen and the proofs of the audit log: it opens in any
        browser, without a network.
      </p>
      <Button variant="secondary" size="sm" onClick={() => setOpen(true)}>
        Make an evidence package
      </Button>
      <div>
        <AuditLink
          asked={{ session: props.view.session, kinds: custodyKinds }}
          text="In whose hands it was"
          of={props.view.id}
        />
      </div>
      {isOpen ? <PackageDialog {...props} onClose={() => setOpen(false)} /> : null}
    </section>
  )
}

/** What the api answers of time-stamps: see api/stamp.ts. */
type Stamped = {
  readonly certificates: string | null
  readonly stamp: string | null
  readonly why: string | null
}
type Part = { readonly from: number; readonly to: number } | undefined
type Made = {
  readonly state: RecordingVerdict['state']
  readonly stamped: boolean
  readonly why: string | null
}

function PackageDialog(props: {
  readonly view: RecordingFound
  readonly opened: Opened
  readonly madeBy: string
  readonly onClose: () => void
}) {
  const { view, opened } = props
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const [passphrase, setPassphrase] = useState('')
  const [again, setAgain] = useState('')
  const [done, setDone] = useState<{ readonly what: string; readonly percent: number } | null>(null)
  const [made, setMade] = useState<Made | null>(null)
  const closed = useRef(false)
  const keyring = useKeyring()

  const length = opened.duration / 1e9
  const start = from.trim() === '' ? 0 : parseClock(from)
  const end = to.trim() === '' ? opened.duration : parseClock(to)
  const badFrom = start === undefined ? 'write it like 00:12:30' : undefined
  const badTo =
    end === undefined
      ? 'write it like 00:12:30'
      : start !== undefined && end <= start
        ? 'it ends before it begins'
        : undefined
  const part: Part =
    from.trim() === '' && to.trim() === '' ? undefined : { from: start ?? 0, to: end ?? opened.duration }

  const make = async () => {
    try {
      if (keyring === null) throw problem('your key is closed', 'open it, then make the package')
      const result = await packaged(opened, view, {
        keyring,
        part,
        madeBy: props.madeBy,
        passphrase: passphrase === '' ? undefined : passphrase,
        onProgress: (what, percent) => {
          if (closed.current) throw new Error('it was given up')
          touchKeyring()
          setDone({ what, percent })
        },
      })
      saveFile(`${view.id}.zip`, result.file)
      setMade(result)
    } finally {
      setDone(null)
    }
  }
  return (
    <Dialog
      title="Make an evidence package"
      action={made === null ? 'Make the package' : null}
      {...(made === null ? {} : { closing: 'Close' })}
      ready={badFrom === undefined && badTo === undefined && passphrase === again}
      act={make}
      onClose={() => {
        closed.current = true
        props.onClose()
      }}
    >
      {made === null ? (
        <>
          <Content component="p">
            It is made in this browser and signed by the vault, which does not see what it shows. That you
            made it is written in the audit log.
          </Content>
          <Field
            label="From"
            name="from"
            value={from}
            onChange={setFrom}
            required={false}
            placeholder="00:00:00"
            fault={badFrom}
            hint={`A time of the recording, which lasts ${clock(length)}. Whole segments are taken, a minute at most more.`}
          />
          <Field
            label="To"
            name="to"
            value={to}
            onChange={setTo}
            required={false}
            placeholder={clock(length)}
            fault={badTo}
          />
          <Field
            label="Passphrase of the package"
            type="password"
            autoComplete="new-password"
            value={passphrase}
            onChange={setPassphrase}
            required={false}
            hint="Without one, whoever has the file sees the session."
          />
          {passphrase === '' ? null : (
            <Field
              label="The passphrase again"
              type="password"
              autoComplete="new-password"
              value={again}
              onChange={setAgain}
              fault={again === '' || again === passphrase ? undefined : 'it is another one'}
            />
          )}
          {done === null ? null : (
            <Progress aria-label={done.what} title={done.what} value={done.percent} size="sm" />
          )}
        </>
      ) : (
        <MadeWords made={made} />
      )}
    </Dialog>
  )
}

function MadeWords({ made }: { readonly made: Made }) {
  return (
    <>
      <Content component="p">
        The package is saved. Tell whoever receives it the key of the audit log by another way: they check
        with <code>tagout verify</code>, or with openssl as its README.txt says.
      </Content>
      {made.state === 'incomplete' ? (
        <Content component="p">
          The recording was broken off, and the package says so: what is there is genuine.
        </Content>
      ) : null}
      {made.why === null ? null : (
        <Content component="p">It has no time-stamp: {sentence(made.why)}.</Content>
      )}
      {made.why === null && !made.stamped ? (
        <Content component="p" className="small quiet">
          This installation has no time-stamper, so no time-stamp is in it.
        </Content>
      ) : null}
    </>
  )
}

async function packaged(
  opened: Opened,
  view: RecordingFound,
  wishes: {
    readonly keyring: Keyring
    readonly part: Part
    readonly madeBy: string
    readonly passphrase: string | undefined
    readonly onProgress: (what: string, percent: number) => void
  },
): Promise<Made & { readonly file: Blob }> {
  const { structure } = opened.replay
  const step = (what: string) => (bytesDone: number, size: number) =>
    wishes.onProgress(what, size === 0 ? 100 : Math.floor((bytesDone / size) * 100))
  wishes.onProgress('Verifying', 0)
  const [sodium, known, viewer, source] = await Promise.all([
    loadSodium(),
    signedStart(view.session),
    askText('/evidence.html'),
    // Through an opening of its own, which the vault writes down as an export.
    openSource(view.id, 'export'),
  ])
  if (known === null)
    throw problem(
      'the audit log has no start of this session, so nothing vouches for the recording',
      'keep the file as it is, and tell the machine administrator',
    )
  const verdict = await verifyRecording(sodium, source, { ...known, onProgress: step('Verifying') })
  if (verdict.state === 'tampered')
    throw problem(
      verdict.sentence,
      'nothing is packaged; the file is evidence of the change: keep it as it is',
    )
  const key = openRecordingKey(sodium, structure.header, wishes.keyring.groupKeys)
  if (!key.ok) throw problem(key.refusal.message, key.refusal.next ?? 'open the key that it is sealed to')
  const keyframes = opened.marks.flatMap(({ at: time, mark }) => (mark.kind === 'keyframe' ? [time] : []))
  const range = wishes.part === undefined ? undefined : rangeOf(structure, wishes.part, keyframes)
  if (wishes.part !== undefined && range === undefined)
    throw problem('nothing was recorded between these times', 'choose others')
  const stampOf = (body: object) => ask<Stamped>('POST', at`/api/recordings/${view.id}/stamp`, body)
  const [gathered, stamper] = await Promise.all([
    ask<VerbAnswer<'evidence.gather'>>('POST', at`/api/recordings/${view.id}/evidence`, {
      from: sizeInHeader(structure),
    }),
    stampOf({}),
  ])
  let stamp: Stamped = stamper
  const pieces = await makePackage(
    {
      source,
      structure,
      key: key.value,
      gathered,
      madeBy: wishes.madeBy,
      madeAt: new Date(),
      passphrase: wishes.passphrase,
      viewer,
      sign: async (list, cut, opens) => {
        const path = at`/api/recordings/${view.id}/signature`
        const input = { list, opens, ...(cut === undefined ? {} : { cut }) }
        return (await ask<VerbAnswer<'evidence.sign'>>('POST', path, input)).signature
      },
      stampCertificates: stamper.certificates ?? undefined,
      stamp: async (signature) => {
        if (stamper.certificates === null) return undefined
        stamp = await stampOf({ signature: toBase64(signature) })
        return stamp.stamp === null ? undefined : fromBase64(stamp.stamp)
      },
      onProgress: step('Packing'),
    },
    range,
  ).catch((error: unknown) => {
    throw error instanceof RangeError ? problem(error.message, 'give from and to') : error
  })
  return {
    state: verdict.state,
    stamped: stamp.stamp !== null,
    why: stamp.why,
    file: new Blob(pieces as Uint8Array<ArrayBuffer>[], { type: 'application/zip' }),
  }
}

function problem(title: string, detail: string): Refused {
  return new Refused({ status: 409, code: 'conflict', title, detail })
}
