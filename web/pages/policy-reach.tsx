import { Button, Content, Label } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { Link, useLocation, useSearch } from 'wouter'
import type { ReachView, VerbAnswer } from '../../vault/contract.ts'
import { ownZone } from '../../vault/kernel/plant-time.ts'
import { reachCsv } from '../../vault/kernel/reach-csv.ts'
import { ask } from '../api.ts'
import { Choice, Field } from '../parts/field.tsx'
import { type Column, Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Note } from '../parts/note.tsx'
import { Page } from '../parts/page.tsx'
import { Moment } from '../parts/when.tsx'
import { exactMoment, visible, weekday } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { useAccounts, useCompanies, usePolicy, useSafes, useTargets, useUsers } from './lists.ts'
import {
  type AskedReach,
  askedReach,
  isNoun,
  momentAsked,
  type ReachNoun,
  reachLink,
  reachNouns,
} from './reach-asked.ts'

/** Who could reach a machine at a moment, or what somebody could: asked by the page's address, so that it can be kept. */
export function PolicyReach() {
  const [, go] = useLocation()
  const asked = askedReach(new URLSearchParams(useSearch()))
  return (
    <Page
      title="Who can reach"
      about={
        <>
          Who could use what at a moment, by grants, rules and break-glass. Everything that decides for one
          person and one account: <em>May they?</em> on the page <Link href="/policy">Policy</Link>.
        </>
      }
    >
      <Ask key={asked === null ? '' : reachLink(asked)} asked={asked} onAsk={(next) => go(reachLink(next))} />
      {asked === null ? null : <Answer asked={asked} />}
    </Page>
  )
}

/** What is asked. `Enter` in any field asks it. */
function Ask({
  asked,
  onAsk,
}: {
  readonly asked: AskedReach | null
  readonly onAsk: (asked: AskedReach) => void
}) {
  const [draft, setDraft] = useState<AskedReach>(asked ?? { noun: 'target', name: '', at: '', zone: '' })
  const names = useNames(draft.noun)
  const zones = useZones(draft.zone)
  const isReady = draft.name !== '' && momentAsked(draft) !== null
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (isReady) onAsk(draft)
  }
  return (
    <search>
      <form className="audit-filter" aria-label="Ask who can reach" onSubmit={submit}>
        <Choice
          label="About"
          value={draft.noun}
          onChange={(noun) => isNoun(noun) && setDraft({ ...draft, noun, name: '' })}
          options={[
            { value: 'target', label: 'Who can reach a target' },
            { value: 'account', label: 'Who can use an account' },
            { value: 'safe', label: 'Who can use what is in a safe' },
            { value: 'user', label: 'What a user can reach' },
            { value: 'company', label: 'What the people of a vendor can reach' },
          ]}
        />
        <Choice
          label={reachNouns[draft.noun]}
          value={draft.name}
          onChange={(name) => setDraft({ ...draft, name })}
          options={[
            { value: '', label: 'Choose' },
            ...[...new Set([...names, ...(draft.name === '' ? [] : [draft.name])])].map((name) => ({
              value: name,
              label: visible(name),
            })),
          ]}
        />
        <Field
          label="At"
          name="at"
          type="datetime-local"
          required={false}
          value={draft.at}
          onChange={(at) => setDraft({ ...draft, at })}
          hint={draft.at === '' ? 'Left out: now' : weekday(`${draft.at}Z`)}
        />
        <Choice
          label="By the clocks of"
          value={draft.zone}
          onChange={(zone) => setDraft({ ...draft, zone })}
          options={zones.map((zone) => ({
            value: zone === ownZone() ? '' : zone,
            label: zone === ownZone() ? `${zone} (yours)` : zone,
          }))}
        />
        <div className="row">
          <Button type="submit" isDisabled={!isReady}>
            Say
          </Button>
        </div>
      </form>
    </search>
  )
}

