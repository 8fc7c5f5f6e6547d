import { Checkbox, FormGroup } from '@patternfly/react-core'
import { fitsProtocol, opensSessions, usualDesktopActions } from '../../vault/contract/words.ts'
import type { AccountView, Action, GrantView } from '../../vault/contract.ts'
import { Choice, Field } from '../parts/field.tsx'
import { Name } from '../parts/name.tsx'

const meanings: Readonly<Record<Action, string>> = {
  shell: 'Work in a terminal',
  exec: 'Run single commands. Implies moving files, both ways: a command can do that.',
  'sftp-read': 'Take files off it. On a desktop where an account carries its files; goes with interact.',
  'sftp-write': 'Put files there, remove and rename. On a desktop likewise.',
  elevate: 'Have the secret for sudo, su or enable typed, where the account has one. Goes with shell.',
  observe: 'See a desktop (RDP, VNC, Telnet)',
  interact: 'Use its mouse and keyboard. Goes with observe.',
  'type-in': 'Have linked passwords typed into it, where the account has some. Goes with interact.',
  'clipboard-in': 'Put texts on its clipboard. Goes with interact.',
  'clipboard-out': 'Take texts off its clipboard, to keep. Goes with interact.',
  forward: 'Reach other machines through the target with ssh -L, and only these',
}

/** What a grant or a request allows, in a list. */
export function May({ of }: { readonly of: Pick<GrantView, 'actions' | 'forwards'> }) {
  const others = of.actions.filter((action) => action !== 'forward')
  return (
    <>
      {others.join(', ')}
      {of.forwards.map(({ host, port, record }) => (
        <div key={`${host} ${port}`} className="small">
          forward to{' '}
          <span className="mono">
            <Name of={`${host}:${port}`} />
          </span>
          {record === 'stream' ? ', recorded whole' : ''}
        </div>
      ))}
    </>
  )
}

/** What is chosen in a form: actions, and where forwarding may go, as it was typed. */
export type Chosen = {
  readonly actions: readonly Action[]
  readonly places: string
  readonly record: string
}
const nothingChosen: Chosen = { actions: ['shell'], places: '', record: 'counts' }

/** The accounts by which people can be let in: those of a directory or a database are only kept and rotated. */
export function forSessions(accounts: readonly AccountView[] | undefined): readonly AccountView[] {
  return (accounts ?? []).filter(({ protocol }) => opensSessions(protocol))
}

/** What is chosen at first for an account: its terminal, or its desktop. */
export function atFirst(account: AccountView | undefined): Chosen {
  return account === undefined || account.protocol === 'ssh'
    ? nothingChosen
    : { ...nothingChosen, actions: usualDesktopActions }
}

/** Is there enough of it to be sent? */
export function isChosen({ actions, places }: Chosen): boolean {
  return actions.length > 0 && (!actions.includes('forward') || places.trim() !== '')
}

/** As the vault takes it, which says what is wrong with a destination. */
export function allowedOf({ actions, places, record }: Chosen) {
  if (!actions.includes('forward')) return { actions }
  const forwards = places
    .trim()
    .split(/[\s,]+/)
    .map((place) => {
      const colon = place.lastIndexOf(':')
      return {
        host: place.slice(0, Math.max(colon, 0)),
        port: Number(place.slice(colon + 1)),
        record: record === 'stream' ? ('stream' as const) : ('counts' as const),
      }
    })
  return { actions, forwards }
}

/** The fields for what a grant of `account` allows; before one is chosen, of any. */
export function ActionChoices(props: {
  readonly label: string
  readonly account: AccountView | undefined
  readonly chosen: Chosen
  readonly onChange: (chosen: Chosen) => void
}) {
  const { account, chosen, onChange } = props
  const { actions } = chosen
  return (
    <>
      <FormGroup label={props.label} role="group" fieldId="actions">
        {(Object.keys(meanings) as Action[])
          .filter((action) => account === undefined || fitsProtocol(action, account.protocol))
          .map((action) => (
            <Checkbox
              key={action}
              id={`action-${action}`}
              label={action}
              description={meanings[action]}
              isChecked={actions.includes(action)}
              onChange={(_event, checked) =>
                onChange({
                  ...chosen,
                  actions: checked ? [...actions, action] : actions.filter((other) => other !== action),
                })
              }
            />
          ))}
      </FormGroup>
      {actions.includes('forward') ? (
        <>
          <Field
            label="Destinations"
            name="forwards"
            value={chosen.places}
            onChange={(places) => onChange({ ...chosen, places })}
            hint="As the target names them, host:port each, separated by blanks: plc-7:102 10.1.7.20:80"
          />
          <Choice
            label="Recorded of them"
            name="forwardRecord"
            value={chosen.record}
            onChange={(record) => onChange({ ...chosen, record })}
            options={[
              { value: 'counts', label: 'Counts: when, how often and how many bytes' },
              { value: 'stream', label: 'Everything: the whole stream, to open as a packet capture' },
            ]}
          />
        </>
      ) : null}
    </>
  )
}
