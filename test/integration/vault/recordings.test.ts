import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { drawReport } from '../../../deploy/cli/report-draw.ts'
import { readZip, writeZip } from '../../../recorder/evidence/index.ts'
import { verifyReportFile } from '../../../recorder/evidence/report.ts'
import { addAuditor, makeIdentity, verifyChain } from '../../../vault/auditors/index.ts'
import { sodium } from '../../../vault/crypto/sodium.ts'
import { type ReportDocument, reportNames, type VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { RecordingId, SessionId } from '../../../vault/kernel/id.ts'
import { tagout as runTagout } from '../../support/cli.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove, until } from '../../support/vault-ssh.ts'

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let superuser: pg.Client
let ingrid: TestPerson
let otto: TestPerson
let paul: TestPerson
let bob: TestPerson
let dora: TestPerson
let now = Date.parse('2026-03-02T08:00:00Z')
const minute = 60_000
const folder = mkdtempSync(join(tmpdir(), 'tagout-reports-'))
const recordings: RecordingId[] = []
const sessions: SessionId[] = []
const startedAt: number[] = []

const asks = (who: TestPerson, asked: VerbInput<'recording.find'> = {}) =>
  api.call('recording.find', asked, who.token)
const finds = async (asked: VerbInput<'recording.find'>, who = ingrid) =>
  must(await asks(who, asked)).recordings.map(({ id }) => recordings.indexOf(id))
const reviews = (who: TestPerson, recording: RecordingId | undefined, note = 'nothing out of the way') =>
  api.call(
    'recording.review',
    { recording: recording ?? 'rec_none', note } as VerbInput<'recording.review'>,
    who.token,
  )

/** A session of ten minutes, an hour after the one before. */
async function works(target: string, key: ReturnType<typeof makeSshKey>): Promise<void> {
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob'), target })
  now += 10 * minute
  await endSession(recorder, permit.session, target === 'press-3' ? 'closed by the user' : 'time is up')
  recordings.push(permit.recording)
  startedAt.push(Date.parse(permit.startedAt))
  sessions.push(permit.session)
  now += 50 * minute
}

/** Another auditor, put on the list by the first. */
async function secondAuditor(): Promise<TestPerson> {
  const present = must(await verifyChain(sodium, await vault.ask('auditor.lists', {})))
  if (vault.auditor === undefined) throw new Error('there is an auditor')
  const link = must(await addAuditor(sodium, vault.auditor, present, makeIdentity(sodium, 'otto'), vault.now))
  const input = { body: link.body, signature: link.signature, newAuditorUser: 'otto' }
  const { enrolment } = await vault.ask('auditor.append', input)
  return vault.enrol(enrolment?.token ?? '')
}

beforeAll(async () => {
  vault = await startTestVault({ clock: () => new Date(now), loginIdleSeconds: 12 * 3600 })
  recorder = await vault.worker()
  api = await vault.connect('api')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
  await vault.account()
  await vault.account({ target: 'plc-7' })
  await vault.ask('target.change', { target: 'plc-7', zone: 'line-7' })
  await vault.ask('safe.closeOut', { safe: 'line-3', closeOut: 'asked' })
  bob = await vault.person('bob', ['operator'])
  paul = await vault.person('paul', ['approver'])
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'paul', permissions: ['approve'] })
  await vault.grant('bob', 'press-3/engineer', { forSeconds: 12 * 3600 })
  const request = must(
    await api.call(
      'request.add',
      {
        account: 'plc-7/engineer',
        actions: ['shell'],
        forSeconds: 12 * 3600,
        reason: 'x',
        workOrder: 'WO-4711',
      },
      bob.token,
    ),
  )
  must(
    await api.call(
      'request.decide',
      { request: request.id, verdict: 'approve', digest: request.digest, totpCode: paul.code() },
      paul.token,
    ),
  )
  for (const target of ['press-3', 'plc-7', 'plc-7']) await works(target, key)
  ingrid = await vault.enrol((await vault.ask('user.enrol', { user: 'ingrid' })).token)
  otto = await secondAuditor()
  dora = await vault.person('dora', ['operator'])
}, 120_000)
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

