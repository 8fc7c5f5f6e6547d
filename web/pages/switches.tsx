import { Content, Label } from '@patternfly/react-core'
import type { PlantSwitchView } from '../../vault/contract.ts'
import { Command } from '../parts/command.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { useSwitches } from './lists.ts'

const states = {
  run: { text: 'on', colour: 'green' },
  stop: { text: 'off: holds', colour: 'orange' },
  lost: { text: 'not read: holds', colour: 'red' },
} as const

/** What somebody at the machines turns to hold or end all sessions there. */
export function Switches() {
  const switches = useSwitches()
  return (
    <Page
      title="Plant switches"
      about="What somebody at the machines turns to hold or end all sessions there. Off, nobody begins anything in its safes either. It works without anything outside of this gateway."
    >
      <Listing<PlantSwitchView>
        name="Plant switches"
        query={switches}
        keyOf={({ id }) => id}
        text={({ name, safes }) => [name, ...safes].join(' ')}
        columns={[
          { title: 'Switch', cell: ({ name }) => <Name of={name} /> },
          {
            title: 'State',
            fit: 'whole',
            cell: ({ state, changedAt }) => (
              <>
                <Label isCompact color={states[state].colour}>
                  {states[state].text}
                </Label>
                <div className="quiet small">
                  <When at={changedAt} />
                </div>
              </>
            ),
          },
          { title: 'Safes', cell: ({ safes }) => safes.map(visible).join(', ') },
          {
            title: 'Off, it',
            fit: 'whole',
            cell: ({ act }) => (act === 'freeze' ? 'freezes' : 'terminates'),
          },
          {
            title: 'Turned by',
            cell: ({ input, stopsAt }) =>
              input === null ? (
                'a signed call'
              ) : (
                <>
                  <span className="mono">{visible(input)}</span>
                  <div className="quiet small">off when it reads {stopsAt === true ? 'on' : 'off'}</div>
                </>
              ),
          },
        ]}
        empty={{
          title: 'No plant switch yet',
          body: (
            <>
              <Content component="p">The machine administrator adds one:</Content>
              <Command text="tagout switch add hall-3 --safe line-3" label="Command that adds a switch" />
            </>
          ),
        }}
      />
    </Page>
  )
}