function Answer({ asked }: { readonly asked: AskedReach }) {
  const at = momentAsked(asked)
  // Of now: as it was when it was asked, in the words above the list too.
  const [now] = useState(() => new Date().toISOString())
  const moment = at ?? now
  const reach = useQuery({
    queryKey: ['reach', reachLink(asked)],
    queryFn: async () => {
      const body = { [asked.noun]: asked.name, ...(at === undefined ? {} : { at }) }
      const rows = await ask<VerbAnswer<'policy.reach'>>('POST', '/api/policy/reach', body)
      return rows.map((row, index) => ({ ...row, id: String(index) }))
    },
    enabled: at !== null,
    refetchOnWindowFocus: false,
  })
  if (at === null)
    return (
      <Note variant="warning" title="There is no such time or zone">
        Write them like 2026-12-06T23:00 and Europe/Berlin, or leave both out for now.
      </Note>
    )
  return (
    <>
      <Content component="h2">
        {isOfPeople(asked.noun) ? 'What ' : 'Who can reach '}
        <Name of={asked.name} />
        {isOfPeople(asked.noun) ? ' can reach' : ''}
      </Content>
      <Content component="p">
        {at === undefined
          ? `Now, ${exactMoment(moment)}.`
          : `${weekday(`${asked.at}Z`)} ${asked.at.replace('T', ' ')} by the clocks of ${asked.zone === '' ? ownZone() : asked.zone}: ${exactMoment(moment)}.`}
      </Content>
      <Listing
        name="Who can reach"
        query={reach}
        keyOf={({ id }) => id}
        text={(row) =>
          [row.user, row.account, row.target, ...row.actions, ...row.by, ...row.conditions].join(' ')
        }
        tools={(rows) => (
          <Button
            variant="secondary"
            size="sm"
            isDisabled={rows.length === 0}
            onClick={() => saveFile('reach.csv', reachCsv(moment, rows))}
          >
            Export CSV
          </Button>
        )}
        empty={{
          title: isOfPeople(asked.noun) ? 'They could reach nothing' : 'Nobody could',
          body: 'No grant lets in then, no rule that holds then, and nobody may break the glass. Who would have to ask first, and be approved, is not counted.',
        }}
        columns={columns}
      />
      <Content component="p" className="quiet gap-above">
        Not counted: who would have to ask first and be approved, and what a hold, a plant switch or a host
        key that nobody has approved keeps out now. A break-glass needs nobody’s approval; it alarms people,
        and is reviewed.
      </Content>
    </>
  )
}

const isOfPeople = (noun: ReachNoun) => noun === 'user' || noun === 'company'

const columns: readonly Column<ReachView & { readonly id: string }>[] = [
  { title: 'Who', cell: (row) => <Name of={row.user} /> },
  {
    title: 'Account',
    cell: (row) => (
      <>
        <span className="mono">
          <Name of={row.account} />
        </span>
        {row.account.startsWith(`${row.target}/`) ? null : (
          <div className="quiet small">
            on <Name of={row.target} />
          </div>
        )}
      </>
    ),
  },
  { title: 'May', cell: (row) => row.actions.join(', ') },
  {
    title: 'By',
    cell: (row) =>
      row.by.includes('break-glass') ? (
        <Label isCompact color="orange">
          break-glass
        </Label>
      ) : (
        row.by.map((one) => <div key={one}>{visible(one)}</div>)
      ),
  },
  {
    title: 'Under what',
    fit: 'text',
    cell: (row) => (
      <>
        {row.conditions.map((one) => (
          <div key={one}>{visible(one)}</div>
        ))}
        {row.exclusive ? <div>the account theirs alone</div> : null}
      </>
    ),
  },
  { title: 'A session ends by', fit: 'whole', times: true, cell: (row) => <Moment at={row.until} /> },
]

/** The names that can be asked about. */
function useNames(noun: ReachNoun): readonly string[] {
  const lists = {
    target: useTargets(noun === 'target').data,
    account: useAccounts(noun === 'account').data,
    safe: useSafes(noun === 'safe').data,
    user: useUsers(noun === 'user').data,
    company: useCompanies(noun === 'company').data,
  }
  const found: readonly { readonly name: string }[] = lists[noun] ?? []
  return found.map(({ name }) => name)
}

/** The reader's own zone, those of the policy's calendars, and UTC. */
function useZones(asked: string): readonly string[] {
  const policy = usePolicy()
  const named = Object.values(policy.data?.document.calendars ?? {}).map(({ zone }) => zone)
  return [...new Set([ownZone(), ...named, 'UTC', ...(asked === '' ? [] : [asked])])]
}
