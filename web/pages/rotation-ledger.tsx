import { Bullseye, Content, ExpandableSection, Label, List, ListItem, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { AccountLedger, LineCalendar } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { Moment, When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { useRotationCalendar } from './lists.ts'

/** Each version of an account's secret: by whom, why, whether it was seen to work, and who has seen it. */
export function Ledger({ account, onClose }: { readonly account: string; readonly onClose: () => void }) {
  const ledger = useQuery({
    queryKey: ['rotation ledger', account],
    queryFn: async () => (await ask('GET', at`/api/accounts/${account}/ledger`)) as AccountLedger,
    staleTime: 0,
  })
  return (
    <Dialog
      title={`Ledger of ${visible(account)}`}
      action={null}
      closing="Close"
      wide
      onClose={onClose}
      act={async () => {}}
    >
      {ledger.error === null ? null : <Problem error={ledger.error} />}
      {ledger.isPending ? (
        <Bullseye>
          <Spinner aria-label="Loading the ledger" />
        </Bullseye>
      ) : null}
      {ledger.data === undefined ? null : <Entries ledger={ledger.data} />}
    </Dialog>
  )
}

function Entries({ ledger }: { readonly ledger: AccountLedger }) {
  const drift = ledger.checks.filter(({ result }) => result === 'drift')
  return (
    <>
      {drift.map(({ run, at: moment, why }) => (
        <Note key={run} variant="warning" title="Another secret was found on the machine">
          <p>
            <Moment at={moment} />: {visible(why)}
          </p>
        </Note>
      ))}
      {ledger.exemption === null ? null : (
        <Content component="p">
          {visible(ledger.exemption.owner)} answers for it until <Moment at={ledger.exemption.until} />.
        </Content>
      )}
      <List isPlain isBordered aria-label="Versions">
        {ledger.versions.map((row) => (
          <ListItem key={row.version}>
            <strong>Version {row.version}</strong>{' '}
            <Label isCompact color={row.state === 'current' ? 'green' : 'grey'}>
              {row.state}
            </Label>{' '}
            <Moment at={row.createdAt} />
            <div className="small">
              {row.people === null
                ? row.by === 'vault'
                  ? 'By itself'
                  : visible(whoText(row.by))
                : visible(
                    `${row.people.changer}, with ${row.people.signer ?? row.people.approver ?? 'nobody'}`,
                  )}
              : {row.cause}
              {row.reason === '' ? null : `, ${visible(row.reason)}`}
            </div>
            <div className="quiet small">
              {row.verifiedAt === null ? (
                'No login has shown that it is taken.'
              ) : (
                <>
                  Seen to work <When at={row.verifiedAt} />.
                </>
              )}{' '}
              {row.exposures.length === 0
                ? 'Nobody has seen it.'
                : `Seen by ${[...new Set(row.exposures.map(({ user }) => visible(user)))].join(', ')}.`}
            </div>
          </ListItem>
        ))}
      </List>
    </>
  )
}

/** The next thirty days, line by line: windows, holds, what is due, and what fits no window. */
export function Coming() {
  const lines = useRotationCalendar()
  const [isOpen, setOpen] = useState(false)
  const all = lines.data ?? []
  const due = all.flatMap((line) => line.due)
  const unfit = due.filter(({ fits }) => !fits).length
  if (all.length === 0) return null
  return (
    <ExpandableSection
      toggleText={`The next 30 days: ${due.length} due${unfit === 0 ? '' : `, ${unfit} without a window`}`}
      isExpanded={isOpen}
      onToggle={(_event, expanded) => setOpen(expanded)}
      className="gap-above"
    >
      {all.map((line) => (
        <Line key={line.safe} line={line} />
      ))}
    </ExpandableSection>
  )
}

/** Windows of a line that are named; those after them are counted. */
const mostNamed = 5

function Line({ line: { safe, windows, hold, due } }: { readonly line: LineCalendar }) {
  return (
    <section aria-label={visible(safe)} className="gap-below">
      <Content component="h3">{visible(safe)}</Content>
      {hold === null ? null : (
        <Content component="p">
          Production runs: {visible(hold.reason)}
          {hold.until === null ? null : (
            <>
              , until <Moment at={hold.until} />
            </>
          )}
        </Content>
      )}
      <List>
        {windows.slice(0, mostNamed).map((one) => (
          <ListItem key={`${one.calendar} ${one.from}`}>
            window {visible(one.calendar)}: <Moment at={one.from} />{' '}
            {one.until === null ? (
              'and on'
            ) : (
              <>
                to <Moment at={one.until} />
              </>
            )}
          </ListItem>
        ))}
        {windows.length > mostNamed ? (
          <ListItem>and {windows.length - mostNamed} windows more</ListItem>
        ) : null}
        {due.map((one) => (
          <ListItem key={one.account}>
            <span className="mono">{visible(one.account)}</span>, {one.how}: due <Moment at={one.dueAt} />
            {one.isOverdue ? ' (overdue)' : ''};{' '}
            {one.beginsAt === null ? (
              <Label isCompact color="red">
                no window has room for it
              </Label>
            ) : (
              <>
                {one.fits ? 'begins' : sentence('not before')} <Moment at={one.beginsAt} />
              </>
            )}
          </ListItem>
        ))}
      </List>
    </section>
  )
}
