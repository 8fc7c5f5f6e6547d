import { Button, Content, Label } from '@patternfly/react-core'
import { useState } from 'react'
import { useLocation } from 'wouter'
import type { PolicyView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ruleConditions } from '../../vault/policy/conditions.ts'
import { Command } from '../parts/command.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { usePolicy, usePolicyRules } from './lists.ts'
import { PolicyExplain } from './policy-explain.tsx'
import { PolicyRequests } from './policy-requests.tsx'

type RuleDocument = PolicyView['document']['rules'][number]
type CalendarDocument = NonNullable<PolicyView['document']['calendars']>[string]

/** The rules of who may use what. They are changed as a file. `request`: what waits, and is looked at at once. */
export function Policy({ request }: { readonly request?: string }) {
  const policy = usePolicy()
  const [asking, setAsking] = useState(false)
  const rules = usePolicyRules()
  const [, go] = useLocation()
  const isAdmin = hasRole(useUser(), 'admin')
  return (
    <Page
      title="Policy"
      about="Rules that let people in without a grant, and limits that hold for everybody they name, by whatever they were let in."
      // Who may not see the rules reads that, and is offered nothing that would be refused.
      actions={
        policy.data === undefined ? null : (
          <div className="row">
            <Button variant={isAdmin ? 'secondary' : 'primary'} onClick={() => setAsking(true)}>
              May they?
            </Button>
            <Button
              component="a"
              variant="secondary"
              href="/policy/reach"
              onClick={(event) => {
                event.preventDefault()
                go('/policy/reach')
              }}
            >
              Who can reach?
            </Button>
            {isAdmin ? (
              <Button
                component="a"
                href="/policy/change"
                onClick={(event) => {
                  event.preventDefault()
                  go('/policy/change')
                }}
              >
                Change it
              </Button>
            ) : null}
          </div>
        )
      }
    >
      {policy.data === undefined ? null : (
        <>
          <InForce policy={policy.data} />
          <PolicyRequests {...(request === undefined ? {} : { looked: request })} />
        </>
      )}
      <Listing
        name="Rules"
        query={rules}
        keyOf={({ name }) => name}
        text={(rule) => JSON.stringify(rule)}
        columns={[
          {
            title: 'Rule',
            cell: (rule) => (
              <>
                <Name of={rule.name} />
                <div>
                  <Label isCompact color={rule.effect === 'allow' ? 'green' : 'orange'}>
                    {rule.effect === 'allow' ? 'lets in' : 'limits'}
                  </Label>
                </div>
              </>
            ),
          },
          { title: 'Who', cell: (rule) => <Lines of={whoLines(rule)} /> },
          { title: 'What', cell: (rule) => <Lines of={whatLines(rule)} /> },
          {
            title: 'When and how',
            fit: 'text',
            cell: (rule) => <Lines of={conditionLines(rule)} />,
          },
        ]}
        empty={{
          title: 'No rule yet',
          body: 'Grants alone let people in. Rules are written in a file, which an administrator puts in force with a fresh code.',
        }}
      />
      {policy.data === undefined ? null : <Named policy={policy.data} />}
      <Content component="p" className="gap-above quiet">
        It can be kept as a file, in git, and changed from the command line: write it to a file, edit that,
        look at what it would change, and put it in force.
      </Content>
      <div>
        <Command text="tagout policy export policy.yaml" label="Command that writes the policy to a file" />
      </div>
      <div className="gap-above">
        <Command text="tagout policy apply policy.yaml" label="Command that puts a policy in force" />
      </div>
      {asking ? <PolicyExplain onClose={() => setAsking(false)} /> : null}
    </Page>
  )
}

function InForce({ policy }: { readonly policy: PolicyView }) {
  if (policy.appliedAt === null || policy.appliedBy === null) return null
  return (
    <Content component="p">
      Version {policy.version}, by {whoText(visible(policy.appliedBy))} <Moment at={policy.appliedAt} />.
      {policy.document.applyBy === 'two'
        ? ' It takes two administrators to change it: one asks, another approves.'
        : ''}
      {policy.document.contact === undefined ? '' : ` Whom to call: ${visible(policy.document.contact)}.`}
    </Content>
  )
}

function Lines({ of }: { readonly of: readonly string[] }) {
  return of.map((line) => <div key={line}>{visible(line)}</div>)
}

const listed = (noun: string, names: readonly string[] | undefined) =>
  names === undefined ? [] : [`${noun} ${names.join(', ')}`]

function whoLines({ who }: RuleDocument): readonly string[] {
  return [
    ...(who.everyone === true ? ['everyone'] : []),
    ...listed('users', who.users),
    ...listed('groups', who.groups),
    ...listed('companies', who.companies),
    ...listed('roles', who.roles),
  ]
}

function whatLines({ what }: RuleDocument): readonly string[] {
  return [
    ...(what.everything === true ? ['everything'] : []),
    ...listed('safes', what.safes),
    ...listed('targets', what.targets),
    ...listed('accounts', what.accounts),
    ...listed('tags', what.tags),
    ...listed('zones', what.zones),
    ...listed('by', what.protocols),
  ]
}

function conditionLines(rule: RuleDocument): readonly string[] {
  return [
    ...listed(rule.effect === 'allow' ? 'may' : 'for', rule.actions),
    ...(rule.effect === 'allow'
      ? listed(
          'forwarding to',
          rule.forwards?.map(({ host, port }) => `${host}:${port}`),
        )
      : []),
    ...ruleConditions(rule),
    ...listed('ask', rule.contact === undefined ? undefined : [rule.contact]),
  ]
}

/** The groups and calendars that the rules name. */
function Named({ policy: { document, fromDirectories } }: { readonly policy: PolicyView }) {
  const groups = Object.entries(document.groups ?? {})
  const calendars = Object.entries(document.calendars ?? {})
  if (groups.length + calendars.length === 0) return null
  return (
    <dl className="facts gap-above">
      {groups.map(([name, members]) => (
        <div key={`group ${name}`} className="facts-row">
          <dt>Group {name}</dt>
          <dd>
            <Members of={members} more={fromDirectories.find(({ group }) => group === name)?.users ?? []} />
          </dd>
        </div>
      ))}
      {calendars.map(([name, calendar]) => (
        <div key={`calendar ${name}`} className="facts-row">
          <dt>Calendar {name}</dt>
          <dd>
            <Lines of={calendarLines(calendar)} />
          </dd>
        </div>
      ))}
    </dl>
  )
}

/** Who is in a group: those that the document names, and `more`, whom directories put there. */
function Members({ of: named, more }: { readonly of: readonly string[]; readonly more: readonly string[] }) {
  if (named.length + more.length === 0) return 'nobody'
  return (
    <>
      {named.length === 0 ? null : <div>{visible(named.join(', '))}</div>}
      {more.length === 0 ? null : (
        <div>
          {visible(more.join(', '))} <span className="quiet small">from a directory</span>
        </div>
      )}
    </>
  )
}

function calendarLines({ zone, weekly = [], dates = [], except = [] }: CalendarDocument): readonly string[] {
  return [
    ...weekly.map(({ days, from, to }) => `${days?.join(', ') ?? 'every day'} ${from}–${to}`),
    ...dates.map(({ from, to }) => `${from} to ${to}`),
    ...except.map(({ from, to }) => `closed ${from} to ${to}`),
    `in ${zone}`,
  ]
}
