import { Button, Checkbox, Content, Label } from '@patternfly/react-core'
import { useState } from 'react'
import type { RotationAccount, RotationRunView } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { exemptionsCsv } from '../../vault/kernel/exemptions-csv.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Moment, When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { useRotationAccounts, useRotationFindings, useRotationHolds, useRotations } from './lists.ts'
import { CancelRun, HoldSafe, RetryRun, Rotate, RotateMany, UnholdSafe, Verify } from './rotation-acts.tsx'
import { Batches } from './rotation-batches.tsx'
import { Coming, Ledger } from './rotation-ledger.tsx'
import { Limits } from './rotation-limits.tsx'
import { SetRotation } from './rotation-settings.tsx'
import { Tasks } from './rotation-tasks.tsx'

const phases: Readonly<
  Record<
    RotationRunView['phase'],
    { readonly text: string; readonly colour: 'grey' | 'blue' | 'green' | 'orange' | 'red' }
  >
> = {
  waiting: { text: 'waits', colour: 'grey' },
  assisting: { text: 'with people', colour: 'orange' },
  signing: { text: 'waits for the second', colour: 'orange' },
  asking: { text: 'asks what it takes', colour: 'blue' },
  changing: { text: 'changes it', colour: 'blue' },
  persisting: { text: 'has it kept', colour: 'blue' },
  verifying: { text: 'logs in afresh', colour: 'blue' },
  'probing-candidate': { text: 'tries the new one', colour: 'orange' },
  'probing-current': { text: 'tries the old one', colour: 'orange' },
  reconciling: { text: 'sets it right', colour: 'orange' },
  retiring: { text: 'takes the old one away', colour: 'blue' },
  unknown: { text: 'nobody knows', colour: 'red' },
  done: { text: 'done', colour: 'green' },
  failed: { text: 'failed', colour: 'red' },
  cancelled: { text: 'given up', colour: 'grey' },
}

const hows = {
  'by itself': { text: 'by itself', colour: 'green' },
  'by hand': { text: 'when asked', colour: 'blue' },
  'by people': { text: 'by people', colour: 'orange' },
  not: { text: 'not rotated', colour: 'red' },
} as const

type Doing =
  | { readonly kind: 'rotate' | 'verify' | 'set' | 'ledger'; readonly of: string }
  | { readonly kind: 'many'; readonly of: readonly string[] }
  | { readonly kind: 'cancel' | 'retry'; readonly of: RotationRunView }
  | { readonly kind: 'hold' }
  | { readonly kind: 'unhold'; readonly of: string }

/** Credentials that change: which do, which do not and why, what is under way, and what needs somebody. */
export function Rotation() {
  const accounts = useRotationAccounts()
  const runs = useRotations()
  const user = useUser()
  const mayAct = hasRole(user, 'admin', 'operator', 'approver')
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  return (
    <Page
      title="Rotation"
      about="Passwords and keys that are changed on their machines: by themselves when they are due, or when somebody says so. An account that is not rotated keeps its secret until somebody changes it: it is listed too."
      {...(mayAct
        ? {
            actions: (
              <Button variant="secondary" onClick={() => setDoing({ kind: 'hold' })}>
                Production runs
              </Button>
            ),
          }
        : {})}
    >
      <Needed runs={runs.data ?? []} />
      <Findings />
      <Holds onLift={mayAct ? (of) => setDoing({ kind: 'unhold', of }) : undefined} />
      <Limits />
      <Tasks mayAct={mayAct} />
      <Accounts query={accounts} mayAct={mayAct} onDo={setDoing} />
      <Coming />
      <Batches runs={runs.data ?? []} mayAct={mayAct} />
      <Content component="h2" className="gap-above">
        What was done, and is being done
      </Content>
      <Runs query={runs} mayAct={mayAct} onDo={setDoing} />
      {doing?.kind === 'rotate' ? <Rotate account={doing.of} onClose={close} /> : null}
      {doing?.kind === 'many' ? <RotateMany accounts={doing.of} onClose={close} /> : null}
      {doing?.kind === 'verify' ? <Verify account={doing.of} onClose={close} /> : null}
      {doing?.kind === 'ledger' ? <Ledger account={doing.of} onClose={close} /> : null}
      {doing?.kind === 'set' ? <SetRotation account={doing.of} onClose={close} /> : null}
      {doing?.kind === 'cancel' ? <CancelRun run={doing.of} onClose={close} /> : null}
      {doing?.kind === 'retry' ? <RetryRun run={doing.of} onClose={close} /> : null}
      {doing?.kind === 'hold' ? <HoldSafe onClose={close} /> : null}
      {doing?.kind === 'unhold' ? <UnholdSafe safe={doing.of} onClose={close} /> : null}
    </Page>
  )
}

