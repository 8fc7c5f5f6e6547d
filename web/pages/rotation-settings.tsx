import { Bullseye, Checkbox, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Dependant, RotationGrade, RotationSettings, VerbAnswer } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { Problem } from '../parts/problem.tsx'
import { visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'
import { dayOf, endOf } from './vendors.tsx'

const grades: readonly { readonly value: RotationGrade; readonly label: string }[] = [
  { value: 'G0', label: 'G0: there is nothing to change' },
  { value: 'G1', label: 'G1: changed online' },
  { value: 'G2', label: 'G2: changed in a window' },
  { value: 'G3', label: 'G3: changed by people, with the maker’s tool' },
  { value: 'G4', label: 'G4: not changed; somebody answers for it' },
]

/** How the kinds of other places are written, one a line. */
const signs = { told: '', task: '> ', account: '= ', blocks: '! ' } as const

function dependantOf(line: string): Dependant {
  const found = (['task', 'account', 'blocks'] as const).find((kind) => line.startsWith(signs[kind].trim()))
  return found === undefined ? { place: line, kind: 'told' } : { place: line.slice(1).trim(), kind: found }
}

type Known = {
  readonly settings: RotationSettings
  readonly of: VerbAnswer<'rotation.connectors'>
  readonly recipes: VerbAnswer<'rotation.recipes'>
}

const referenceOf = ({ name, version }: { readonly name: string; readonly version: number }) =>
  `${name}@${version}`

/** How an account is rotated: by what, when, and when not. */
export function SetRotation(props: { readonly account: string; readonly onClose: () => void }) {
  const known = useQuery({
    queryKey: ['rotation settings', props.account],
    queryFn: async (): Promise<Known> => {
      const [settings, of, recipes] = await Promise.all([
        ask('GET', at`/api/accounts/${props.account}/rotation`),
        ask('GET', '/api/connectors'),
        ask('GET', '/api/recipes'),
      ])
      return {
        settings: settings as RotationSettings,
        of: of as VerbAnswer<'rotation.connectors'>,
        recipes: recipes as VerbAnswer<'rotation.recipes'>,
      }
    },
    staleTime: 0,
    gcTime: 0,
  })
  if (known.data !== undefined) return <SettingsForm {...props} {...known.data} />
  return (
    <Dialog
      title={`How ${visible(props.account)} is rotated`}
      action={null}
      onClose={props.onClose}
      act={async () => {}}
    >
      {known.error === null ? (
        <Bullseye>
          <Spinner aria-label="Loading the settings" />
        </Bullseye>
      ) : (
        <Problem error={known.error} />
      )}
    </Dialog>
  )
}

function SettingsForm(props: Known & { readonly account: string; readonly onClose: () => void }) {
  const { settings, of, recipes, account } = props
  const change = useChange()
  const [connector, setConnector] = useState(settings.connector ?? '')
  const [through, setThrough] = useState(settings.throughAccount ?? '')
  const [reconcile, setReconcile] = useState(settings.reconcileAccount ?? '')
  const [recipe, setRecipe] = useState(settings.recipe ?? '')
  const [profile, setProfile] = useState(settings.profile ?? '')
  const [grade, setGrade] = useState<RotationGrade>(settings.setBy === null ? 'G1' : settings.grade)
  const [why, setWhy] = useState(settings.setBy === null ? '' : settings.gradeReason)
  const [days, setDays] = useState(settings.maxAgeDays === null ? '' : String(settings.maxAgeDays))
  const [calendar, setCalendar] = useState(settings.calendar ?? '')
  const [essential, setEssential] = useState(settings.essential)
  const [afterCheckIn, setAfterCheckIn] = useState(settings.afterCheckIn)
  const [afterReveal, setAfterReveal] = useState(settings.afterReveal)
  const [owner, setOwner] = useState(settings.exemption?.owner ?? '')
  const [until, setUntil] = useState(settings.exemption === null ? '' : dayOf(settings.exemption.until))
  const [places, setPlaces] = useState(
    settings.dependants.map(({ place, kind }) => `${signs[kind]}${place}`).join('\n'),
  )
  const reconciles = of.connectors.find(({ name }) => name === connector)?.reconciles === true
  const needsAnother = of.connectors.find(({ name }) => name === connector)?.through === true
  const fitting = recipes.filter((one) => one.connector === connector)
  const chosen = fitting.find((one) => referenceOf(one) === recipe)
  const isChanged = grade === 'G1' || grade === 'G2' || grade === 'G3'
  return (
    <Dialog
      title={`How ${visible(account)} is rotated`}
      action="Set"
      wide
      ready={
        (fitting.length === 0 || chosen !== undefined || !isChanged) &&
        (days === '' || /^[1-9]\d{0,3}$/.test(days)) &&
        (owner === '') === (until === '')
      }
      onClose={props.onClose}
      act={async () => {
        await change(() =>
          ask('PUT', at`/api/accounts/${account}/rotation`, {
            grade,
            gradeReason: why.trim(),
            connector: isChanged && connector !== '' ? connector : null,
            throughAccount: isChanged && needsAnother && through.trim() !== '' ? through.trim() : null,
            reconcileAccount: isChanged && reconciles && reconcile.trim() !== '' ? reconcile.trim() : null,
            recipe: isChanged && chosen !== undefined ? recipe : null,
            profile: profile === '' ? null : profile,
            maxAgeDays: days === '' ? null : Number(days),
            calendar: calendar.trim() === '' ? null : calendar.trim(),
            essential,
            afterCheckIn,
            afterReveal,
            exemption: owner === '' ? null : { owner: owner.trim(), until: endOf(until) },
            dependants: places
              .split('\n')
              .map((line) => line.trim())
              .filter((line) => line !== '')
              .map(dependantOf),
          }),
        )
        props.onClose()
      }}
    >
      <Choice
        label="Grade"
        name="grade"
        value={grade}
        onChange={(value) => setGrade(value as RotationGrade)}
        options={grades}
        hint="How honestly it can be changed"
      />
      <Field
        label="Why that grade"
        name="gradeReason"
        value={why}
        onChange={setWhy}
        required={false}
        hint="For whoever asks in a year"
      />
      {isChanged ? (
        <>
          <Choice
            label="Changed by"
            name="connector"
            value={connector}
            onChange={setConnector}
            options={[
              { value: '', label: 'Nothing yet' },
              ...of.connectors.map(({ name, title }) => ({ value: name, label: `${name}: ${title}` })),
            ]}
          />
          {fitting.length === 0 ? null : (
            <Choice
              label="Recipe"
              name="recipe"
              value={chosen === undefined ? '' : recipe}
              onChange={(value) => {
                setRecipe(value)
                // Its passwords, unless others are chosen after it.
                setProfile('')
              }}
              options={[
                { value: '', label: 'Choose how it is told' },
                ...fitting.map((one) => ({
                  value: referenceOf(one),
                  label: `${referenceOf(one)}: ${visible(one.title)}`,
                })),
              ]}
              hint={
                chosen === undefined
                  ? 'What is entered on the machine, and how it keeps it'
                  : [...chosen.findings, chosen.notes]
                      .filter((text) => text !== '')
                      .map(visible)
                      .join('. ')
              }
            />
          )}
          {needsAnother ? (
            <Field
              label="Through"
              name="throughAccount"
              value={through}
              onChange={setThrough}
              required={false}
              hint="Another account of the same host in the same safe, as which it is changed: target/login"
            />
          ) : null}
          {reconciles ? (
            <Field
              label="Set right by"
              name="reconcileAccount"
              value={reconcile}
              onChange={setReconcile}
              required={false}
              hint="A privileged account of the same machine, which sets it where the machine takes neither the new one nor the one before; empty: a person is sent for"
            />
          ) : null}
          <Choice
            label="Passwords"
            name="profile"
            value={profile}
            onChange={setProfile}
            options={[
              { value: '', label: 'As usual for what changes it' },
              ...of.profiles.map(({ name, title, strength }) => ({
                value: name,
                label: `${title} (${strength.bits} bits, ${strength.verdict})`,
              })),
            ]}
          />
          <Field
            label="Every so many days"
            name="maxAgeDays"
            value={days}
            onChange={setDays}
            inputMode="numeric"
            required={false}
            hint="Empty: not because of its age"
          />
          <Field
            label="Window"
            name="calendar"
            value={calendar}
            onChange={setCalendar}
            required={false}
            hint="A calendar of the policy; empty: at any time"
          />
          <Checkbox
            id="after-check-in"
            label="After each check-in"
            isChecked={afterCheckIn}
            onChange={(_event, checked) => setAfterCheckIn(checked)}
          />
          <Checkbox
            id="after-reveal"
            label="After somebody has seen it"
            isChecked={afterReveal}
            onChange={(_event, checked) => setAfterReveal(checked)}
          />
          <Checkbox
            id="essential"
            label="Essential: never by itself, as people depend on it"
            isChecked={essential}
            onChange={(_event, checked) => setEssential(checked)}
          />
          <LongField
            label="Other places that hold the secret"
            name="dependants"
            rows={3}
            value={places}
            onChange={setPlaces}
            required={false}
            hint="One on a line. > before it: people get a task each time; =: an account of this safe, which takes the new one; !: nothing is rotated by itself while it is listed"
          />
        </>
      ) : (
        <>
          <Field
            label="Who answers for it"
            name="owner"
            value={owner}
            onChange={setOwner}
            required={false}
            hint="The exemption is listed until it is over"
          />
          <Field label="Until" name="until" type="date" value={until} onChange={setUntil} required={false} />
        </>
      )}
    </Dialog>
  )
}
