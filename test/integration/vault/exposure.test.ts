import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exposureCsv } from '../../../vault/kernel/exposure-csv.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { until } from '../../support/vault-ssh.ts'

let vault: TestVault
let api: VaultClient
let superuser: pg.Client
let ann: TestPerson
let mo: TestPerson
const account = 'press-3/engineer'
const day = 24 * 3600_000

beforeAll(async () => {
  const start = new Date()
  vault = await startTestVault({ clock: () => start })
  api = await vault.connect('api')
  await vault.account()
  await vault.person('sue', ['admin'])
  ann = await vault.person('ann', ['operator'])
  mo = await vault.person('mo', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'ann', permissions: ['reveal'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mo', permissions: ['manage'] })
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const reveals = async (reason: string) =>
  must(
    await api.call(
      'account.reveal',
      { account, boxKey: Buffer.alloc(32, 9).toString('base64'), totpCode: ann.code(), reason },
      ann.token,
    ),
  )
const first = async () => {
  const [row] = await vault.ask('exposure.list', {})
  if (row === undefined) throw new Error('somebody has seen a secret')
  return row
}
const inDays = (days: number) => new Date(vault.now().getTime() + days * day).toISOString()

test('its date is set sooner by who manages the account, later with a reason alone, and that is audited', async () => {
  await reveals('panel has no network')
  const seen = await first()
  const sets = (dueAt: string, reason?: string, by = mo) =>
    api.call(
      'exposure.due',
      { exposure: seen.id, dueAt, ...(reason === undefined ? {} : { reason }) },
      by.token,
    )
  expect(must(await sets(inDays(2)))).toMatchObject({
    rotationDueAt: inDays(2),
    dueSet: { by: 'mo', reason: '' },
  })
  expect(refusalOf(await sets(inDays(20))).message).toMatch(/^reason: say why it is rotated later/)
  expect(refusalOf(await sets(inDays(400), 'never')).message).toMatch(
    /^dueAt: a rotation is put off for a year/,
  )
  must(await sets(inDays(20), 'the line stops then'))
  expect(refusalOf(await sets(inDays(1), 'mine', ann)).code).toBe('forbidden')
  const [leaf] = await vault.ask('audit.list', { kind: 'exposure.due-set', limit: 1 })
  expect(leaf?.text).toContain('mo set the rotation of version 1 of press-3/engineer, which ann has seen, to')
  expect(leaf?.text).toContain('the line stops then')
  // SECURITY: a date that the database puts off is no date.
  await superuser.query(`update exposure_due set due_at = due_at + interval '1 year'`)
  await expect(vault.ask('exposure.list', {})).rejects.toThrow()
  await superuser.query(`update exposure_due set due_at = due_at - interval '1 year'`)
  expect((await first()).rotationDueAt).toBe(inDays(20))
})

test('an entry is due within 30 days, or those of its safe, until another version takes its place', async () => {
  await reveals('=HYPERLINK("http://x")')
  const seen = await first()
  expect(seen).toMatchObject({
    user: 'ann',
    company: null,
    safe: 'line-3',
    cause: 'reveal',
    isOverdue: false,
  })
  expect(Date.parse(seen.rotationDueAt ?? '') - Date.parse(seen.at)).toBe(30 * day)
  expect((await vault.ask('safe.exposure', { safe: 'line-3', days: 7 })).exposureDays).toBe(7)
  expect(Date.parse((await first()).rotationDueAt ?? '') - Date.parse(seen.at)).toBe(7 * day)
  // Whoever has everything rotated later says why, as for one entry.
  const more = { safe: 'line-3', days: 8 }
  expect(refusalOf(await vault.admin.call('safe.exposure', more)).message).toMatch(/^reason: say why/)
  must(await vault.admin.call('safe.exposure', { ...more, reason: 'the yearly stop' }))
  const [leaf] = await vault.ask('audit.list', { kind: 'safe.exposure-set', limit: 1 })
  expect(leaf?.text).toContain('within 8 days (before: 7)')
  expect(leaf?.text).toContain('the yearly stop')
  await vault.ask('safe.exposure', { safe: 'line-3', days: 7 })
  vault.advance(7 * day)
  expect((await first()).isOverdue).toBe(true)
  // Each look at it that is overdue is marked, once.
  const marked = await until(async () => {
    const { marks } = await vault.ask('risk.list', { rule: 'reveal-unrotated' })
    return marks.length === 0 ? undefined : marks
  })
  expect(marked).toMatchObject([{ user: 'ann', account, exposure: seen.id, session: null, recording: null }])
  expect(marked[0]?.facts[1]).toEqual({ name: 'because', value: '=HYPERLINK("http://x")' })
  for (const [which, found] of [
    [{ user: 'ann' }, 2],
    [{ user: 'mo' }, 0],
    [{ account }, 2],
  ] as const)
    expect(await vault.ask('exposure.list', which)).toHaveLength(found)
  expect(refusalOf(await vault.admin.call('exposure.list', { company: 'acme' })).code).toBe('not_found')
  // What somebody gave as their reason is text to a spreadsheet, whatever it begins with.
  expect(exposureCsv(await vault.ask('exposure.list', {}))).toContain(`"'=HYPERLINK(""http://x"")"`)
  await vault.ask('account.secret', { account, credential: await vault.sealPassword(account, 'An0ther-one') })
  expect(await first()).toMatchObject({
    rotationDueAt: null,
    isOverdue: false,
    rotatedAt: vault.now().toISOString(),
  })
  expect(
    refusalOf(await vault.admin.call('exposure.due', { exposure: seen.id, dueAt: inDays(1) })).message,
  ).toMatch(/another one already/)
})

const written = async () =>
  (await vault.ask('notification.status', {})).latest
    .filter(({ kind }) => kind === 'company.contract-ends')
    .map(({ user, text }) => `${user}: ${text}`)
    .sort()

test('sponsor and administrators are told of a contract’s end 30, 7 and 1 days before and at it, once', async () => {
  for (const user of ['sue', 'mo']) await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  const company = await vault.ask('company.add', {
    name: 'acme',
    contractEndsAt: inDays(40),
    sponsor: 'mo',
    mailDomains: ['acme.com'],
    terms: 'Behave.',
  })
  const told = async (days: number) => {
    const kind = 'company.contract-notice'
    await until(async () =>
      (await vault.ask('audit.list', { kind, limit: 100 })).length === days ? true : undefined,
    )
  }
  vault.advance(10 * day + 1)
  await told(1)
  expect(await written()).toEqual([
    'mo: the contract of acme ends in 30 days or less',
    'sue: the contract of acme ends in 30 days or less',
  ])
  // A vault that starts again tells nobody a second time, and one that was away tells the nearest alone.
  await vault.restart()
  api = await vault.connect('api')
  vault.advance(29 * day)
  await told(2)
  expect((await written()).filter((line) => line.startsWith('mo'))).toEqual([
    'mo: the contract of acme ends in 30 days or less',
    'mo: the contract of acme ends within a day',
  ])
  vault.advance(day)
  await told(3)
  expect((await written()).at(-1)).toBe('sue: the contract of acme has ended')
  // Renewed, it is told anew.
  await vault.ask('company.change', { company: company.name, contractEndsAt: inDays(5) })
  vault.advance(61_000)
  await told(4)
  expect((await written()).filter((line) => line.includes('7 days'))).toHaveLength(2)
})

test('the texts of terms are kept, each with who accepted it', async () => {
  await vault.ask('company.change', { company: 'acme', contractEndsAt: inDays(90) })
  const { enrolment } = await vault.ask('company.invite', {
    company: 'acme',
    name: 'vera',
    mail: 'vera@acme.com',
  })
  const [before] = await vault.ask('company.terms', { company: 'acme' })
  expect(before).toMatchObject({ text: 'Behave.', isPresent: true, acceptances: [] })
  await vault.enrol(enrolment.token, undefined, before?.digest)
  await vault.ask('company.change', { company: 'acme', terms: 'Behave well.' })
  const texts = await vault.ask('company.terms', { company: 'acme' })
  expect(
    texts.map(({ text, isPresent, acceptances }) => [text, isPresent, acceptances.map(({ user }) => user)]),
  ).toEqual([
    ['Behave well.', true, []],
    ['Behave.', false, ['vera']],
  ])
  await superuser.query(`update terms_text set body = 'Do as you like.' where body = 'Behave.'`)
  await expect(vault.ask('company.terms', { company: 'acme' })).rejects.toThrow()
  await superuser.query(`update terms_text set body = 'Behave.' where body = 'Do as you like.'`)
})
