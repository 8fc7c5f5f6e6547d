import { assert, asyncProperty, record, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { siemFormats } from '../../../vault/contract.ts'
import { httpsBody, severityOf, syslogMessage, type Told } from '../../../vault/siem/message.ts'

const from = { host: 'gateway.plant.example', version: '1.2.3' }
const told: Told = {
  seq: 7,
  after: 5,
  at: '2026-11-30T04:12:09.123Z',
  kind: 'session.opened',
  actor: 'user:olga',
  text: 'olga opened press-3/engineer',
  entry: {
    kind: 'session.opened',
    userName: 'olga',
    accountName: 'press-3/engineer',
    targetName: 'press-3',
    session: 'ses_1',
    source: '192.0.2.7',
  },
}

/** Parts of a message by the grammar of RFC 5424 §6, written down from there alone. */
function parse(message: string) {
  const found =
    /^<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) \[([!-~]+?)((?: [!-~]+?="(?:[^"\\\]]|\\["\\\]])*")*)\] (.*)$/su.exec(
      message,
    )
  if (found === null) throw new Error(`not of RFC 5424: ${message}`)
  const data = [...(found[8] ?? '').matchAll(/ ([!-~]+?)="((?:[^"\\\]]|\\["\\\]])*)"/gu)]
  return {
    priority: Number(found[1]),
    at: found[2],
    host: found[3],
    kind: found[6],
    data: Object.fromEntries(data.map(([, name, value]) => [name, value?.replace(/\\(["\\\]])/g, '$1')])),
    text: found[9] ?? '',
  }
}

/** Extension of CEF by its own rules: `key=value` with `\=` and `\\`. */
function parseCef(line: string) {
  const start =
    /^((?:\\.|[^|\\])*)\|((?:\\.|[^|\\])*)\|((?:\\.|[^|\\])*)\|((?:\\.|[^|\\])*)\|((?:\\.|[^|\\])*)\|((?:\\.|[^|\\])*)\|(\d+)\|/u.exec(
      line,
    )
  if (start === null) throw new Error(`not of CEF: ${line}`)
  const parts = start.slice(1)
  const extension = line.slice(start[0].length)
  const found = [...extension.matchAll(/(?:^| )([a-zA-Z0-9]+)=((?:\\.|[^=\\])*?)(?= [a-zA-Z0-9]+=|$)/gsu)]
  return {
    head: parts.map((part) => part.replace(/\\([\\|])/g, '$1')),
    extension: Object.fromEntries(found.map(([, name, value]) => [name, value?.replace(/\\([\\=])/g, '$1')])),
  }
}

test('an entry in each form', () => {
  expect(syslogMessage('rfc5424', told, from)).toBe(
    '<110>1 2026-11-30T04:12:09.123Z gateway.plant.example tagout - session.opened [tagout@32473 seq="7" after="5" actor="user:olga" user="olga" account="press-3/engineer" target="press-3" session="ses_1" source="192.0.2.7"] olga opened press-3/engineer',
  )
  const cef = parseCef(parse(syslogMessage('cef', told, from)).text)
  expect(cef.head).toEqual([
    ...['CEF:0', 'Tagout', 'Tagout', '1.2.3'],
    ...['session.opened', 'olga opened press-3/engineer', '2'],
  ])
  expect(cef.extension).toMatchObject({
    rt: String(Date.parse(told.at)),
    externalId: '7',
    suser: 'user:olga',
    duser: 'olga',
    dhost: 'press-3',
    cs1: 'press-3/engineer',
    cs1Label: 'account',
    cn1: '5',
  })
  const [event] = JSON.parse(httpsBody('ocsf', [told], from)) as readonly Record<string, unknown>[]
  expect(event).toMatchObject({
    class_uid: 3002,
    category_uid: 3,
    activity_id: 1,
    type_uid: 300_201,
    severity_id: 1,
    status_id: 1,
    time: Date.parse(told.at),
    user: { name: 'olga' },
    dst_endpoint: { hostname: 'press-3' },
    metadata: { version: '1.3.0', uid: '7', sequence: 7, event_code: 'session.opened' },
    unmapped: { after: 5, entry: told.entry },
  })
  expect(JSON.parse(httpsBody('json', [told, { ...told, after: null }], from))).toEqual([
    told,
    { ...told, after: null },
  ])
})

describe('whatever somebody is called, and whatever they say', () => {
  const strange = string({ unit: 'binary', maxLength: 60 })
  test.each(siemFormats)('%s: one message, and each field where it belongs', async (format) => {
    const worst = [
      '"] <13>1 - - - - - - x',
      'a\n<13>1 x',
      'x|y\\|z',
      'a=b cs1=c',
      '\u202egnp.exe',
      '\\',
      '\0\ud800',
    ]
    const all = record({ name: strange, account: strange, text: strange })
    const check = async ({ name, account, text }: { name: string; account: string; text: string }) => {
      const entry = { kind: 'x', userName: name, accountName: account, userAgent: text }
      const one: Told = { ...told, text, actor: `user:${name}`, entry, kind: `x.${name}` }
      const message = syslogMessage(format, one, from)
      expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
      const { data, kind, text: said } = parse(message)
      expect(data).toMatchObject({ seq: '7', after: '5' })
      expect(kind).toMatch(/^[!-~]{1,32}$/)
      // Nobody has given it a field that it did not have.
      expect(Object.keys(data).toSorted()).toEqual(
        ['seq', 'after', 'actor', name === '' ? '' : 'user', account === '' ? '' : 'account']
          .concat(account.split('/', 1)[0] === '' ? [] : ['target'])
          .filter((key) => key !== '' && data[key] !== undefined)
          .toSorted(),
      )
      if (format === 'cef') {
        const { head, extension } = parseCef(said)
        expect(head).toHaveLength(7)
        expect(extension['externalId']).toBe('7')
        expect(extension['cn1']).toBe('5')
      }
      if (format === 'ocsf' || format === 'json') {
        const [parsed] = JSON.parse(httpsBody(format, [one], from)) as readonly unknown[]
        expect(parsed).toMatchObject(format === 'json' ? { seq: 7, text } : { class_uid: 0 })
      }
    }
    for (const name of worst) for (const text of worst) await check({ name, account: name, text })
    await assert(asyncProperty(all, check), { numRuns: 300 })
  })
})

test('what somebody should see today is a warning at least, and what they should be woken for is critical', () => {
  const of = (kind: string) => severityOf({ kind })
  for (const kind of ['breakglass.opened', 'kit.opened', 'vault.fault', 'vault.rollback-accepted'])
    expect([kind, of(kind)]).toEqual([kind, 2])
  for (const kind of [
    'login.refused',
    'session.refused',
    'token.refused',
    'vault.unseal-refused',
    'siem.removed',
  ])
    expect([kind, of(kind)]).toEqual([kind, 4])
  expect(of('account.revealed')).toBe(5)
  expect(of('session.ended')).toBe(6)
})
