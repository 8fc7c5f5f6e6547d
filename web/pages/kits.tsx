import { Button, Checkbox, Content, FormGroup, Label, List, ListItem } from '@patternfly/react-core'
import { useState } from 'react'
import type { KitView, VerbAnswer } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at } from '../api.ts'
import { Command } from '../parts/command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { shellWord } from '../parts/shell-word.ts'
import { Moment, When } from '../parts/when.tsx'
import { sentence, visible } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { proven } from '../sealed/passkeys.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useKits, useSafes } from './lists.ts'

const states = {
  waiting: { text: 'waits to be confirmed', colour: 'orange' },
  'in force': { text: 'in force', colour: 'green' },
  ended: { text: 'ended', colour: 'grey' },
} as const

type Doing = { readonly kind: 'confirm' | 'take' | 'report' | 'end'; readonly of: KitView }

/** What is left when Tagout is not: the secrets of a safe, sealed to custodians, and what came of opening them. */
export function Kits() {
  const kits = useKits()
  const safes = useSafes()
  const user = useUser()
  const isAdmin = hasRole(user, 'admin')
  const mayReport = hasRole(user, 'admin', 'security-officer')
  const [doing, setDoing] = useState<Doing | null>(null)
  const close = () => setDoing(null)
  const without = (safes.data ?? []).filter(
    ({ name, accounts }) =>
      accounts > 0 && !(kits.data ?? []).some((one) => one.safe === name && one.state === 'in force'),
  )
  return (
    <Page
      title="Emergency kits"
      about="What is left when Tagout is not: the secrets of a safe in one file, which some of its custodians open together, without server, database or network. Keep the file away from this machine, and take it away again when secrets have changed."
    >
      {kits.data !== undefined && without.length > 0 ? (
        <Note
          variant="info"
          title={`Without a kit in force: ${without.map((one) => visible(one.name)).join(', ')}`}
          className="gap-below"
        >
          <p>
            The machine administrator makes the shares for its custodians; an administrator confirms it here.
          </p>
          <p className="gap-above">
            <Command
              text={`tagout kit init ${shellWord(without[0]?.name ?? '') ?? 'SAFE'} --threshold 2 --custodian anna,bob,carl --print`}
            />
          </p>
        </Note>
      ) : null}
      <Listing<KitView>
        name="Emergency kits"
        query={kits}
        keyOf={({ id }) => id}
        text={(row) => `${row.safe} ${row.state} ${row.custodians.join(' ')} ${row.set}`}
        columns={[
          {
            title: 'Safe',
            cell: (row) => (
              <>
                <Name of={row.safe} />{' '}
                <Label isCompact color={states[row.state].colour}>
                  {states[row.state].text}
                </Label>
                <div className="quiet small">
                  set <span className="mono">{visible(row.set)}</span>
                </div>
              </>
            ),
          },
          {
            title: 'Opened by',
            fit: 'text',
            cell: (row) => `any ${row.threshold} of ${row.custodians.map(visible).join(', ')}`,
          },
          { title: 'Taken away', fit: 'text', cell: (row) => <Taken row={row} /> },
          { title: 'To do', fit: 'text', cell: (row) => <Todo row={row} /> },
          ...(mayReport
            ? [
                {
                  title: 'Actions',
                  actions: true as const,
                  cell: (row: KitView) => (
                    <>
                      {isAdmin && row.state === 'waiting' ? (
                        <Act text="Confirm" of={row} onDo={() => setDoing({ kind: 'confirm', of: row })} />
                      ) : null}
                      {isAdmin && row.state === 'in force' ? (
                        <Act text="Take away" of={row} onDo={() => setDoing({ kind: 'take', of: row })} />
                      ) : null}
                      {row.confirmedAt === null ? null : (
                        <Act
                          text="It was opened"
                          of={row}
                          onDo={() => setDoing({ kind: 'report', of: row })}
                        />
                      )}
                      {isAdmin && row.state !== 'ended' ? (
                        <Act text="End" of={row} onDo={() => setDoing({ kind: 'end', of: row })} />
                      ) : null}
                    </>
                  ),
                },
              ]
            : []),
        ]}
        empty={{
          title: 'No safe has an emergency kit',
          body: 'If this machine burns, nobody has the secrets in it. Have the machine administrator make a kit: tagout kit init SAFE --threshold 2 --custodian anna,bob,carl --print',
        }}
      />
      {doing?.kind === 'confirm' ? <Confirm of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'take' ? <Take of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'report' ? <Report of={doing.of} onClose={close} /> : null}
      {doing?.kind === 'end' ? <End of={doing.of} onClose={close} /> : null}
    </Page>
  )
}

function Taken({ row }: { readonly row: KitView }) {
  return (
    <>
      {row.taken === null ? (
        'never'
      ) : (
        <>
          <When at={row.taken.at} />, by {visible(whoText(row.taken.by))}
        </>
      )}
      <div className="quiet small">
        {row.accounts === 0
          ? 'no secret is in it'
          : `${row.changedSince} of ${count(row.accounts, 'secret')} changed since`}
        {row.drilledAt === null ? '; never practised' : '; practised '}
        {row.drilledAt === null ? null : <When at={row.drilledAt} />}
      </div>
    </>
  )
}

