import { Bullseye, Button, Card, CardBody, Content, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, useEffect, useState } from 'react'
import { Link } from 'wouter'
import type { RecordingFound } from '../../vault/contract.ts'
import { at, get } from '../api.ts'
import { OpenKey } from '../pages/open-key.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { Problem } from '../parts/problem.tsx'
import { useKeyring } from '../sealed/keyring.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { Facts, Integrity } from './facts.tsx'
import { type Notes, useNotes } from './notes.tsx'
import { MakePackage } from './package.tsx'
import { openRecording } from './open.ts'
import type { Opened } from './opened.ts'
import { Reviews } from './reviews.tsx'
import { Stage } from './stage.tsx'

const DesktopStage = lazy(() => import('./desktop-stage.tsx'))

/** What a recording shows: terminals, or a desktop, whose reader is loaded by who replays one. */
function Shown(props: { readonly opened: Opened; readonly isLive: boolean; readonly notes: Notes }) {
  if (!props.opened.channels.some(({ desktop }) => desktop)) return <Stage {...props} />
  return (
    <Suspense fallback={<Spinner aria-label="Loading the player" />}>
      <DesktopStage {...props} />
    </Suspense>
  )
}

/** One recording: its facts, and for an auditor with her key open, what it shows. */
export default function Player({ recording }: { readonly recording: string }) {
  const user = useUser()
  const keyring = useKeyring()
  const [asking, setAsking] = useState(false)
  const [opened, setOpened] = useState<Opened | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [attempt, setAttempt] = useState(0)
  const view = useQuery({
    queryKey: ['recording', recording],
    queryFn: () => get<RecordingFound>(at`/api/recordings/${recording}`),
    refetchInterval: 10_000,
  })
  const auditor = hasRole(user, 'auditor')
  const notes = useNotes(recording, opened, user.name)
  const isGone = view.data?.state === 'destroyed'

  useEffect(() => {
    setOpened(null)
    setError(null)
    if (keyring === null || isGone) return
    let gone = false
    openRecording(recording, keyring).then(
      (value) => gone || setOpened(value),
      (refused: unknown) => gone || setError(refused),
    )
    return () => {
      gone = true
    }
  }, [recording, keyring, attempt, isGone])

  if (view.isPending)
    return (
      <Bullseye>
        <Spinner aria-label="Loading the recording" />
      </Bullseye>
    )
  if (view.data === undefined)
    return (
      <Page title="Recording">
        <Problem error={view.error} />
        <Link href="/recordings">All recordings</Link>
      </Page>
    )
  const { data } = view
  return (
    <Page
      title={`${data.user} on ${data.account}`}
      about={<Link href="/recordings">All recordings</Link>}
      actions={
        data.state === 'recording' && opened !== null ? (
          <Button variant="secondary" onClick={() => setAttempt(attempt + 1)}>
            Load what was added
          </Button>
        ) : null
      }
    >
      <div className="player">
        <div className="player-main">
          {opened !== null ? (
            <Shown key={attempt} opened={opened} isLive={data.state === 'recording'} notes={notes} />
          ) : null}
          {opened === null && error !== null ? (
            <>
              <Problem error={error} title="This recording does not open" />
              <Button variant="link" onClick={() => setAttempt(attempt + 1)}>
                Try again
              </Button>
            </>
          ) : null}
          {opened === null && error === null && keyring !== null && !isGone ? (
            <Bullseye className="stage-empty">
              <Spinner aria-label="Opening the recording" />
            </Bullseye>
          ) : null}
          {isGone ? <Gone of={data} /> : null}
          {keyring === null && !isGone ? <Locked auditor={auditor} onOpen={() => setAsking(true)} /> : null}
        </div>
        <aside className="player-side" aria-label="About this session">
          {isGone ? null : <Integrity view={data} source={opened?.source ?? null} />}
          <Reviews view={data} />
          {opened !== null && user !== null && data.state !== 'recording' ? (
            <MakePackage view={data} opened={opened} madeBy={user.name} />
          ) : null}
          <h2>Session</h2>
          <Facts view={data} header={opened?.replay.header ?? null} />
        </aside>
      </div>
      {asking ? (
        <OpenKey name={user.name} onClose={() => setAsking(false)} onOpen={() => setAsking(false)} />
      ) : null}
    </Page>
  )
}

/** What is left of a recording that two people had destroyed. */
function Gone({ of: { destroyed } }: { readonly of: RecordingFound }) {
  return (
    <Note variant="info" title="This recording was destroyed">
      {destroyed === null ? (
        'Two people had it destroyed when its time was over.'
      ) : (
        <>
          {destroyed.at === null ? (
            'It is being destroyed now'
          ) : (
            <>
              On <Moment at={destroyed.at} />
            </>
          )}
          , by {visible(destroyed.askedBy)} and {visible(destroyed.approvedBy)} (class{' '}
          {visible(destroyed.retentionClass)}): {visible(destroyed.reason)}. Its tombstone, with the hashes of
          what was there, is in the audit log.
        </>
      )}
    </Note>
  )
}

function Locked({ auditor, onOpen }: { readonly auditor: boolean; readonly onOpen: () => void }) {
  return (
    <Card className="stage-empty">
      <CardBody>
        {auditor ? (
          <div className="locked">
            <Content component="h2">This recording is sealed</Content>
            <Content component="p">
              It opens in this browser, with your auditor key. The replay is written in the audit log under
              your name.
            </Content>
            <Button onClick={onOpen}>Open my key</Button>
          </div>
        ) : (
          <Note variant="info" title="Only an auditor can see what it shows">
            The recording is sealed to the auditors&apos; own keys. Neither the servers nor administrators can
            open it.
          </Note>
        )}
      </CardBody>
    </Card>
  )
}
