import { Label, MenuToggle, Select, SelectList, SelectOption } from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'wouter'
import type { RecordingState } from '../../vault/contract.ts'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { RecordingBadge } from '../parts/state.tsx'
import { Moment } from '../parts/when.tsx'
import { between, bytes, visible } from '../parts/wording.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { useRecordings } from './lists.ts'

const states: readonly RecordingState[] = ['recording', 'complete', 'incomplete', 'tampered']

/** Every recording, with the state that it was found in. */
export function Recordings() {
  const recordings = useRecordings()
  const user = useUser()
  const [wanted, setWanted] = useState<RecordingState | 'any'>('any')
  const [choosing, setChoosing] = useState(false)
  const replays = hasRole(user, 'auditor')
  return (
    <Page
      title="Recordings"
      about={
        replays
          ? 'Sealed to the auditors. A replay is opened with your key in this browser, and written in the audit log.'
          : 'Sealed to the auditors: you see that they exist and in what state, an auditor sees what they show.'
      }
    >
      <Listing
        name="Recordings"
        query={recordings}
        keyOf={({ id }) => id}
        text={(row) =>
          [row.user, row.account, row.target, row.source, row.id, row.state, row.endReason ?? ''].join(' ')
        }
        keep={({ state }) => wanted === 'any' || state === wanted}
        tools={
          <Select
            isOpen={choosing}
            onOpenChange={setChoosing}
            selected={wanted}
            onSelect={(_event, value) => {
              setWanted(states.find((state) => state === value) ?? 'any')
              setChoosing(false)
            }}
            toggle={(ref) => (
              <MenuToggle ref={ref} onClick={() => setChoosing(!choosing)} isExpanded={choosing}>
                {wanted === 'any' ? 'Any state' : `State: ${wanted}`}
              </MenuToggle>
            )}
          >
            <SelectList aria-label="State">
              {(['any', ...states] as const).map((state) => (
                <SelectOption key={state} value={state}>
                  {state === 'any' ? 'Any state' : state}
                </SelectOption>
              ))}
            </SelectList>
          </Select>
        }
        columns={[
          { title: 'State', fit: 'whole', cell: ({ state }) => <RecordingBadge state={state} /> },
          {
            title: 'User',
            cell: (row) => (
              <>
                <Name of={row.user} />
                {row.breakGlass === null ? null : (
                  <div>
                    <Label color="red" isCompact>
                      break-glass
                    </Label>
                  </div>
                )}
              </>
            ),
          },
          {
            title: 'Account',
            cell: (row) => (
              <>
                <span className="mono">
                  <Name of={row.account} />
                </span>
                {row.forward === null ? null : (
                  <div className="quiet small">
                    forwarding to{' '}
                    <span className="mono">
                      <Name of={row.forward.to} />
                    </span>
                  </div>
                )}
              </>
            ),
          },
          { title: 'Started', fit: 'whole', times: true, cell: (row) => <Moment at={row.startedAt} /> },
          { title: 'Lasted', fit: 'whole', cell: (row) => between(row.startedAt, row.endedAt) },
          { title: 'Size', fit: 'whole', cell: (row) => bytes(row.sizeBytes) },
          { title: 'Ended', cell: (row) => (row.endReason === null ? '' : visible(row.endReason)) },
          {
            title: 'Actions',
            actions: true,
            cell: (row) => (
              <Link
                href={`/recordings/${row.id}`}
                aria-label={`${replays ? 'Replay' : 'Show'} ${row.account} by ${row.user}`}
              >
                {replays ? 'Replay' : 'Show'}
              </Link>
            ),
          },
        ]}
        empty={{
          title: 'No recordings yet',
          body: 'Every session is recorded from its first byte. The first one appears here when somebody connects.',
        }}
      />
    </Page>
  )
}
