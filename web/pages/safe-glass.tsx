import { Checkbox, Content, FormGroup } from '@patternfly/react-core'
import { useState } from 'react'
import type { SafeView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Note } from '../parts/note.tsx'
import { span } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange } from '../shell/me.ts'
import { useUsers } from './lists.ts'

const spans = [30, 60, 120, 240, 480]

/** For how long members may let themselves in, and whom that alarms. */
export function SafeGlass({ safe, onClose }: { readonly safe: SafeView; readonly onClose: () => void }) {
  const change = useChange()
  const users = useUsers()
  const own = safe.breakGlass?.minutes
  const [minutes, setMinutes] = useState(String(own ?? ''))
  const [alarms, setAlarms] = useState<readonly string[]>(safe.breakGlass?.alarms ?? [])
  const [code, setCode] = useState('')
  const offered = [...new Set(own === undefined ? spans : [...spans, own])].sort((a, b) => a - b)
  const reached = (users.data ?? []).filter(({ state, mail }) => state === 'active' && mail !== null)
  const isOff = minutes === ''
  return (
    <Dialog
      title={`Break-glass in ${safe.name}`}
      action="Set"
      ready={isCode(code) && (isOff || alarms.length >= 2)}
      onClose={onClose}
      act={async () => {
        const body = await proven(
          code,
          'safe.breakGlass',
          { safe: safe.name },
          { minutes: isOff ? null : Number(minutes), ...(isOff ? {} : { alarms: [...alarms] }) },
        )
        await change(() => ask('PUT', at`/api/safes/${safe.name}/break-glass`, body))
        onClose()
      }}
    >
      <Choice
        label="A member with the permission break-glass"
        name="minutes"
        value={minutes}
        onChange={setMinutes}
        options={[
          { value: '', label: 'lets themselves in to nothing' },
          ...offered.map((number) => ({
            value: String(number),
            label: `may let themselves in for ${span(number * 60)}`,
          })),
        ]}
        hint="Without approval, recorded as ever, reviewed by somebody else."
      />
      {isOff ? null : (
        <FormGroup label="Alarmed at once, beside the administrators" role="group" fieldId="alarms">
          {reached.map(({ name }) => (
            <Checkbox
              key={name}
              id={`alarm-${name}`}
              label={name}
              isChecked={alarms.includes(name)}
              onChange={(_event, checked) =>
                setAlarms(checked ? [...alarms, name] : alarms.filter((other) => other !== name))
              }
            />
          ))}
          {reached.length < 2 ? (
            <Note variant="warning" title="Two people with a mail address are needed">
              Set addresses under Users first.
            </Note>
          ) : (
            <Content component="small">Two at least: one alone may be the one who opens it.</Content>
          )}
        </FormGroup>
      )}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