/** What does not go on by itself. */
function Needed({ runs }: { readonly runs: readonly RotationRunView[] }) {
  const lost = runs.filter(({ phase }) => phase === 'unknown')
  if (lost.length === 0) return null
  return (
    <Note
      variant="danger"
      className="gap-below"
      title={`Of ${count(lost.length, 'account')} nobody knows which credential the machine takes`}
    >
      {lost.map((run) => (
        <p key={run.id}>
          <strong className="mono">{visible(run.account)}</strong>: {visible(run.why)}.{' '}
          {run.next === null ? null : sentence(visible(run.next))}
        </p>
      ))}
    </Note>
  )
}

/** What is bad about secrets that are kept. */
function Findings() {
  const found = useRotationFindings()
  const findings = found.data?.findings ?? []
  if (findings.length === 0) return null
  return (
    <Note
      variant="warning"
      className="gap-below"
      title={`${count(findings.length, 'finding')} about secrets that are kept`}
    >
      {findings.slice(0, 20).map(({ text }) => (
        <p key={text}>{sentence(visible(text))}</p>
      ))}
      {findings.length > 20 ? <p>All of them: tagout rotation findings</p> : null}
    </Note>
  )
}

function Holds({ onLift }: { readonly onLift: ((safe: string) => void) | undefined }) {
  const holds = useRotationHolds()
  if ((holds.data ?? []).length === 0) return null
  return (
    <>
      {holds.data?.map((hold) => (
        <Note
          key={hold.safe}
          variant="info"
          className="gap-below"
          title={`Production runs in ${visible(hold.safe)}: nothing there is rotated by itself`}
        >
          <p>
            {visible(hold.reason)}; said by {visible(whoText(hold.by))}, <When at={hold.since} />.{' '}
            {hold.until === null ? (
              'It holds until somebody lifts it.'
            ) : (
              <>
                Until <Moment at={hold.until} />.
              </>
            )}{' '}
            {onLift === undefined ? null : (
              <Button variant="link" isInline onClick={() => onLift(hold.safe)}>
                Lift it
              </Button>
            )}
          </p>
        </Note>
      ))}
    </>
  )
}

type Acts = { readonly mayAct: boolean; readonly onDo: (doing: Doing) => void }

