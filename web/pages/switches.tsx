import {
  Button,
  Checkbox,
  Content,
  FormGroup,
  Label,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
} from '@patternfly/react-core'
import { useState } from 'react'
import type { PlantSwitchView, SessionView, VerbAnswer } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Command } from '../parts/command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { addCallingSwitch } from '../sealed/switch-key.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useSafes, useSessions, useSwitches } from './lists.ts'

const states = {
  run: { text: 'on', colour: 'green' },
  stop: { text: 'off: holds', colour: 'orange' },
  lost: { text: 'not read: holds', colour: 'red' },
} as const

type Tested = VerbAnswer<'switch.test'>

type Doing =
  | { readonly kind: 'add' }
  | { readonly kind: 'change' | 'remove'; readonly of: PlantSwitchView }
  | { readonly kind: 'made'; readonly of: PlantSwitchView; readonly key: string }

/** What somebody at the machines turns to hold or end all sessions there. */
export function Switches() {
  const switches = useSwitches()
  const isAdmin = hasRole(useUser(), 'admin')
  const [doing, setDoing] = useState<Doing | null>(null)
  const [tested, setTested] = useState<{ readonly name: string; readonly read: Tested | Error } | null>(null)
  const close = () => setDoing(null)
  const add = isAdmin ? <Button onClick={() => setDoing({ kind: 'add' })}>Add a switch</Button> : undefined
  return (
    <Page
      title="Plant switches"
      about="What somebody at the machines turns to hold or end all sessions there. Off, nobody begins anything in its safes either. It works without anything outside of this gateway."
      actions={add}
    >
      <div aria-live="polite">
        {tested === null ? null : <TestedNote name={tested.name} read={tested.read} />}
      </div>
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
          ...(isAdmin
            ? [
                {
                  title: 'Actions',
                  actions: true as const,
                  cell: (row: PlantSwitchView) => (
                    <>
                      {row.input === null ? null : <TestButton of={row} onTested={setTested} />}
                      <Act text="Change" of={row} onDo={() => setDoing({ kind: 'change', of: row })} />
                      <Act text="Remove" of={row} onDo={() => setDoing({ kind: 'remove', of: row })} />
                    </>
                  ),
                },
              ]
            : []),
        ]}
        empty={{
          title: 'No plant switch yet',
          body: isAdmin
            ? 'Add one, so that somebody at the machines can hold or end all sessions there: an input that is read over Modbus/TCP, or a system of the plant that calls with a signature.'
            : 'Nothing at the machines holds or ends sessions yet. An administrator adds a switch here, by an input at the machines or a signed call.',
          ...(add === undefined ? {} : { action: add }),
        }}
      />
      {doing?.kind === 'add' ? (
        <AddSwitch onClose={close} onMade={(of, key) => setDoing({ kind: 'made', of, key })} />
      ) : null}
      {doing?.kind === 'change' ? <ChangeSwitch of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'remove' ? <RemoveSwitch of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'made' ? <Made of={doing.of} secret={doing.key} onClose={close} /> : null}
    </Page>
  )
}

function Act(props: { readonly text: string; readonly of: PlantSwitchView; readonly onDo: () => void }) {
  return (
    <Button
      size="sm"
      variant="secondary"
      onClick={props.onDo}
      aria-label={`${props.text} ${visible(props.of.name)}`}
    >
      {props.text}
    </Button>
  )
}

/** Has the input of a switch read once. */
function TestButton(props: {
  readonly of: PlantSwitchView
  readonly onTested: (tested: { readonly name: string; readonly read: Tested | Error } | null) => void
}) {
  const { name } = props.of
  const [running, setRunning] = useState(false)
  return (
    <Button
      size="sm"
      variant="secondary"
      isLoading={running}
      isDisabled={running}
      aria-label={`Test ${visible(name)}`}
      onClick={() => {
        setRunning(true)
        props.onTested(null)
        void readNow({ switch: name })
          .then((read) => props.onTested({ name, read }))
          .finally(() => setRunning(false))
      }}
    >
      Test
    </Button>
  )
}

/** What an input reads now, or why that is not known. */
function readNow(of: { readonly switch: string } | { readonly input: string }): Promise<Tested | Error> {
  return ask<Tested>('POST', '/api/switches/test', of).catch((error: unknown) =>
    error instanceof Error ? error : new Error('something went wrong'),
  )
}

function TestedNote({ name, read }: { readonly name: string; readonly read: Tested | Error }) {
  if (read instanceof Error) return <Problem error={read} />
  return (
    <Note
      variant={read.reads === null ? 'warning' : 'info'}
      title={`${visible(name)}: ${readText(read)}`}
      className="gap-below"
    >
      {read.reads === null
        ? 'Check its address, unit and number, and whether the machine lets this gateway read it.'
        : null}
    </Note>
  )
}

