import { Bullseye, Button, Progress, Spinner } from '@patternfly/react-core'
import { type ReactNode, useCallback, useEffect, useState } from 'react'
import {
  type EvidenceFacts,
  type EvidenceVerdict,
  type OpenKey,
  recordingKeyOf,
  unsealKey,
  verifyFiles,
} from '../../recorder/evidence/index.ts'
import { clockText, memorySource, Replay, readStructure } from '../../recorder/replay/index.ts'
import { describe } from '../../vault/audit/describe.ts'
import type { Entry } from '../../vault/audit/entry.ts'
import { Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { desktopStaging } from '../player/desktop-staging.tsx'
import { type Opened, openedOf } from '../player/opened.ts'
import { Stage } from '../player/stage.tsx'
import { loadSodium } from '../sealed/sodium.ts'

type Files = ReadonlyMap<string, Uint8Array>

/** An evidence package by itself: what it shows, who and when, and what was verified. */
export function EvidencePage({ files: inPage }: { readonly files: Files }) {
  const [files, setFiles] = useState(inPage)
  const [key, setKey] = useState<OpenKey | undefined>(undefined)
  const [verdict, setVerdict] = useState<EvidenceVerdict | null>(null)
  const [opened, setOpened] = useState<Opened | null>(null)
  const [done, setDone] = useState(0)
  const [error, setError] = useState<string | null>(null)

  useEffect(() => {
    let gone = false
    const look = async () => {
      const sodium = await loadSodium()
      const found = await verifyFiles(sodium, files, {
        open: async () => key,
        onProgress: (at, size) => setDone(size === 0 ? 100 : Math.round((at / size) * 100)),
      })
      if (gone) return
      setVerdict(found)
      const name = recordingName(found.facts)
      const bytes = files.get(name)
      const used = found.facts?.key.kind === 'passphrase' ? key : (found.facts?.key as OpenKey | undefined)
      if (bytes === undefined || used === undefined || found.state === 'tampered') return
      const source = memorySource(bytes)
      const structure = await readStructure(sodium, source)
      if (!structure.ok) return
      const replay = new Replay(source, structure.value, recordingKeyOf(used))
      const shown = await openedOf(replay, source)
      if (!gone) setOpened(shown)
    }
    look().catch((reason: unknown) => {
      if (!gone) setError(reason instanceof Error ? reason.message : 'something went wrong')
    })
    return () => {
      gone = true
    }
  }, [files, key])

  const choose = useCallback(
    async (file: File, name: string) => {
      const bytes = new Uint8Array(await file.arrayBuffer())
      setFiles(new Map([...files, [name, bytes]]))
    },
    [files],
  )
  const header = verdict?.recording?.header
  const name = recordingName(verdict?.facts)
  return (
    <main className="evidence-page">
      <h1>Evidence package</h1>
      {header === undefined ? null : (
        <p>
          {visible(header.user.name)} on <span className="mono">{visible(header.account.name)}</span>, from{' '}
          {moment(header.startedAt)}
        </p>
      )}
      {error === null ? null : <Note variant="danger" title={sentence(error)} />}
      {verdict === null && error === null ? (
        <Progress aria-label="Verifying" value={done} title="Verifying" />
      ) : null}
      <div className="player">
        <div className="player-main">
          {opened === null ? null : <Shown opened={opened} />}
          {verdict !== null && !files.has(name) ? <Choose name={name} onChoose={choose} /> : null}
          {verdict?.facts?.key.kind === 'passphrase' && key === undefined ? (
            <Passphrase facts={verdict.facts} onOpen={setKey} />
          ) : null}
          {opened === null &&
          verdict?.state === 'complete' &&
          files.has(name) &&
          verdict.facts?.key.kind !== 'passphrase' ? (
            <Bullseye>
              <Spinner aria-label="Opening the recording" />
            </Bullseye>
          ) : null}
          {verdict === null ? null : <Happened verdict={verdict} />}
        </div>
        <aside className="player-side" aria-label="About this package">
          {verdict === null ? null : <Verified verdict={verdict} />}
          {header === undefined ? null : <Facts header={header} verdict={verdict} />}
        </aside>
      </div>
    </main>
  )
}

function Shown({ opened }: { readonly opened: Opened }) {
  const isDesktop = opened.channels.some(({ desktop }) => desktop)
  return isDesktop ? (
    <Stage opened={opened} isLive={false} staging={desktopStaging} />
  ) : (
    <Stage opened={opened} isLive={false} />
  )
}

/** A recording that is too large for the page lies beside it. */
function Choose(props: {
  readonly name: string
  readonly onChoose: (file: File, name: string) => Promise<void>
}) {
  return (
    <label className="evidence-choose">
      Choose {props.name}, which lies beside this page:{' '}
      <input
        type="file"
        accept=".tgr,.tgc"
        onChange={(event) => {
          const file = event.target.files?.[0]
          if (file !== undefined) void props.onChoose(file, props.name)
        }}
      />
    </label>
  )
}

function Passphrase(props: { readonly facts: EvidenceFacts; readonly onOpen: (key: OpenKey) => void }) {
  const [text, setText] = useState('')
  const [isWrong, setWrong] = useState(false)
  const [isBusy, setBusy] = useState(false)
  const { facts } = props
  const open = async () => {
    if (facts.key.kind !== 'passphrase') return
    setBusy(true)
    const found = await unsealKey(facts.recording, facts.key, text)
    setBusy(false)
    setWrong(found === undefined)
    if (found !== undefined) props.onOpen(found)
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void open()
      }}
    >
      <Field label="Passphrase of this package" type="password" value={text} onChange={setText} />
      {isWrong ? <p role="alert">This passphrase does not open it.</p> : null}
      <Button type="submit" isDisabled={text === '' || isBusy} isLoading={isBusy}>
        Open
      </Button>
    </form>
  )
}