function Accounts(props: Acts & { readonly query: ReturnType<typeof useRotationAccounts> }) {
  const { query, mayAct, onDo } = props
  const [onlyNot, setOnlyNot] = useState(false)
  const [onlyLate, setOnlyLate] = useState(false)
  const all = query.data ?? []
  const not = all.filter(({ how }) => how === 'not').length
  const late = all.filter(({ isOverdue }) => isOverdue).length
  return (
    <Listing<RotationAccount>
      name="Accounts"
      query={query}
      keyOf={({ id }) => id}
      text={(row) => `${row.account} ${row.safe} ${row.grade} ${row.connector ?? ''} ${row.gradeReason}`}
      keep={(row) => (!onlyNot || row.how === 'not') && (!onlyLate || row.isOverdue)}
      tools={(rows) => (
        <>
          <Checkbox
            id="not-rotated"
            label={`Kept and not rotated (${not})`}
            isChecked={onlyNot}
            onChange={(_event, checked) => setOnlyNot(checked)}
          />
          <Checkbox
            id="late"
            label={`Overdue (${late})`}
            isChecked={onlyLate}
            onChange={(_event, checked) => setOnlyLate(checked)}
          />
          {rows.some(({ exemption }) => exemption !== null) ? (
            <Button
              size="sm"
              variant="secondary"
              onClick={() => saveFile('exemptions.csv', exemptionsCsv(rows))}
            >
              Exemptions as CSV
            </Button>
          ) : null}
          {mayAct &&
          rows.length > 1 &&
          rows.every(({ connector, how }) => connector !== null && how !== 'by people') ? (
            <Button
              size="sm"
              variant="secondary"
              onClick={() => onDo({ kind: 'many', of: rows.map(({ account }) => account) })}
            >
              Rotate these {rows.length}
            </Button>
          ) : null}
        </>
      )}
      empty={{
        title: 'There is no account that you manage',
        body: 'What is kept in a safe of yours is listed here, with how old it is and whether it is rotated.',
      }}
      columns={[
        {
          title: 'Account',
          cell: (row) => (
            <>
              <span className="mono">
                <Name of={row.account} />
              </span>
              <div className="quiet small">{visible(row.safe)}</div>
            </>
          ),
        },
        {
          title: 'Rotated',
          fit: 'text',
          cell: (row) => (
            <>
              <Label isCompact color={hows[row.how].colour}>
                {hows[row.how].text}
              </Label>{' '}
              {row.grade}
              {row.connector === null ? null : (
                <>
                  , <span className="mono">{visible(row.connector)}</span>
                </>
              )}
              {row.gradeReason === '' ? null : <div className="quiet small">{visible(row.gradeReason)}</div>}
              {row.exemption === null ? null : (
                <div className="quiet small">
                  {visible(row.exemption.owner)} answers for it until <Moment at={row.exemption.until} />
                  {row.exemption.isOver ? ' — that is over' : ''}
                </div>
              )}
              {row.strength?.verdict === 'weak' ? (
                <div className="quiet small">
                  weak: {row.strength.characters} characters, {row.strength.bits} bits
                </div>
              ) : null}
            </>
          ),
        },
        {
          title: 'Since',
          fit: 'whole',
          cell: (row) =>
            row.since === null ? (
              'no secret'
            ) : (
              <>
                <When at={row.since} />
                <div>
                  <Button
                    variant="link"
                    isInline
                    className="small"
                    onClick={() => onDo({ kind: 'ledger', of: row.account })}
                    aria-label={`Ledger: ${visible(row.account)}`}
                  >
                    Ledger
                  </Button>
                </div>
              </>
            ),
        },
        {
          title: 'Due',
          fit: 'whole',
          times: true,
          cell: (row) =>
            row.dueAt === null ? (
              <span className="quiet">nothing says so</span>
            ) : (
              <>
                {row.isOverdue ? (
                  <Label isCompact color="red">
                    overdue
                  </Label>
                ) : null}{' '}
                <Moment at={row.dueAt} />
              </>
            ),
        },
        {
          title: 'Last time',
          cell: (row) =>
            row.last === null ? <span className="quiet">never</span> : <Phase run={row.last} />,
        },
        ...(mayAct
          ? [
              {
                title: 'Actions',
                actions: true as const,
                cell: (row: RotationAccount) => (
                  <>
                    {row.how === 'by people' ? (
                      <Act
                        text="Open a task"
                        of={row.account}
                        onDo={() => onDo({ kind: 'rotate', of: row.account })}
                      />
                    ) : null}
                    {row.connector === null || row.how === 'by people' || row.how === 'not' ? null : (
                      <>
                        <Act
                          text="Rotate"
                          of={row.account}
                          onDo={() => onDo({ kind: 'rotate', of: row.account })}
                        />
                        <Act
                          text="Verify"
                          of={row.account}
                          onDo={() => onDo({ kind: 'verify', of: row.account })}
                        />
                      </>
                    )}
                    <Act
                      text="Settings"
                      of={row.account}
                      onDo={() => onDo({ kind: 'set', of: row.account })}
                    />
                  </>
                ),
              },
            ]
          : []),
      ]}
    />
  )
}