function readText({ reads, fault, stops }: Tested): string {
  if (reads === null) return `nothing was read: ${visible(fault ?? 'no answer')}`
  const means = stops === null ? '' : stops ? ', which stops work' : ', which lets work go on'
  return `it reads ${reads ? 'on' : 'off'} now${means}`
}

const acts = [
  { value: 'freeze', label: 'freezes sessions: they go on when it is on again' },
  { value: 'terminate', label: 'terminates sessions' },
] as const

type Parts = {
  readonly safes: readonly string[]
  readonly act: 'freeze' | 'terminate'
  readonly input: string
  readonly stopsAt: 'on' | 'off'
}

/** What a switch holds and does; `read`: and where it is read. */
function PartFields(props: {
  readonly parts: Parts
  readonly read: boolean
  readonly onChange: (parts: Parts) => void
}) {
  const { parts, onChange } = props
  const safes = useSafes()
  const [tested, setTested] = useState<Tested | Error | null>(null)
  const [running, setRunning] = useState(false)
  return (
    <>
      <FormGroup label="It holds the sessions of" role="group" fieldId="switch-safes">
        <Problem error={safes.error} />
        {safes.data?.length === 0 ? <Content component="p">There is no safe yet.</Content> : null}
        {(safes.data ?? []).map(({ id, name }) => (
          <Checkbox
            key={id}
            id={`switch-safe-${id}`}
            label={visible(name)}
            isChecked={parts.safes.includes(name)}
            onChange={(_event, checked) =>
              onChange({
                ...parts,
                safes: checked ? [...parts.safes, name] : parts.safes.filter((other) => other !== name),
              })
            }
          />
        ))}
      </FormGroup>
      <Choice
        label="Off, it"
        name="act"
        value={parts.act}
        onChange={(act) => onChange({ ...parts, act: act === 'terminate' ? 'terminate' : 'freeze' })}
        options={acts}
      />
      {props.read ? (
        <>
          <Field
            label="Input"
            name="input"
            value={parts.input}
            onChange={(input) => {
              setTested(null)
              onChange({ ...parts, input })
            }}
            mono
            placeholder="modbus://10.0.3.9/1/discrete/12"
            hint="Host (and port, if not 502), unit, discrete or coil, number from 0: what a data sheet calls 10001 is discrete/0"
          />
          <div>
            <Button
              variant="secondary"
              size="sm"
              isDisabled={running || parts.input.trim() === ''}
              isLoading={running}
              onClick={() => {
                setRunning(true)
                setTested(null)
                void readNow({ input: parts.input.trim() })
                  .then(setTested)
                  .finally(() => setRunning(false))
              }}
            >
              What does it read now?
            </Button>
            <div aria-live="polite">
              {tested instanceof Error ? (
                <Problem error={tested} />
              ) : tested === null ? null : (
                <Content component="p">{sentence(readText(tested))}</Content>
              )}
            </div>
          </div>
          <Choice
            label="It is off when it reads"
            name="stopsAt"
            value={parts.stopsAt}
            onChange={(stopsAt) => onChange({ ...parts, stopsAt: stopsAt === 'on' ? 'on' : 'off' })}
            options={[
              { value: 'off', label: 'off: a broken wire and a pulled plug stop too' },
              { value: 'on', label: 'on' },
            ]}
          />
        </>
      ) : null}
    </>
  )
}

