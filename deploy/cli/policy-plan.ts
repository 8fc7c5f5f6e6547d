import type { PolicyChange, PolicyPlan } from '../../vault/contract.ts'
import { count } from '../../vault/kernel/count.ts'
import { changedLines } from '../../vault/policy/difference.ts'
import type { PolicyDocument } from '../../vault/policy/document.ts'
import { visible } from './io.ts'

const signs = { added: '+', removed: '-', changed: '~' } as const

/** What a plan comes to, for people: the parts that change line by line, who gains and loses, what ends. */
export function planText(present: PolicyDocument, wanted: PolicyDocument, plan: PolicyPlan): string {
  if (plan.changes.length === 0) return 'the policy of this file is in force already\n'
  const changes = plan.changes.map(
    (change) =>
      `${signs[change.change]} ${change.what} ${visible(change.name)}\n${changeText(present, wanted, change)}`,
  )
  return `${changes.join('')}\n${pairsText('gain', plan.gains)}${pairsText('lose', plan.loses)}${sessionsText(plan.sessions)}${requestsText(plan.requests)}`
}

function changeText(present: PolicyDocument, wanted: PolicyDocument, change: PolicyChange): string {
  const lines = changedLines(present, wanted, change)
  if (typeof lines === 'string') return `    ${lines}\n`
  return lines.map(({ sign, text }) => `    ${sign} ${visible(text)}\n`).join('')
}

function pairsText(what: 'gain' | 'lose', { total, pairs }: PolicyPlan['gains']): string {
  if (total === 0) return `nobody ${what}s access by a rule\n`
  const shown = pairs.slice(0, 20).map(({ user, account }) => `    ${visible(user)}  ${visible(account)}\n`)
  const more = total > shown.length ? `    and ${total - shown.length} more\n` : ''
  return `access by a rule that people ${what}: ${total}\n${shown.join('')}${more}`
}

function sessionsText(sessions: PolicyPlan['sessions']): string {
  return (['ends', 'ends sooner', 'waits'] as const)
    .map((change) => {
      const touched = sessions.filter((session) => session.change === change)
      if (touched.length === 0) return ''
      const verb = touched.length === 1 ? change : change.replace(/^(end|wait)s/, '$1')
      const lines = touched
        .slice(0, 20)
        .map(({ user, account, why }) => `    ${visible(user)} on ${visible(account)}: ${visible(why)}\n`)
      const more = touched.length > lines.length ? `    and ${touched.length - lines.length} more\n` : ''
      return `${count(touched.length, 'session')} ${verb}:\n${lines.join('')}${more}`
    })
    .join('')
}

function requestsText(requests: PolicyPlan['requests']): string {
  if (requests.length === 0) return ''
  const lines = requests
    .slice(0, 20)
    .map(
      ({ request, user, account, why }) =>
        `    ${request}, ${visible(user)} for ${visible(account)}: ${visible(why)}\n`,
    )
  const more = requests.length > lines.length ? `    and ${requests.length - lines.length} more\n` : ''
  return `${count(requests.length, 'open request')} of which more would be wanted:\n${lines.join('')}${more}`
}