test('recordings are found by machine, person, account, zone, who let in, order, time, end and state', async () => {
  expect(await finds({})).toEqual([2, 1, 0])
  expect(await finds({ target: 'PLC-7' })).toEqual([2, 1])
  expect(await finds({ target: 'plc' })).toEqual([])
  expect(await finds({ zone: 'line-7', person: 'bob' })).toEqual([2, 1])
  expect(await finds({ person: 'dora' })).toEqual([])
  expect(await finds({ account: 'press-3/engineer' })).toEqual([0])
  expect(await finds({ safe: 'line-3' })).toEqual([2, 1, 0])
  expect(await finds({ approver: 'Paul' })).toEqual([2, 1])
  expect(await finds({ workOrder: 'wo-4711' })).toEqual([2, 1])
  expect(await finds({ endReason: 'time is up', state: 'complete' })).toEqual([2, 1])
  expect(await finds({ state: 'tampered' })).toEqual([])
  expect(await finds({ session: sessions[1] ?? 'ses_none' } as never)).toEqual([1])
  // A session that reaches into the time is in it.
  expect(
    await finds({
      since: new Date((startedAt[1] ?? 0) + 5 * minute).toISOString(),
      until: new Date(startedAt[2] ?? 0).toISOString(),
    }),
  ).toEqual([1])
  expect(must(await asks(ingrid, { target: 'plc-7', limit: 1 })).recordings).toMatchObject([
    {
      zone: 'line-7',
      safe: 'line-3',
      company: null,
      letInBy: ['paul'],
      workOrders: ['WO-4711'],
      reviews: [],
    },
  ])
})

test('an order that the close-out names is found too', async () => {
  const [session] = sessions
  const said = { session, result: 'done', done: 'greased it', workOrder: 'WO-9' } as const
  must(await api.call('closeout.fill', said as VerbInput<'closeout.fill'>, bob.token))
  expect(await finds({ workOrder: 'WO-9' })).toEqual([0])
})

test('pages go on where the one before ended', async () => {
  const first = must(await asks(ingrid, { limit: 2 }))
  expect(first.recordings).toHaveLength(2)
  const rest = must(await asks(ingrid, { limit: 2, after: first.next ?? '' }))
  expect([rest.recordings.map(({ id }) => id), rest.next]).toEqual([[recordings[0]], null])
})

test('auditors review a recording, each once and nobody their own, and what is left to review is found', async () => {
  const [, first, second] = recordings
  expect(await finds({ reviewed: 'no' })).toEqual([2, 1, 0])
  const reviewed = must(await reviews(ingrid, first, 'reset the limit, as the order says'))
  expect(reviewed.reviews).toMatchObject([{ by: 'ingrid', note: 'reset the limit, as the order says' }])
  expect(refusalOf(await reviews(ingrid, first)).message).toBe('you have reviewed this recording already')
  must(await reviews(otto, first, 'agreed'))
  expect(await finds({ reviewed: 'no' })).toEqual([2, 0])
  expect(await finds({ reviewed: 'yes' })).toEqual([1])
  expect(await finds({ reviewed: 'mine' }, otto)).toEqual([1])
  expect(await finds({ reviewer: 'otto' })).toEqual([1])
  for (const who of [bob, dora]) expect(refusalOf(await reviews(who, second)).code).toBe('forbidden')
  const kinds = await vault.ask('audit.find', { kinds: 'recording.reviewed', limit: 5 })
  expect(kinds.entries[1]).toMatchObject({ who: 'ingrid', text: expect.stringContaining('reset the limit') })
  expect(
    must(await api.call('recording.show', { recording: first ?? 'rec_' } as never, ingrid.token)),
  ).toMatchObject({
    reviews: [{ by: 'ingrid' }, { by: 'otto' }],
  })
})

test('who sees only their own is told nothing of reviews, and finds nothing by them', async () => {
  expect(await finds({}, bob)).toEqual([2, 1, 0])
  expect(await finds({}, dora)).toEqual([])
  expect(must(await asks(bob)).recordings.flatMap((one) => one.reviews)).toEqual([])
  for (const asked of [{ reviewed: 'yes' }, { reviewed: 'no' }, { reviewer: 'ingrid' }] as const)
    expect(await finds(asked, bob)).toEqual([])
})

test('a session that goes on is not reviewed', async () => {
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  const refusal = refusalOf(await reviews(otto, permit.recording))
  expect(refusal.message).toBe('this session is still going on')
  await endSession(recorder, permit.session)
})

