import { Button, Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { RotationLimit } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { When } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useRotationLimits, useSafes, useTargets } from './lists.ts'

/** How many rotations go on at a time and begin within an hour, and where an administrator changes that. */
export function Limits() {
  const limits = useRotationLimits().data ?? []
  const mayChange = hasRole(useUser(), 'admin')
  const [changing, setChanging] = useState(false)
  if (limits.length === 0 && !mayChange) return null
  return (
    <Content component="p" className="quiet small">
      {limits.length === 0
        ? 'At most two rotations go on at a time on one machine, and five of a batch. '
        : null}
      {limits.map((limit) => (
        <span key={`${limit.safe ?? ''}/${limit.target ?? ''}`}>
          {placeOf(limit)}: {rateOf(limit)}, said by {visible(whoText(limit.setBy))},{' '}
          <When at={limit.setAt} />.{' '}
        </span>
      ))}
      {mayChange ? (
        <Button variant="link" isInline className="small" onClick={() => setChanging(true)}>
          Limit rotations
        </Button>
      ) : null}
      {changing ? <LimitRotations limits={limits} onClose={() => setChanging(false)} /> : null}
    </Content>
  )
}

function placeOf({ safe, target }: RotationLimit): string {
  if (target !== null) return `On ${visible(target)}`
  return safe === null ? 'Of all rotations' : `In ${visible(safe)}`
}

function rateOf({ abreast, perHour }: RotationLimit): string {
  return [
    ...(abreast === null ? [] : [`${abreast} at a time`]),
    ...(perHour === null ? [] : [`${perHour} an hour`]),
  ].join(', ')
}

function LimitRotations(props: { readonly limits: readonly RotationLimit[]; readonly onClose: () => void }) {
  const { limits, onClose } = props
  const change = useChange()
  const safes = useSafes()
  const targets = useTargets()
  const [place, setPlace] = useState('all')
  const [abreast, setAbreast] = useState('')
  const [perHour, setPerHour] = useState('')
  const [kind = '', name = ''] = place.split(/:(.*)/s)
  const choose = (to: string) => {
    setPlace(to)
    const [of, named = null] = to.split(/:(.*)/s)
    const known = limits.find(
      (one) => one.safe === (of === 'safe' ? named : null) && one.target === (of === 'target' ? named : null),
    )
    setAbreast(known?.abreast?.toString() ?? '')
    setPerHour(known?.perHour?.toString() ?? '')
  }
  const isNumber = (text: string) => /^\d{0,6}$/.test(text)
  return (
    <Dialog
      title="Limit rotations"
      action="Set the limit"
      ready={isNumber(abreast) && isNumber(perHour)}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('PUT', '/api/rotation-limits', {
            ...(kind === 'safe' ? { safe: name } : kind === 'target' ? { target: name } : {}),
            abreast: abreast === '' ? null : Number(abreast),
            perHour: perHour === '' ? null : Number(perHour),
          }),
        )
        onClose()
      }}
    >
      <Content component="p">
        What is more waits for its turn, also what somebody asks for. A secret that has leaked waits for
        nobody’s.
      </Content>
      <Choice
        label="Where"
        name="safe"
        value={place}
        onChange={choose}
        options={[
          { value: 'all', label: 'Of all rotations' },
          ...(safes.data ?? []).map((one) => ({ value: `safe:${one.name}`, label: `In safe ${one.name}` })),
          ...(targets.data ?? []).map((one) => ({ value: `target:${one.name}`, label: `On ${one.name}` })),
        ]}
      />
      <Field
        label="At a time"
        name="abreast"
        inputMode="numeric"
        value={abreast}
        onChange={setAbreast}
        required={false}
        hint="Empty: not limited"
      />
      <Field
        label="Begin within an hour"
        name="perHour"
        inputMode="numeric"
        value={perHour}
        onChange={setPerHour}
        required={false}
        hint="Empty: not limited"
      />
    </Dialog>
  )
}
