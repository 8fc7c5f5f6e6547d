import { exposureList } from '../accounts/exposures.ts'
import { grantList } from '../checkout/grant.ts'
import { userList } from '../identity/user.ts'
import { rotationFindings } from '../rotation/findings.ts'
import { rotationAccounts } from '../rotation/overview.ts'
import { rotationList } from '../rotation/verbs.ts'
import { safeList } from '../safes/safe.ts'
import { offboardingList } from '../vendors/offboarding.ts'
import { type Asking, answered, at, type Contents, lasted, share, table, within, yesNo } from './cells.ts'

/** Reports of who may, who knows a secret, and how old it is. */

export async function exposureLedger(asking: Asking): Promise<Contents> {
  const all = answered(await exposureList(asking.call, {}))
  const rows = all.filter((one) => within(asking, one.at) || one.isOverdue)
  const runs = answered(await rotationList(asking.call, {})).filter((one) => within(asking, one.createdAt))
  return {
    facts: [
      {
        name: 'secrets that somebody saw in the time',
        value: String(rows.filter((one) => within(asking, one.at)).length),
      },
      { name: 'overdue now', value: String(rows.filter((one) => one.isOverdue).length) },
      { name: 'rotations in the time', value: String(runs.length) },
    ],
    tables: [
      table(
        'Who has seen which secret',
        'Each look in the time, and each that is overdue now, with the day by which the secret is another one.',
        ['Seen', 'Who', 'Of', 'Account', 'Version', 'How', 'Why', 'Due', 'Rotated', 'After', 'Overdue'],
        rows.map((one) => [
          at(one.at),
          one.user,
          one.company ?? '',
          one.account,
          String(one.version),
          one.cause,
          one.reason,
          at(one.rotationDueAt),
          at(one.rotatedAt),
          one.rotatedAt === null ? '' : lasted(Date.parse(one.rotatedAt) - Date.parse(one.at)),
          yesNo(one.isOverdue),
        ]),
      ),
      table(
        'Rotations',
        'What was changed on its machine, or tried, and what came of it.',
        ['Asked', 'By', 'Account', 'Cause', 'Kind', 'Phase', 'Version', 'Ended', 'Why it is there'],
        runs.map((one) => [
          at(one.createdAt),
          one.askedBy,
          one.account,
          one.cause,
          one.kind,
          one.phase,
          one.version === null ? '' : String(one.version),
          at(one.endedAt),
          one.why,
        ]),
      ),
    ],
  }
}

export async function entitlements(asking: Asking): Promise<Contents> {
  const { call } = asking
  const users = answered(await userList(call, {}))
  const grants = answered(await grantList(call, {})).filter(
    ({ state }) => state === 'active' || state === 'future',
  )
  const safes = answered(await safeList(call, {}))
  const active = users.filter(({ state }) => state !== 'disabled')
  const twoFactors = active.filter((one) => one.hasTotp || one.passkeys > 0)
  return {
    facts: [
      { name: 'users who can sign in', value: String(active.length) },
      { name: 'with a second factor', value: share(twoFactors.length, active.length) },
      { name: 'grants that hold or will', value: String(grants.length) },
    ],
    tables: [
      table(
        'Users',
        'Who can sign in, with their roles, and when they last did.',
        ['User', 'Of', 'Roles', 'State', 'Second factor', 'Since', 'Last sign-in'],
        active.map((one) => [
          one.name,
          one.company ?? one.directory ?? '',
          one.roles.join(', '),
          one.state,
          yesNo(one.hasTotp || one.passkeys > 0),
          at(one.createdAt),
          at(one.lastLoginAt),
        ]),
      ),
      table(
        'Permissions on safes',
        'What people may do in each safe, beside what the policy lets them.',
        ['Safe', 'User', 'Permissions'],
        safes.flatMap(({ name, members }) =>
          members.map(({ user, permissions }) => [name, user, permissions.join(', ')]),
        ),
      ),
      table(
        'Grants',
        'Who may use which account, from when to when, by whose leave.',
        ['User', 'Account', 'Actions', 'From', 'Until', 'State', 'Given by', 'Why'],
        grants.map((one) => [
          one.user,
          one.account,
          one.actions.join(', '),
          at(one.notBefore),
          at(one.notAfter),
          one.state,
          one.grantedBy,
          one.reason,
        ]),
      ),
    ],
  }
}