test('filters are kept for whoever saved them, renamed and deleted', async () => {
  const call = (verb: 'filter.save' | 'filter.rename' | 'filter.remove', input: object, who = ingrid) =>
    api.call(verb, input as never, who.token)
  const names = async (who = ingrid) =>
    must(await api.call('filter.list', {}, who.token)).map(({ name }) => name)
  must(await call('filter.save', { name: 'PLC 7 in March', asked: { target: 'plc-7' } }))
  must(await call('filter.save', { name: 'to review', asked: { reviewed: 'no' } }))
  expect(await names(otto)).toEqual([])
  expect(refusalOf(await call('filter.rename', { name: 'to review', to: 'PLC 7 in March' })).code).toBe(
    'conflict',
  )
  must(await call('filter.rename', { name: 'to review', to: 'open' }))
  expect(await names()).toEqual(['PLC 7 in March', 'open'])
  expect(refusalOf(await call('filter.remove', { name: 'open' }, otto)).code).toBe('not_found')
  must(await call('filter.remove', { name: 'open' }))
  expect(must(await api.call('filter.list', {}, ingrid.token))).toMatchObject([
    { asked: { target: 'plc-7' } },
  ])
})

test('the command line finds the same: a table, an array, a file for spreadsheets', async () => {
  const tagout = (...args: string[]) => runTagout(args, { env: { TAGOUT_DATA: vault.dataDir } })
  const found = JSON.parse((await tagout('recording', 'find', '--target', 'plc-7', '--json')).out)
  expect(found.map(({ id }: { id: RecordingId }) => recordings.indexOf(id))).toEqual([2, 1])
  expect((await tagout('recording', 'find', '--approver', 'paul')).out).toMatch(
    /^ID\s+USER\s+OF\s+ACCOUNT\s+/,
  )
  const csv = (await tagout('recording', 'find', '--work-order', 'WO-4711', '--csv')).out
  expect(csv).toMatch(/^\ufeff"recording","session","user"/)
  expect(csv.trimEnd().split('\n')).toHaveLength(3)
  const cut = await tagout('recording', 'find', '--limit', '1')
  expect(cut.err).toContain('these are the newest 1; older ones with a larger --limit, or --all')
  expect((await tagout('recording', 'find', '--target', 'plc-8')).err).toContain('no recording is like this')
  expect((await tagout('recording', 'find', '--end', 'nonsense')).err).toContain('--end')
})

const marksOf = async (asked: VerbInput<'risk.list'> = {}, who = ingrid) =>
  must(await api.call('risk.list', asked, who.token)).marks

test('what is out of the ordinary is marked by itself, with why and the facts, and found by it', async () => {
  const first = await until(async () => {
    const found = await marksOf({ state: 'all', rule: 'first-time' })
    return found.length === 2 ? found.toSorted((one, other) => one.why.localeCompare(other.why)) : undefined
  })
  expect(first.map(({ why }) => why)).toEqual([
    'bob was never on plc-7 before',
    'bob was never on press-3 before',
  ])
  expect(first[1]).toMatchObject({
    recording: recordings[0],
    facts: [{ name: expect.stringContaining('earlier sessions'), value: '0' }, { value: 'press-3' }],
    review: null,
  })
  expect(await finds({ risk: 'first-time' })).toEqual([1, 0])
  expect(await finds({ risk: 'any', target: 'plc-7' })).toEqual([1])
  expect(await finds({ risk: 'off-hours' })).toEqual([])
  // Of no session that ended as it should, and of none twice.
  expect((await marksOf({ state: 'all' })).map(({ rule }) => rule)).toEqual(['first-time', 'first-time'])
})

test('what was refused in a session, a gap in its recording and a night are marked when it has ended', async () => {
  const early = { zone: 'UTC', from: '05:00', until: '06:00', hoursOf: 'everybody' } as const
  await vault.ask('risk.set', { ...early, reason: 'the line runs alone' })
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const permit = await connectSession(recorder, {
    proof: await prove(recorder, key, 'bob'),
    target: 'press-3',
  })
  const session = { session: permit.session }
  const event = { ...session, event: 'forwarding refused', detail: '10.0.0.9:22' } as const
  must(await recorder.call('session.event', event))
  must(await recorder.call('session.event', { ...session, event: 'time warning', detail: '15' }))
  const end = { reason: 'recording failed', recording: { state: 'incomplete', sizeBytes: 10 } } as const
  must(await recorder.call('session.end', { ...session, ...end }))
  const found = await until(async () => {
    const marks = await marksOf({ session: permit.session })
    return marks.length === 3 ? marks : undefined
  })
  expect(Object.fromEntries(found.map(({ rule, facts }) => [rule, facts]))).toEqual({
    'off-hours': [
      { name: 'began', value: expect.stringMatching(/^Mon 2026-03-02 1\d:\d\d \(UTC\)$/) },
      { name: 'ordinary hours', value: 'mon, tue, wed, thu, fri 05:00 to 06:00 (UTC)' },
    ],
    'refused-act': [{ name: 'refused', value: 'forwarding refused: 10.0.0.9:22' }],
    'recording-gap': [
      { name: 'state of the recording', value: 'incomplete' },
      { name: 'the session ended', value: 'recording failed' },
    ],
  })
  const { entries } = await vault.ask('audit.find', {
    session: permit.session,
    kinds: 'risk.marked',
    limit: 9,
  })
  expect(entries).toHaveLength(3)
  expect(entries[0]?.text).toContain(`marked session ${permit.session} of press-3/engineer, bob`)
})

