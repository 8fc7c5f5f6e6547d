import { Button, Checkbox, Label, Switch } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'wouter'
import type { RiskMark, RiskRule, RiskSettings, VerbAnswer } from '../../vault/contract.ts'
import { riskRules } from '../../vault/contract/words.ts'
import { hoursText } from '../../vault/kernel/risk-text.ts'
import { ask, at, get } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { ruleTexts } from './risk-words.ts'

type Answer = VerbAnswer<'risk.list'>
const mostShown = 1_000

/** What was out of the ordinary, why, and what somebody found who looked. */
export function ReviewQueue() {
  const [address, setAddress] = useSearchParams()
  const session = address.get('session')
  const [all, setAll] = useState(false)
  const isAll = all || session !== null
  const [signing, setSigning] = useState<RiskMark | null>(null)
  const [setting, setSetting] = useState(false)
  const user = useUser()
  const query = useQuery({
    queryKey: ['marks', isAll, session],
    queryFn: () =>
      get<Answer>(
        `/api/marks?${new URLSearchParams({
          state: isAll ? 'all' : 'open',
          limit: String(mostShown),
          ...(session === null ? {} : { session }),
        }).toString()}`,
      ),
    select: ({ marks }) => marks,
    refetchInterval: 5_000,
  })
  const maySign = (row: RiskMark) =>
    row.review === null && row.user !== user.name && hasRole(user, 'auditor', 'security-officer')
  return (
    <Page
      title="Review queue"
      about="What was out of the ordinary. Each mark says why, with the facts that its rule looked at; it stays until somebody else than whose it is has signed for it."
      actions={
        <div className="row">
          {session === null ? (
            <Switch
              id="all-marks"
              label="Signed ones too"
              isChecked={all}
              onChange={(_event, checked) => setAll(checked)}
            />
          ) : (
            <Button variant="link" onClick={() => setAddress({})}>
              All sessions
            </Button>
          )}
          <Button variant="secondary" onClick={() => setSetting(true)}>
            What is marked
          </Button>
        </div>
      }
    >
      <Listing
        name="Marks"
        query={query}
        keyOf={({ id }) => id}
        text={(row) => [ruleTexts[row.rule], row.why, row.user, row.account, row.review?.by ?? ''].join(' ')}
        columns={[
          {
            title: 'What',
            cell: (row) => (
              <>
                <Label color={row.review === null ? 'orange' : 'grey'} isCompact>
                  {ruleTexts[row.rule]}
                </Label>
                {row.recording === null ? null : (
                  <div className="small">
                    <Link href={`/recordings/${row.recording}`}>Its recording</Link>
                  </div>
                )}
              </>
            ),
          },
          { title: 'When', fit: 'whole', times: true, cell: (row) => <Moment at={row.at} /> },
          {
            title: 'Who',
            cell: (row) => (
              <>
                <Name of={row.user} />
                <div className="mono small">
                  <Name of={row.account} />
                </div>
              </>
            ),
          },
          { title: 'Why', fit: 'text', cell: (row) => <Why of={row} /> },
          {
            title: 'Actions',
            actions: true,
            cell: (row) =>
              maySign(row) ? (
                <Button
                  size="sm"
                  onClick={() => setSigning(row)}
                  aria-label={`Sign for ${ruleTexts[row.rule]}, ${row.user} on ${row.account}`}
                >
                  Sign
                </Button>
              ) : null,
          },
        ]}
        empty={{
          title: isAll ? 'Nothing was out of the ordinary' : 'No mark waits for its review',
          body: (
            <>
              Sessions are looked at when they begin and when they end, and secrets when they should have been
              rotated. <em>What is marked</em> says by which rules.
              {isAll ? '' : ' Those of before are under Signed ones too.'}
            </>
          ),
        }}
      />
      {signing === null ? null : <Sign of={signing} onClose={() => setSigning(null)} />}
      {setting ? <Rules mayChange={hasRole(user, 'admin')} onClose={() => setSetting(false)} /> : null}
    </Page>
  )
}

function Why({ of: row }: { readonly of: RiskMark }) {
  return (
    <>
      {visible(row.why)}
      <Facts of={row} />
      {row.review === null ? null : (
        <div className="small">
          <strong>{row.review.finding === 'explained' ? 'Explained' : 'To be followed up'}</strong>, by{' '}
          {visible(row.review.by)}, <Moment at={row.review.at} />: {visible(row.review.note)}
        </div>
      )}
    </>
  )
}

function Facts({ of: row }: { readonly of: RiskMark }) {
  return (
    <ul className="quiet small plain">
      {row.facts.map(({ name, value }, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: facts of a mark never change, and may be alike
        <li key={place}>
          {visible(name)}: {visible(value)}
        </li>
      ))}
    </ul>
  )
}

