import type { ForwardRule } from '../contract.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { parseAddress } from '../targets/address.ts'

/** What a grant gives to somebody who asks for nothing else: so many connections at a time to one destination. */
const defaultConnections = 8

export type GivenForward = {
  readonly host: string
  readonly port: number
  readonly record?: ForwardRule['record'] | undefined
  readonly connections?: number | undefined
  readonly megabytes?: number | undefined
}

/** A destination of forwarding in its one canonical spelling: `host:port`, an IPv6 address in brackets. */
export function canonicalDestination(host: string, port: number): Outcome<{ host: string; port: number }> {
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  const parsed = parseAddress(`ssh://${bracketed}:${port}`)
  if (parsed.ok) return done({ host: parsed.value.host, port: parsed.value.port })
  const why = parsed.refusal.message.replace(/^address: /, '')
  return refuse(
    'invalid',
    `forwards: ${JSON.stringify(host)}: ${why}`,
    'write host:port, an IPv6 address in brackets',
  )
}

/** The rules that a grant is given, spelled canonically; two for one destination are refused. */
export function canonicalForwards(given: readonly GivenForward[]): Outcome<readonly ForwardRule[]> {
  const rules: ForwardRule[] = []
  for (const { host, port, record, connections, megabytes } of given) {
    const destination = canonicalDestination(host, port)
    if (!destination.ok) return destination
    const rule: ForwardRule = {
      ...destination.value,
      record: record ?? 'counts',
      connections: connections ?? defaultConnections,
      megabytes: megabytes ?? null,
    }
    if (rules.some((other) => forwardName(other) === forwardName(rule)))
      return refuse('invalid', `forwards: ${forwardName(rule)} is named twice`, 'name each destination once')
    rules.push(rule)
  }
  return done(rules)
}

/** `host:port` of a destination. */
export function forwardName({ host, port }: Pick<ForwardRule, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** A rule as a guarded row keeps it: `host:port record connections megabytes`. */
export function encodeForward(rule: ForwardRule): string {
  return `${forwardName(rule)} ${rule.record} ${rule.connections} ${rule.megabytes ?? '-'}`
}

/** Reads what `encodeForward` wrote. Throws `TypeError`: the row's MAC has vouched for it. */
export function decodeForward(text: string): ForwardRule {
  const parts = /^(\[[^\]]+\]|[^:[\]]+):(\d+) (counts|stream) (\d+) (\d+|-)$/.exec(text)
  if (parts === null) throw new TypeError('a rule of forwarding is malformed')
  const [, host = '', port, record, connections, megabytes] = parts
  return {
    host: host.startsWith('[') ? host.slice(1, -1) : host,
    port: Number(port),
    record: record === 'stream' ? 'stream' : 'counts',
    connections: Number(connections),
    megabytes: megabytes === '-' ? null : Number(megabytes),
  }
}

/** The rules of a grant's row. */
export function forwardsOf(row: { readonly forwards: readonly string[] | null }): readonly ForwardRule[] {
  return (row.forwards ?? []).map(decodeForward)
}

/**
 * The rule that lets a destination be reached, as its user spelled it.
 *
 * SECURITY: spellings are compared, nothing is resolved: a name is granted as a name, and the target resolves it.
 */
export function findForward(
  rules: readonly ForwardRule[],
  host: string,
  port: number,
): ForwardRule | undefined {
  const asked = canonicalDestination(host, port)
  if (!asked.ok) return undefined
  return rules.find((rule) => rule.host === asked.value.host && rule.port === asked.value.port)
}