test('marks are signed for once, by somebody else than whose session it is, and stay', async () => {
  const [mark] = await marksOf({ rule: 'refused-act' })
  if (mark === undefined) throw new Error('it is marked')
  const signs = (who: TestPerson, note = 'he tried the old jump host') =>
    api.call('risk.review', { mark: mark.id, finding: 'explained', note }, who.token)
  for (const who of [bob, dora]) expect(refusalOf(await signs(who)).code).toBe('forbidden')
  // An auditor who is said to be bob by another user is bob.
  await vault.ask('user.samePerson', { user: 'otto', as: 'bob' })
  expect(refusalOf(await signs(otto))).toMatchObject({ code: 'forbidden' })
  expect(must(await signs(ingrid))).toMatchObject({
    review: { by: 'ingrid', finding: 'explained', note: 'he tried the old jump host' },
  })
  expect(refusalOf(await signs(ingrid)).message).toBe('this mark was reviewed by ingrid already')
  expect((await marksOf()).map(({ id }) => id)).not.toContain(mark.id)
  expect(await finds({ risk: 'refused-act' })).toHaveLength(1)
})

test('who sees only their own is told nothing of marks, and finds nothing by them', async () => {
  expect(refusalOf(await api.call('risk.list', {}, bob.token)).code).toBe('forbidden')
  expect(must(await asks(bob)).recordings.flatMap(({ marks }) => marks)).toEqual([])
  expect(must(await asks(ingrid)).recordings.some(({ marks }) => marks.length > 0)).toBe(true)
  for (const risk of ['any', 'open', 'first-time'] as const) expect(await finds({ risk }, bob)).toEqual([])
})

test('the command line has the queue, one mark with its facts, and the rules', async () => {
  const tagout = (...args: string[]) => runTagout(args, { env: { TAGOUT_DATA: vault.dataDir } })
  expect((await tagout('review', 'list')).out).toMatch(/^ID\s+RULE\s+AT\s+USER\s+ACCOUNT\s+WHY\s+FOUND/)
  const all = JSON.parse((await tagout('review', 'list', '--all', '--rule', 'refused-act', '--json')).out)
  const shown = (await tagout('review', 'show', all[0].id)).out
  expect(shown).toContain('refused: forwarding refused: 10.0.0.9:22')
  expect(shown).toContain('he tried the old jump host')
  expect((await tagout('review', 'rules')).out).toContain('05:00 to 06:00 (UTC), for everybody')
  const set = await tagout('review', 'set', '--off', 'volume-spike', '--dormant-days', '30', '--reason', 'x')
  expect(set.out).toContain('after 30 days without a session')
  expect((await tagout('review', 'set', '--reason', 'x')).err).toContain('say what to change')
  expect((await tagout('review', 'set', '--zone', 'Mars/Base', '--reason', 'x')).err).toContain('--zone')
})