function Sign({ of: row, onClose }: { readonly of: RiskMark; readonly onClose: () => void }) {
  const change = useChange()
  const [finding, setFinding] = useState('')
  const [note, setNote] = useState('')
  return (
    <Dialog
      title={ruleTexts[row.rule]}
      description="Your name, the time and what you write are kept, and cannot be changed."
      action="Sign for it"
      ready={note.trim() !== '' && finding !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('POST', at`/api/marks/${row.id}/review`, { finding, note: note.trim() }))
        onClose()
      }}
    >
      <p>{visible(row.why)}.</p>
      <Facts of={row} />
      <Choice
        label="What you found"
        name="finding"
        value={finding}
        onChange={setFinding}
        options={[
          { value: '', label: 'Choose' },
          { value: 'explained', label: 'It has a good reason' },
          { value: 'follow-up', label: 'Something is to be done about it' },
        ]}
      />
      <LongField label="In your words" name="note" value={note} onChange={setNote} rows={3} />
    </Dialog>
  )
}

/** By what is marked, and, for administrators, the way to change that. */
function Rules({ mayChange, onClose }: { readonly mayChange: boolean; readonly onClose: () => void }) {
  const settings = useQuery({
    queryKey: ['risk settings'],
    queryFn: () => get<RiskSettings>('/api/risk-settings'),
  })
  if (settings.data === undefined) return null
  return mayChange ? (
    <ChangeRules of={settings.data} onClose={onClose} />
  ) : (
    <Dialog title="What is marked" action={null} closing="Close" onClose={onClose} act={async () => {}}>
      <dl className="facts">
        <dt>Ordinary hours</dt>
        <dd>
          {hoursText(settings.data)}, for {settings.data.hoursOf}
        </dd>
        <dt>A vendor was long away</dt>
        <dd>after {settings.data.dormantDays} days without a session</dd>
        <dt>Much more than usual</dt>
        <dd>
          {settings.data.spikeTimes} times the middle of earlier recordings of the account, from{' '}
          {settings.data.spikeBytes} bytes on
        </dd>
        <dt>Rules that are off</dt>
        <dd>{settings.data.off.map((rule) => ruleTexts[rule]).join(', ') || 'none'}</dd>
      </dl>
    </Dialog>
  )
}

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

function ChangeRules({ of, onClose }: { readonly of: RiskSettings; readonly onClose: () => void }) {
  const change = useChange()
  const [draft, setDraft] = useState(of)
  const [reason, setReason] = useState('')
  const set = (part: Partial<RiskSettings>) => setDraft({ ...draft, ...part })
  const toggled = <T,>(list: readonly T[], one: T, on: boolean) =>
    on ? [...list.filter((other) => other !== one), one] : list.filter((other) => other !== one)
  const number = (name: 'dormantDays' | 'spikeTimes' | 'spikeBytes', label: string) => (
    <Field
      label={label}
      name={name}
      inputMode="numeric"
      value={String(draft[name])}
      onChange={(value) => set({ [name]: Number(value.replaceAll(/\D/g, '')) })}
    />
  )
  return (
    <Dialog
      title="What is marked"
      description="From now on: what was marked stays. The change is in the audit log."
      action="Set"
      ready={reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() => ask('PUT', '/api/risk-settings', { ...draft, reason: reason.trim() }))
        onClose()
      }}
    >
      <fieldset>
        <legend>Rules</legend>
        {riskRules.map((rule: RiskRule) => (
          <Checkbox
            key={rule}
            id={`rule-${rule}`}
            label={ruleTexts[rule]}
            isChecked={!draft.off.includes(rule)}
            onChange={(_event, on) => set({ off: toggled(draft.off, rule, !on) })}
          />
        ))}
      </fieldset>
      <fieldset>
        <legend>Days with ordinary hours</legend>
        <div className="row">
          {days.map((day) => (
            <Checkbox
              key={day}
              id={`day-${day}`}
              label={day}
              isChecked={draft.days.includes(day)}
              onChange={(_event, on) =>
                set({ days: days.filter((one) => (one === day ? on : draft.days.includes(one))) })
              }
            />
          ))}
        </div>
      </fieldset>
      <Field label="From" name="from" value={draft.from} onChange={(from) => set({ from })} />
      <Field label="Until" name="until" value={draft.until} onChange={(until) => set({ until })} />
      <Field label="By the clocks of" name="zone" value={draft.zone} onChange={(zone) => set({ zone })} />
      <Choice
        label="Whose sessions outside of them are marked"
        name="hoursOf"
        value={draft.hoursOf}
        onChange={(value) => set({ hoursOf: value === 'everybody' ? 'everybody' : 'vendors' })}
        options={[
          { value: 'vendors', label: 'Vendors’' },
          { value: 'everybody', label: 'Everybody’s' },
        ]}
      />
      {number('dormantDays', 'Days after which a vendor was long away')}
      {number('spikeTimes', 'Times what is usual of an account')}
      {number('spikeBytes', 'Bytes of a recording, at least')}
      <LongField label="Why" name="reason" value={reason} onChange={setReason} rows={2} />
    </Dialog>
  )
}