export async function passwordAge(asking: Asking): Promise<Contents> {
  const { call } = asking
  const accounts = answered(await rotationAccounts(call, {}))
  const { findings } = answered(await rotationFindings(call, {}))
  const now = call.world.vault.clock().getTime()
  const exempt = accounts.filter(({ exemption }) => exemption !== null)
  return {
    facts: [
      { name: 'accounts', value: String(accounts.length) },
      {
        name: 'whose secret is overdue',
        value: share(accounts.filter((one) => one.isOverdue).length, accounts.length),
      },
      {
        name: 'that nothing changes',
        value: share(accounts.filter((one) => one.how === 'not').length, accounts.length),
      },
      {
        name: 'whose machine takes only weak ones',
        value: share(accounts.filter((one) => one.strength?.verdict === 'weak').length, accounts.length),
      },
      { name: 'exempt, with an owner and an end', value: String(exempt.length) },
      { name: 'default, shared or trivial secrets found', value: String(findings.length) },
    ],
    tables: [
      table(
        'Secrets by age',
        'Each account: how its secret is changed, how strong one its machine takes can be, since when it is the same, and by when it should be another.',
        ['Account', 'Safe', 'Grade', 'How', 'Strength', 'Since', 'Age', 'Due', 'Overdue'],
        [...accounts]
          .sort((a, b) => (a.since ?? '').localeCompare(b.since ?? ''))
          .map((one) => [
            one.account,
            one.safe,
            one.grade,
            one.how,
            one.strength === null
              ? ''
              : `${one.strength.verdict}: ${one.strength.characters} characters, ${one.strength.bits} bits`,
            at(one.since),
            one.since === null ? '' : lasted(now - Date.parse(one.since)),
            at(one.dueAt),
            yesNo(one.isOverdue),
          ]),
      ),
      table(
        'Exemptions',
        'What nothing changes, who answers for it, why, and until when.',
        ['Account', 'Grade', 'Why', 'Owner', 'Until', 'Over'],
        exempt.map((one) => [
          one.account,
          one.grade,
          one.gradeReason,
          one.exemption?.owner ?? '',
          at(one.exemption?.until),
          yesNo(one.exemption?.isOver ?? false),
        ]),
      ),
      table(
        'Default, shared and trivial secrets',
        'What is bad about secrets that are kept; never which they are.',
        ['Kind', 'Accounts', 'What', 'What to do'],
        findings.map((one) => [one.kind, one.accounts.join(', '), one.text, one.next]),
      ),
    ],
  }
}

export async function offboardings(asking: Asking): Promise<Contents> {
  const rows = answered(await offboardingList(asking.call, {})).filter((one) => within(asking, one.at))
  const secrets = rows.flatMap((one) => one.secrets)
  const longest = Math.max(
    0,
    ...rows.flatMap((one) => one.sessions.map(({ endedAfterMs }) => endedAfterMs ?? 0)),
  )
  return {
    facts: [
      { name: 'people and companies taken off', value: String(rows.length) },
      { name: 'sessions that were cut, the last of them after', value: lasted(longest) },
      {
        name: 'secrets they knew, rotated since',
        value: share(secrets.filter(({ rotatedAt }) => rotatedAt !== null).length, secrets.length),
      },
    ],
    tables: [
      table(
        'Taken off',
        'Who was taken off, by whom, and what that ended at once.',
        [
          'At',
          'Who',
          'Why',
          'By',
          'People',
          'Logins',
          'Sessions',
          'Last cut after',
          'Grants',
          'Requests',
          'Leases',
          'Secrets due',
        ],
        rows.map((one) => [
          at(one.at),
          one.company ?? one.user ?? '',
          one.reason,
          one.by,
          one.people.join(', '),
          String(one.logins),
          String(one.sessions.length),
          one.sessions.length === 0
            ? ''
            : one.sessions.some(({ endedAfterMs }) => endedAfterMs === null)
              ? 'not yet'
              : lasted(Math.max(...one.sessions.map(({ endedAfterMs }) => endedAfterMs ?? 0))),
          String(one.grants.length),
          String(one.requests.length),
          String(one.leases.length),
          String(one.secrets.length),
        ]),
      ),
      table(
        'Secrets that they knew',
        'By when each had to be another one, and when it was.',
        ['Taken off', 'Who', 'Account', 'Version', 'Due', 'Rotated', 'After'],
        rows.flatMap((one) =>
          one.secrets.map((secret) => [
            at(one.at),
            secret.user,
            secret.account,
            String(secret.version),
            at(secret.dueAt),
            at(secret.rotatedAt),
            secret.rotatedAt === null ? '' : lasted(Date.parse(secret.rotatedAt) - Date.parse(one.at)),
          ]),
        ),
      ),
    ],
  }
}