test('people say who still needs what: who was asked, once, never of their own, and it is signed off', async () => {
  const tagout = (...args: string[]) => runTagout(args, { env: { TAGOUT_DATA: vault.dataDir } })
  const boss = await vault.person('boss', ['admin'])
  const dueAt = new Date(now + 14 * 24 * 60 * minute).toISOString()
  const { id: campaign } = await vault.ask('campaign.start', { name: 'Q1', dueAt })
  const shows = async (who: TestPerson) => api.call('campaign.show', { campaign }, who.token)
  const { list } = must(await shows(ingrid))
  expect(list.map(({ user, safe, reviewer }) => [user, safe, reviewer])).toContainEqual([
    'bob',
    'line-3',
    'paul',
  ])
  const asked = must(await shows(paul)).list
  expect(asked.every(({ reviewer }) => reviewer === 'paul')).toBe(true)
  const own = list.filter(({ user }) => user === 'paul')
  expect(own.every(({ reviewer }) => reviewer !== 'paul')).toBe(true)
  expect(refusalOf(await shows(dora)).code).toBe('not_found')
  expect(must(await api.call('campaign.list', {}, dora.token))).toEqual([])

  const says = (who: TestPerson, item: string, decision: 'keep' | 'revoke') =>
    api.call(
      'campaign.decide',
      { item, decision, reason: 'the line is done' } as VerbInput<'campaign.decide'>,
      who.token,
    )
  const grant = asked.find((item) => item.grant !== null && item.user === 'bob')
  if (grant === undefined) throw new Error('bob has a grant')
  for (const who of [bob, dora, ingrid])
    expect(refusalOf(await says(who, grant.id, 'keep')).code).toBe('not_found')
  // An administrator who is the same person as bob decides nothing of his.
  await vault.ask('user.samePerson', { user: 'boss', as: 'bob' })
  expect(refusalOf(await says(boss, grant.id, 'keep')).code).toBe('forbidden')
  expect(must(await says(paul, grant.id, 'revoke'))).toMatchObject({
    decision: 'revoke',
    decidedBy: 'paul',
    holds: true,
  })

  const closes = () => api.call('campaign.close', { campaign, note: 'one taken' }, ingrid.token)
  expect(refusalOf(await closes()).message).toContain('are not decided, and there is time until')
  for (const item of asked.filter(({ id }) => id !== grant.id)) must(await says(paul, item.id, 'keep'))
  for (const item of own) must(await says(boss, item.id, 'keep'))
  expect(must(await shows(ingrid)).toCarryOut).toBe(1)
  expect((await tagout('campaign', 'show', campaign)).err).toContain(`tagout grant revoke ${grant.grant}`)
  // Carried out by the usual verb, by who may.
  must(
    await api.call('grant.revoke', { grant: grant.grant ?? 'grt_' } as VerbInput<'grant.revoke'>, paul.token),
  )
  expect(must(await shows(ingrid))).toMatchObject({ toCarryOut: 0 })
  const others = must(await shows(ingrid)).list.filter(({ decision }) => decision === null)
  for (const item of others) must(await says(boss, item.id, 'keep'))
  expect(must(await closes())).toMatchObject({ signedOff: { by: 'ingrid', note: 'one taken' } })
  expect(refusalOf(await says(paul, grant.id, 'keep')).message).toBe('this access review is signed off')
  const { entries } = await vault.ask('audit.find', { kinds: 'campaign', limit: 100 })
  expect(entries[0]?.text).toContain('signed off the access review "Q1"')
  expect(entries.at(-1)?.text).toContain('began the access review')
}, 60_000)