function AddSwitch(props: {
  readonly onClose: () => void
  readonly onMade: (of: PlantSwitchView, key: string) => void
}) {
  const change = useChange()
  const [name, setName] = useState('')
  const [by, setBy] = useState<'input' | 'call'>('input')
  const [parts, setParts] = useState<Parts>({ safes: [], act: 'freeze', input: '', stopsAt: 'off' })
  const [code, setCode] = useState('')
  return (
    <Dialog
      wide
      title="Add a plant switch"
      action="Add it"
      ready={
        name !== '' && parts.safes.length > 0 && (by === 'call' || parts.input.trim() !== '') && isCode(code)
      }
      onClose={props.onClose}
      act={async () => {
        const wanted = { name: name.trim(), safes: [...parts.safes], act: parts.act }
        if (by === 'call') {
          const { added, key } = await change(() => addCallingSwitch(wanted, code))
          return props.onMade(added, key)
        }
        const read = { ...wanted, input: parts.input.trim(), stopsAt: parts.stopsAt === 'on' }
        const body = await proven(code, 'switch.add', {}, read)
        await change(() => ask('POST', '/api/switches', body))
        props.onClose()
      }}
    >
      <Field
        label="Name"
        name="name"
        value={name}
        onChange={setName}
        autoFocus
        hint="As people at the plant call it: hall-3"
      />
      <Choice
        label="It is turned by"
        value={by}
        onChange={(value) => setBy(value === 'call' ? 'call' : 'input')}
        options={[
          { value: 'input', label: 'an input that is read over Modbus/TCP' },
          { value: 'call', label: 'a signed call' },
        ]}
      />
      <PartFields parts={parts} read={by === 'input'} onChange={setParts} />
      <Content component="p" className="quiet small">
        {by === 'input'
          ? 'It holds its safes until it was read for the first time.'
          : 'Its key is shown once, when it is added.'}
      </Content>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function ChangeSwitch({ of, onClose }: { readonly of: PlantSwitchView; readonly onClose: () => void }) {
  const change = useChange()
  const before: Parts = {
    safes: of.safes,
    act: of.act,
    input: of.input ?? '',
    stopsAt: of.stopsAt === true ? 'on' : 'off',
  }
  const [parts, setParts] = useState(before)
  const [code, setCode] = useState('')
  const isOther = (one: readonly string[], two: readonly string[]) =>
    [...one].sort().join('\n') !== [...two].sort().join('\n')
  const input = parts.input.trim()
  const changed = {
    ...(isOther(parts.safes, before.safes) ? { safes: [...parts.safes] } : {}),
    ...(parts.act === before.act ? {} : { act: parts.act }),
    ...(of.input === null || input === before.input ? {} : { input }),
    ...(of.input === null || parts.stopsAt === before.stopsAt ? {} : { stopsAt: parts.stopsAt === 'on' }),
  }
  const freed = of.state === 'run' ? [] : of.safes.filter((safe) => !parts.safes.includes(safe))
  const isReadAnew = 'input' in changed || 'stopsAt' in changed
  return (
    <Dialog
      wide
      title={`Change the plant switch ${visible(of.name)}`}
      action="Change"
      ready={
        Object.keys(changed).length > 0 &&
        parts.safes.length > 0 &&
        (of.input === null || input !== '') &&
        isCode(code)
      }
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'switch.change', { switch: of.name }, changed)
        await change(() => ask('PUT', at`/api/switches/${of.name}`, body))
        onClose()
      }}
    >
      <PartFields parts={parts} read={of.input !== null} onChange={setParts} />
      {freed.length === 0 ? null : (
        <Note
          variant="warning"
          title={`It holds ${freed.map(visible).join(', ')} now: without it work goes on there at once`}
        />
      )}
      {isReadAnew ? (
        <Content component="p" className="quiet small">
          It holds its safes until it was read there for the first time.
        </Content>
      ) : null}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function RemoveSwitch({ of, onClose }: { readonly of: PlantSwitchView; readonly onClose: () => void }) {
  const change = useChange()
  const sessions = useSessions()
  const [code, setCode] = useState('')
  const held = (sessions.data ?? []).filter((session) => isHeldBy(session, of))
  return (
    <Dialog
      danger
      title={`Remove the plant switch ${visible(of.name)}?`}
      action="Remove"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'switch.remove', { switch: of.name }, {})
        await change(() => ask('POST', at`/api/switches/${of.name}/remove`, body))
        onClose()
      }}
    >
      {of.state === 'run' ? (
        <Content component="p">
          It is on and holds nothing now. Nobody at the machines {of.act === 'freeze' ? 'freezes' : 'ends'}{' '}
          sessions of {of.safes.map(visible).join(', ')} by it any more.
        </Content>
      ) : (
        <Note
          variant="warning"
          title={`It holds ${of.safes.map(visible).join(', ')} now: without it work goes on there at once`}
        >
          {held.length === 0 ? (
            'No session is frozen by it.'
          ) : (
            <ul>
              {held.map(({ id, user, account }) => (
                <li key={id}>
                  {visible(user)} on {visible(account)} is frozen by it
                </li>
              ))}
            </ul>
          )}
        </Note>
      )}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function isHeldBy({ endedAt, freeze }: SessionView, { name }: PlantSwitchView): boolean {
  return endedAt === null && freeze?.by === `plant switch ${name}`
}

/** The key of a switch that was just added. The machine's administrator alone gets it again. */
function Made(props: {
  readonly of: PlantSwitchView
  readonly secret: string
  readonly onClose: () => void
}) {
  const { of, secret, onClose } = props
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="switch-key-title">
      <ModalHeader title={`The key of ${visible(of.name)}`} labelId="switch-key-title" />
      <ModalBody>
        <Content component="p">
          Whoever has it turns the switch. Enter it where the switch signs its calls; docs/plant-switch.md
          says how they are signed.
        </Content>
        <Command text={secret} label="Key" />
        <Note isInline isPlain variant="warning" title="It is not shown again" className="gap-above">
          On the gateway’s own machine <code>tagout switch key {visible(of.name)} --out FILE</code> writes it
          to a file.
        </Note>
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>Done</Button>
      </ModalFooter>
    </Modal>
  )
}