function Verified({ verdict }: { readonly verdict: EvidenceVerdict }) {
  const variant =
    verdict.state === 'complete' ? 'success' : verdict.state === 'incomplete' ? 'warning' : 'danger'
  // The page has the files without their signature: what it says is what they prove of one another.
  const says =
    verdict.state === 'tampered'
      ? verdict.sentence
      : (verdict.recording?.sentence ?? 'What the audit log says of this session is as it was signed.')
  return (
    <section aria-label="Integrity" className="integrity">
      <h2>Integrity</h2>
      <Note isPlain variant={variant} title={sentence(says)} />
      <ul className="small">
        {[...verdict.checks, ...verdict.notes].map((text) => (
          <li key={text}>{sentence(visible(text))}</li>
        ))}
      </ul>
      <Note isPlain variant="info" title="A page cannot vouch for itself">
        <span className="small">
          Whoever makes a false package can make a false page. Check the package with a program that you have
          from elsewhere: README.txt beside this page says how.
        </span>
      </Note>
    </section>
  )
}

function Facts(props: {
  readonly header: NonNullable<NonNullable<EvidenceVerdict['recording']>['header']>
  readonly verdict: EvidenceVerdict | null
}) {
  const { header, verdict } = props
  const cut = verdict?.facts?.cut ?? null
  const rows: readonly (readonly [string, ReactNode])[] = [
    ['User', visible(header.user.name)],
    ['Account', visible(header.account.name)],
    ['Target', `${visible(header.target.name)} (${visible(header.target.host)}:${header.target.port})`],
    ['Safe', visible(header.safe.name)],
    ['From', visible(header.source)],
    ['Started', moment(header.startedAt)],
    ['Actions', header.actions.join(', ')],
    ['Part', cut === null ? 'all of the recording' : `${clockText(cut.from)} to ${clockText(cut.to)}`],
    ['Recording', header.recording],
    ['Session', header.session],
    ['Grant', header.grant],
    ['Packaged by', `${visible(verdict?.facts?.madeBy ?? '')}, ${moment(verdict?.facts?.madeAt ?? '')}`],
  ]
  return (
    <>
      <h2>Session</h2>
      <dl className="facts">
        {rows.map(([name, value]) => (
          <div key={name} className="evidence-fact">
            <dt>{name}</dt>
            <dd className="small">{value}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}

/** The entries of the audit log, each of which is proven. */
function Happened({ verdict }: { readonly verdict: EvidenceVerdict }) {
  const about = verdict.entries.filter(({ kind }) => kind !== 'session.checkpoint')
  return (
    <section aria-label="Audit log">
      <h2>What the audit log says</h2>
      <table className="evidence-log">
        <thead>
          <tr>
            <th scope="col">Entry</th>
            <th scope="col">Time (UTC)</th>
            <th scope="col">What</th>
          </tr>
        </thead>
        <tbody>
          {about.map(({ seq, at, entry }) => (
            <tr key={seq}>
              <td className="mono small">{seq}</td>
              <td className="mono small">{moment(at)}</td>
              <td>{visible(told(entry))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function told(entry: unknown): string {
  try {
    return describe(entry as Entry)
  } catch {
    // A later version wrote it.
    return JSON.stringify(entry)
  }
}

function recordingName(facts: EvidenceFacts | undefined): string {
  return facts?.cut === null || facts === undefined ? 'recording.tgr' : 'recording.tgc'
}

function moment(text: string): string {
  return visible(text.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'))
}
