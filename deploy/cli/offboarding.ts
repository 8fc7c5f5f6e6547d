import { setTimeout as wait } from 'node:timers/promises'
import type { OffboardingView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { table, when } from './io.ts'
import { facts, type Vault } from './tools.ts'

/** Milliseconds for which a command waits for sessions that were cut to have ended, and between two looks. */
const waitsFor = 10_000
const looksEvery = 200

/** Looks at a report again until the sessions that were cut have ended, or for `waitsFor`. */
export async function untilEnded(vault: Vault, first: OffboardingView): Promise<OffboardingView> {
  const until = Date.now() + waitsFor
  let report = first
  while (report.sessions.some(({ endedAt }) => endedAt === null) && Date.now() < until) {
    await wait(looksEvery)
    report = await vault.ask('offboarding.show', { offboarding: report.id })
  }
  return report
}

/** Whom a report is about. */
export function offName(report: OffboardingView): string {
  return report.company === null ? `user ${report.user ?? ''}` : `company ${report.company}`
}

/** A report for people. */
export function reportText(report: OffboardingView): string {
  const { sessions, secrets } = report
  const slowest = Math.max(0, ...sessions.map(({ endedAfterMs }) => endedAfterMs ?? 0))
  const running = sessions.filter(({ endedAt }) => endedAt === null).length
  const parts = [
    facts([
      ['report', report.id],
      ['taken off', offName(report)],
      ['at', when(report.at)],
      ['by', whoText(report.by)],
      ['reason', report.reason],
      ['people', report.people.join(', ') || '-'],
      ['logins', `${report.logins} ended`],
      [
        'sessions',
        sessions.length === 0
          ? 'none was running'
          : running > 0
            ? `${sessions.length}, of which ${running} not ended yet: look again with tagout vendor report ${report.id}`
            : `${sessions.length} ended, the last after ${(slowest / 1000).toFixed(1)} s`,
      ],
      ['grants', `${report.grants.length} void`],
      ['requests', `${report.requests.length} withdrawn`],
      ['leases', `${report.leases.length} ended`],
      [
        'secrets',
        secrets.length === 0
          ? 'none that they have seen is in use'
          : `${secrets.filter(({ rotatedAt }) => rotatedAt === null).length} to rotate`,
      ],
    ]),
  ]
  if (sessions.length > 0)
    parts.push(
      table(
        ['SESSION', 'USER', 'ACCOUNT', 'ENDED AFTER'],
        sessions.map((row) => [
          row.session,
          row.user,
          row.account,
          row.endedAfterMs === null ? '-' : `${(row.endedAfterMs / 1000).toFixed(1)} s`,
        ]),
      ),
    )
  if (secrets.length > 0)
    parts.push(
      table(
        ['SECRET OF', 'VERSION', 'SEEN BY', 'ROTATE BY', 'ROTATED'],
        secrets.map((row) => [
          row.account,
          String(row.version),
          row.user,
          when(row.dueAt),
          when(row.rotatedAt),
        ]),
      ),
    )
  return parts.join('\n')
}