test('the dashboard counts what is there, day by day, and says who is inside', async () => {
  const { token } = ingrid
  const shown = must(await api.call('dashboard.show', { days: 7 }, token))
  expect(shown.days.map(({ day }) => day)).toEqual(
    Array.from({ length: 7 }, (_, after) =>
      new Date(now - (6 - after) * 24 * 60 * minute).toISOString().slice(0, 10),
    ),
  )
  const today = shown.days.at(-1)
  expect(today).toMatchObject({ vendors: 0, broken: 1, reviewed: 1 })
  expect([today?.own, today?.whole]).toEqual([
    (today?.whole ?? 0) + 1,
    (await finds({ state: 'complete' })).length,
  ])
  expect(shown.machines).toMatchObject([{ machine: expect.any(String), people: 1 }, { people: 1 }])
  expect(shown.machines.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(today?.own)
  expect(shown.people).toMatchObject([{ user: 'bob', company: null, sessions: today?.own, machines: 2 }])
  expect(shown.marks.find(({ rule }) => rule === 'refused-act')).toMatchObject({ open: 0, signed: 1 })
  expect(shown.marks.find(({ rule }) => rule === 'first-time')).toMatchObject({ open: 2, signed: 0 })
  expect(shown.inside).toEqual([])
  expect(shown.secrets).toMatchObject({ accounts: 2, unchanged: 2, overdue: 0, exposed: 0 })
  expect(refusalOf(await api.call('dashboard.show', {}, bob.token)).code).toBe('forbidden')
})

test('each report says what is there, is drawn as a PDF that says the same, and proves itself', async () => {
  const tagout = (...args: string[]) => runTagout(args, { env: { TAGOUT_DATA: vault.dataDir }, cwd: folder })
  const time = ['--from', '2026-03-01', '--to', '2026-04-01'] as const
  for (const name of reportNames) {
    const made = await tagout('report', 'make', name, ...time, '--out', `${name}.zip`)
    expect([name, made.code, made.err]).toEqual([name, 0, ''])
    const verified = await tagout('verify', `${name}.zip`)
    expect([name, verified.code]).toEqual([name, 0])
    expect(verified.out).toContain('The report is complete and as it was signed.')
    expect(verified.out).toContain('report.pdf says what report.json says')
  }
  const one = await tagout(
    'report',
    'make',
    'asset-access',
    '--target',
    'plc-7',
    ...time,
    '--out',
    'plc-7.zip',
  )
  expect(one.code).toBe(0)
  execFileSync('unzip', ['-q', 'plc-7.zip', '-d', 'plc-7'], { cwd: folder })
  const said = JSON.parse(readFileSync(join(folder, 'plc-7', 'report.json'), 'utf8')) as ReportDocument
  expect(said).toMatchObject({ report: 'asset-access', target: 'plc-7', from: '2026-03-01 00:00:00Z' })
  expect(said.clauses).toContain('NERC CIP-007-6 R4.1')
  const table = said.tables.find(({ title }) => title === 'Sessions')
  expect(table?.rows.map((row) => [row[2], row[4], row[6], row[7]])).toEqual([
    ['bob', 'plc-7/engineer', 'paul', 'WO-4711'],
    ['bob', 'plc-7/engineer', 'paul', 'WO-4711'],
  ])
  // Other people's programs read the PDF and check the signature.
  const cwd = join(folder, 'plc-7')
  const text = execFileSync('pdftotext', ['-raw', 'report.pdf', '-'], { cwd, encoding: 'utf8' })
  for (const word of [
    'Asset access history',
    'NERC CIP-007-6 R4.1',
    'plc-7/engineer',
    'WO-4711',
    'time is up',
  ])
    expect(text.replaceAll(/\s+/g, ' ')).toContain(word)
  const cms = [
    'cms',
    '-verify',
    '-binary',
    '-inform',
    'DER',
    '-in',
    'report.json.p7s',
    '-content',
    'report.json',
  ]
  execFileSync('openssl', [...cms, '-CAfile', 'certificate.pem', '-out', '/dev/null'], { cwd, stdio: 'pipe' })
  const { entries } = await vault.ask('audit.find', { kinds: 'report.made', limit: 1 })
  const digest = createHash('sha256')
    .update(readFileSync(join(cwd, 'report.json')))
    .digest('hex')
  expect(entries[0]?.text).toContain('made the report asset-access of plc-7, from 2026-03-01 00:00:00Z')
  expect(entries[0]?.text).toContain(digest)

  expect((await tagout('report', 'make', 'nonsense', '--out', 'x.zip')).err).toContain('tagout report list')
  const of = ['--target', 'plc-7', '--out', 'x.zip']
  expect((await tagout('report', 'make', 'time-sync', ...of)).err).toContain('--target')
  expect((await tagout('report', 'list')).out).toContain('NERC CIP-004-7 R5.4')
  expect(refusalOf(await api.call('report.list', {}, bob.token)).code).toBe('forbidden')
}, 120_000)

test('a report that was changed anywhere is found out, and said where', async () => {
  const archive = readFileSync(join(folder, 'plc-7.zip'))
  const verify = (bytes: Uint8Array, draw = drawReport) => verifyReportFile(sodium, bytes, draw)
  expect((await verify(archive)).state).toBe('complete')
  // Drawn once: it is the comparison that is tried.
  const drawn = await drawReport(JSON.parse(readFileSync(join(folder, 'plc-7', 'report.json'), 'utf8')))
  const known = async () => drawn
  let tried = 0
  for (let at = 0; at < archive.length; at += Math.max(1, Math.floor(archive.length / 1_500))) {
    const changed = Uint8Array.from(archive)
    changed[at] = (changed[at] ?? 0) ^ 0x21
    const verdict = await verify(changed, known)
    tried += 1
    if (verdict.state !== 'tampered') throw new Error(`a change of byte ${at} is ${verdict.state}`)
  }
  for (const length of [0, 1, 100, archive.length - 1])
    expect((await verify(archive.subarray(0, length), known)).state).toBe('tampered')
  expect(tried).toBeGreaterThan(1_000)
  // Another report's PDF, however good, is not this one's.
  const files = readZip(archive)
  const other = readZip(readFileSync(join(folder, 'asset-access.zip'))).find(
    ({ name }) => name === 'report.pdf',
  )
  const withPdf = (bytes: Uint8Array) =>
    Buffer.concat([...writeZip(files.map((one) => (one.name === 'report.pdf' ? { ...one, bytes } : one)))])
  const bytes = Buffer.from(other?.bytes ?? [])
  expect(await verify(withPdf(bytes))).toMatchObject({ state: 'tampered', file: 'report.pdf' })
  // One that another version drew is not vouched for, and that is said.
  const newer = bytes.toString('latin1').replaceAll('(Tagout report 1)', '(Tagout report 2)')
  expect(await verify(withPdf(Buffer.from(newer, 'latin1')))).toMatchObject({
    state: 'incomplete',
    file: 'report.pdf',
  })
}, 120_000)

test('a mark that somebody made, moved or took the reviewer out of is a fault, and settings that are gone too', async () => {
  await superuser.query('create temporary table kept as select * from risk_mark')
  for (const forged of [
    `update risk_mark set user_name = 'dora'`,
    `update risk_mark set reviewer_id = null, reviewer_name = null, reviewed_at = null, finding = null, note = null where reviewed_at is not null`,
  ]) {
    await superuser.query(forged)
    await expect(api.call('risk.list', { state: 'all' }, ingrid.token)).rejects.toThrow()
    await superuser.query('delete from risk_mark')
    await superuser.query('insert into risk_mark select * from kept')
  }
  expect((await marksOf({ state: 'all' })).length).toBeGreaterThan(3)
  await superuser.query('delete from risk_settings')
  // What was set a moment ago may be on its way still.
  const reads = () =>
    api.call('risk.settings', {}, ingrid.token).then(
      () => 'as if nobody had set them',
      () => 'a fault',
    )
  await expect.poll(reads, { timeout: 20_000 }).toBe('a fault')
})

const day = 24 * 3600_000
const classes = async () => (await vault.ask('retention.list', {})).classes
const keepingOf = async (recording: RecordingId | undefined, who = ingrid) =>
  must(await api.call('recording.show', { recording: recording ?? 'rec_' } as never, who.token)).keeping

test('a class says for how long the recordings of its safes are kept, and a shorter time is confirmed', async () => {
  expect(await classes()).toMatchObject([
    { name: 'standard', days: null, set: null, safes: ['line-3'], due: 0 },
  ])
  await vault.ask('retention.set', { retentionClass: 'Vendors', days: 90, reason: 'works agreement' })
  const give = (more: object = {}) =>
    vault.admin.call('safe.retention', {
      safe: 'line-3',
      retentionClass: 'vendors',
      reason: 'only vendors work there',
      ...more,
    })
  expect(refusalOf(await give()).message).toBe(
    'this shortens how long 5 recordings in 1 safe are kept, to 90 days: 0 of them are older than that',
  )
  expect(await keepingOf(recordings[0])).toEqual({ retentionClass: 'standard', until: null, holds: [] })
  must(await give({ shortens: true }))
  const ended = Date.parse(must(await asks(ingrid)).recordings.at(-1)?.endedAt ?? '')
  expect(await keepingOf(recordings[0])).toMatchObject({
    retentionClass: 'vendors',
    until: new Date(ended + 90 * day).toISOString(),
  })
  // Whoever is recorded learns nothing of it.
  expect(await keepingOf(recordings[0], bob)).toBeNull()
  const longer = { retentionClass: 'vendors', days: 400, reason: 'audit cycle' }
  expect(must(await vault.admin.call('retention.set', longer)).classes[1]).toMatchObject({ days: 400 })
  const shorter = { ...longer, days: 30 }
  expect(refusalOf(await vault.admin.call('retention.set', shorter)).message).toContain('this shortens')
  must(await vault.admin.call('retention.set', { ...shorter, shortens: true }))
  expect(refusalOf(await vault.admin.call('retention.remove', { retentionClass: 'vendors' })).message).toBe(
    'line-3 has this class',
  )
  const { entries } = await vault.ask('audit.find', { kinds: 'retention.set,safe.retention-set', limit: 9 })
  expect(entries.map(({ text }) => text.replace('the gateway’s administrator (local:0) ', ''))).toEqual([
    'set the retention class vendors: recordings are kept for 30 days (before: for 400 days): "audit cycle"',
    'set the retention class vendors: recordings are kept for 400 days (before: for 90 days): "audit cycle"',
    'gave safe line-3 the retention class vendors (before: standard), which is shorter: "only vendors work there"',
    'made the retention class vendors: recordings are kept for 90 days: "works agreement"',
  ])
})

test('no class is shorter than the least that the law asks for, which the console does not lower', async () => {
  const ann = await vault.person('ann', ['admin'])
  const floor = (days: number) =>
    api.call('retention.floor', { days, basis: 'BSI KRITIS', totpCode: ann.code() }, ann.token)
  must(await floor(60))
  expect((await classes())[1]).toMatchObject({ name: 'vendors', days: 60 })
  const low = await vault.admin.call('retention.set', { retentionClass: 'trial', days: 59, reason: 'x' })
  expect(refusalOf(low).message).toBe('days: 60 days is the least (BSI KRITIS)')
  expect(refusalOf(await floor(30)).message).toContain('the machine administrator alone lowers it')
  await vault.ask('retention.floor', { days: 10, basis: 'lawyers' })
  expect((await classes())[1]).toMatchObject({ days: 30 })
})

test('a legal hold keeps what is due, and two different people lift it', async () => {
  now += 31 * day
  expect((await classes())[1]).toMatchObject({ recordings: 5, due: 5 })
  const place = (kind: 'recording' | 'session' | 'person' | 'safe', of: string | undefined) =>
    vault.ask('legalhold.place', { kind, of: of ?? '', matter: 'case 17/26', reason: 'damage at press 3' })
  await place('recording', recordings[0])
  await place('session', sessions[1])
  expect((await classes())[1]).toMatchObject({ due: 3 })
  const shown = await vault.ask('recording.show', { recording: recordings[1] ?? ('rec_' as RecordingId) })
  expect(shown.keeping).toMatchObject({ holds: [{ on: 'session', matter: 'case 17/26' }] })
  const hold = await place('person', 'bob')
  expect(hold).toMatchObject({ recordings: 5, on: { kind: 'person', name: 'bob' } })
  expect((await classes())[1]).toMatchObject({ due: 0 })
  const [ann, sue] = [await vault.person('anna', ['admin']), await vault.person('sue', ['security-officer'])]
  const lift = (who: TestPerson) =>
    api.call('legalhold.lift', { legalHold: hold.id, reason: 'settled', totpCode: who.code() }, who.token)
  expect(must(await lift(ann))).toMatchObject({ lift: { by: 'anna' }, lifted: null })
  expect(refusalOf(await lift(ann)).message).toBe('you have asked for it, and another person lifts it')
  await vault.ask('user.samePerson', { user: 'sue', as: 'anna' } as never)
  expect(refusalOf(await lift(sue)).message).toContain('who is you: an administrator has said so')
  await vault.ask('legalhold.keep', { legalHold: hold.id })
  expect(must(await lift(sue))).toMatchObject({ lift: { by: 'sue' }, lifted: null })
  const paula = await vault.person('paula', ['auditor'])
  expect(must(await lift(paula))).toMatchObject({ lifted: { by: 'paula' } })
  expect((await classes())[1]).toMatchObject({ due: 3 })
  expect(await vault.ask('legalhold.list', {})).toHaveLength(2)
  const { entries } = await vault.ask('audit.find', { kinds: 'legalhold.lifted', limit: 1 })
  expect(entries[0]).toMatchObject({
    who: 'paula',
    text: expect.stringContaining(
      'lifted the legal hold on the person bob (case 17/26), as sue had asked: "settled"',
    ),
  })
})

test('tagout says how long recordings are kept and what holds them', async () => {
  const ran = async (...args: readonly string[]) => {
    const { out, err } = await runTagout(args, { env: { TAGOUT_DATA: vault.dataDir } })
    return out + err
  }
  expect(await ran('retention', 'list')).toMatch(/vendors +30 days +line-3 +5 +3/)
  expect(await ran('retention', 'set', 'vendors', '20', '--reason', 'x')).toContain(
    'say that it shortens with --yes',
  )
  expect(await ran('retention', 'set', 'vendors', '20', '--reason', 'x', '--yes')).toContain(
    'recordings of the class vendors are kept 20 days',
  )
  expect(await ran('safe', 'retention', 'line-3', 'standard', '--reason', 'x')).toContain('kept for good')
  expect(await ran('legal-hold', 'list')).toMatch(/case 17\/26/)
  expect(await ran('recording', 'show', recordings[0] ?? '')).toMatch(
    /legal hold +case 17\/26, on the recording/,
  )
})