function Runs(props: Acts & { readonly query: ReturnType<typeof useRotations> }) {
  const { query, mayAct, onDo } = props
  const [onlyOpen, setOnlyOpen] = useState(false)
  return (
    <Listing<RotationRunView>
      name="Rotations"
      query={query}
      keyOf={({ id }) => id}
      text={(run) => `${run.account} ${run.phase} ${run.cause} ${run.askedBy} ${run.reason} ${run.why}`}
      keep={(run) => !onlyOpen || run.endedAt === null}
      tools={
        <Checkbox
          id="open-runs"
          label="Under way alone"
          isChecked={onlyOpen}
          onChange={(_event, checked) => setOnlyOpen(checked)}
        />
      }
      empty={{
        title: 'Nothing was rotated yet',
        body: 'Say under Settings how an account is rotated, then rotate it once: a plan is shown first.',
      }}
      columns={[
        {
          title: 'When',
          fit: 'whole',
          times: true,
          cell: (run) => <Moment at={run.begunAt ?? run.createdAt} />,
        },
        {
          title: 'Account',
          cell: (run) => (
            <span className="mono">
              <Name of={run.account} />
            </span>
          ),
        },
        {
          title: 'Why',
          fit: 'text',
          cell: (run) => (
            <>
              {run.kind === 'verify' ? 'verified' : run.cause}
              {run.askedBy === 'vault' ? null : `, ${visible(whoText(run.askedBy))}`}
              {run.reason === '' ? null : <div className="quiet small">{visible(run.reason)}</div>}
            </>
          ),
        },
        {
          title: 'State',
          fit: 'text',
          cell: (run) => (
            <>
              <Phase run={run} />
              {run.why === '' ? null : <div className="small">{sentence(visible(run.why))}</div>}
              {run.next === null ? null : <div className="quiet small">{sentence(visible(run.next))}</div>}
              {run.dependants.map(({ task, place, state, isOverdue }) => (
                <div key={task} className="quiet small">
                  also in {visible(place)}: {state}
                  {isOverdue ? ', overdue' : ''}
                </div>
              ))}
            </>
          ),
        },
        ...(mayAct
          ? [
              {
                title: 'Actions',
                actions: true as const,
                cell: (run: RotationRunView) => (
                  <>
                    {run.phase === 'waiting' ? (
                      <Act text="Give up" of={run.account} onDo={() => onDo({ kind: 'cancel', of: run })} />
                    ) : null}
                    {run.endedAt === null &&
                    !['waiting', 'assisting', 'signing'].includes(run.phase) &&
                    run.step === null ? (
                      <Act text="Try again" of={run.account} onDo={() => onDo({ kind: 'retry', of: run })} />
                    ) : null}
                  </>
                ),
              },
            ]
          : []),
      ]}
    />
  )
}

function Phase({ run }: { readonly run: RotationRunView }) {
  const { text, colour } = phases[run.phase]
  return (
    <>
      <Label isCompact color={colour}>
        {text}
      </Label>{' '}
      {run.endedAt === null ? null : <When at={run.endedAt} />}
      {run.version === null || run.phase !== 'done' || run.kind === 'verify'
        ? null
        : ` (version ${run.version})`}
    </>
  )
}

function Act(props: { readonly text: string; readonly of: string; readonly onDo: () => void }) {
  return (
    <Button
      size="sm"
      variant="secondary"
      onClick={props.onDo}
      aria-label={`${props.text}: ${visible(props.of)}`}
    >
      {props.text}
    </Button>
  )
}