function Todo({ row }: { readonly row: KitView }) {
  const opened = row.openings.filter(({ left }) => left.length > 0)
  if (opened.length > 0)
    return (
      <List isPlain>
        {opened.map((one) => (
          <ListItem key={one.id}>
            {one.isOverdue ? (
              <Label isCompact color="red">
                overdue
              </Label>
            ) : null}{' '}
            Opened <Moment at={one.openedAt} /> by {one.custodians.map(visible).join(', ')}:{' '}
            {visible(one.reason)}. Rotate by <Moment at={one.dueAt} />:{' '}
            <span className="mono">{one.left.map(visible).join(', ')}</span>
          </ListItem>
        ))}
      </List>
    )
  if (row.state === 'waiting')
    return <>Once its custodians have their shares, an administrator confirms it: not who handed them out.</>
  return row.due === null ? <span className="quiet">nothing</span> : <>{sentence(visible(row.due))}</>
}

function Act(props: { readonly text: string; readonly of: KitView; readonly onDo: () => void }) {
  return (
    <Button
      size="sm"
      variant="secondary"
      onClick={props.onDo}
      aria-label={`${props.text}: the kit of ${visible(props.of.safe)}`}
    >
      {props.text}
    </Button>
  )
}

type Asked = { readonly of: KitView; readonly onClose: () => void }

function Confirm({ of, onClose }: Asked) {
  const change = useChange()
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`Put the emergency kit of ${visible(of.safe)} in force`}
      action="Confirm"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'kit.confirm', { kit: of.id }, {})
        await change(() => ask('POST', at`/api/kits/${of.id}/confirm`, body))
        onClose()
      }}
    >
      <Content component="p">
        From now on the secrets of {visible(of.safe)} are sealed to any {of.threshold} of these custodians.
        Ask each of them whether they have their share, of set <span className="mono">{visible(of.set)}</span>
        , and whether nobody else has seen it:
      </Content>
      <List>
        {of.custodians.map((name) => (
          <ListItem key={name}>{visible(name)}</ListItem>
        ))}
      </List>
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

function Take({ of, onClose }: Asked) {
  const change = useChange()
  const [made, setMade] = useState<VerbAnswer<'kit.write'> | null>(null)
  return (
    <Dialog
      title={`Take the emergency kit of ${visible(of.safe)} away`}
      action={made === null ? 'Save the file' : null}
      {...(made === null ? {} : { closing: 'Done' })}
      onClose={onClose}
      act={async () => {
        const answer = (await change(() =>
          ask('POST', at`/api/safes/${of.safe}/kit`, {}),
        )) as VerbAnswer<'kit.write'>
        saveFile(`${of.safe}.kit`, answer.file)
        setMade(answer)
      }}
    >
      {made === null ? (
        <Content component="p">
          One file with {count(of.accounts, 'secret')}, as they are now. Nobody opens it but its custodians.
          Keep it on a stick in a safe, away from the machine that Tagout runs on; a copy on another machine
          does no harm.
        </Content>
      ) : (
        <>
          <Note variant="success" title={`Saved: ${count(made.accounts, 'secret')}`} />
          <Content component="p" className="gap-above">
            Practise with it, which shows no secret, on any machine that has Tagout’s program:
          </Content>
          <Command text={`tagout kit open ${shellWord(`${of.safe}.kit`) ?? 'FILE'} --drill`} />
        </>
      )}
    </Dialog>
  )
}

function Report({ of, onClose }: Asked) {
  const change = useChange()
  const [openedAt, setOpenedAt] = useState('')
  const [who, setWho] = useState<readonly string[]>([])
  const [drill, setDrill] = useState(false)
  const [reason, setReason] = useState('')
  return (
    <Dialog
      title={`The emergency kit of ${visible(of.safe)} was opened`}
      action={drill ? 'Note the drill' : 'Note it'}
      danger={!drill}
      ready={openedAt !== '' && who.length >= of.threshold && reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('POST', at`/api/kits/${of.id}/report`, {
            madeAt: of.taken?.at ?? of.confirmedAt,
            openedAt: new Date(openedAt).toISOString(),
            custodians: who,
            drill,
            reason: reason.trim(),
          }),
        )
        onClose()
      }}
    >
      <Content component="p">
        {drill
          ? 'That it was practised is kept, and nothing is to be done.'
          : 'What was in it when it was last taken away is to be rotated from then on, until each secret is another one.'}
      </Content>
      <Field
        label="Opened at"
        name="openedAt"
        type="datetime-local"
        value={openedAt}
        onChange={setOpenedAt}
      />
      <FormGroup role="group" label={`Who gave their shares (${of.threshold} at least)`} fieldId="gave">
        {of.custodians.map((name) => (
          <Checkbox
            key={name}
            id={`gave-${name}`}
            label={visible(name)}
            isChecked={who.includes(name)}
            onChange={(_event, checked) =>
              setWho(checked ? [...who, name] : who.filter((one) => one !== name))
            }
          />
        ))}
      </FormGroup>
      <Checkbox
        id="drill"
        label="It was practised: no secret was shown"
        isChecked={drill}
        onChange={(_event, checked) => setDrill(checked)}
      />
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
    </Dialog>
  )
}

function End({ of, onClose }: Asked) {
  const change = useChange()
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  return (
    <Dialog
      title={`End the emergency kit of ${visible(of.safe)}`}
      action="End it"
      danger
      ready={reason.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => {
        const body = await proven(code, 'kit.end', { kit: of.id }, { reason: reason.trim() })
        await change(() => ask('DELETE', at`/api/kits/${of.id}`, body))
        onClose()
      }}
    >
      <Content component="p">
        {of.state === 'waiting'
          ? 'Its shares open nothing then.'
          : 'Nothing is sealed to its custodians any more, and the copy on this machine goes. What was taken away before still opens with their shares.'}
      </Content>
      <Field label="Reason" name="reason" value={reason} onChange={setReason} hint="It is in the audit log" />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
