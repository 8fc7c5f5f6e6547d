import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import { enrolmentBox } from '../../support/enrolment.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import {
  endSession,
  makeSshKey,
  open,
  prove,
  type SshKey,
  startCall,
  until,
} from '../../support/vault-ssh.ts'

// Whoever writes the database prolongs no contract, and a race leaves nobody in who was taken off.

const day = 24 * 3600_000
let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let vera: TestPerson
let key: SshKey
const cuts = new Set<string>()

const later = (ms: number) => new Date(vault.now().getTime() + ms).toISOString()
async function company(name: string, more: { readonly terms?: string; readonly lasts?: number } = {}) {
  const { lasts = 90 * day, ...rest } = more
  return vault.ask('company.add', {
    name,
    contractEndsAt: later(lasts),
    sponsor: 'sue',
    mailDomains: [`${name}.com`],
    ...rest,
  })
}
async function representative(of: string, name: string): Promise<TestPerson> {
  const mail = `${name}@${of}.com`
  const { enrolment } = await vault.ask('company.invite', { company: of, name, mail })
  return vault.enrol(enrolment.token)
}

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', (method) =>
    method === 'session.cut'
      ? async (params) => {
          cuts.add((params as { session: string }).session)
          return done(null)
        }
      : undefined,
  )
  await vault.account()
  await vault.person('sue', ['approver'])
  await company('acme')
  await company('other')
  vera = await representative('acme', 'vera')
  key = makeSshKey()
  await vault.ask('user.key.add', { user: 'vera', publicKey: key.line })
  await vault.grant('vera', 'press-3/engineer')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

/** Runs `statement`, then `act`, and puts the rows of `table` back as they were. */
async function forged(table: string, statement: string, act: () => Promise<void>): Promise<void> {
  const { rows } = await superuser.query(`select * from ${table}`)
  await superuser.query(statement)
  try {
    await act()
  } finally {
    await superuser.query(`set session_replication_role = replica`)
    await superuser.query(`delete from ${table}`)
    for (const row of rows) {
      const columns = Object.keys(row)
      await superuser.query(
        `insert into ${table} (${columns.map((name) => `"${name}"`).join(', ')})
         values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
        Object.values(row),
      )
    }
    await superuser.query(`set session_replication_role = origin`)
  }
}
/** Reads outside a transaction take rows as they were up to five seconds ago, and no longer. */
const isFault = (act: () => Promise<unknown>) =>
  expect
    .poll(
      () =>
        act().then(
          () => false,
          () => true,
        ),
      { timeout: 10_000 },
    )
    .toBe(true)
const opens = async () => open(recorder, { proof: await prove(recorder, key, 'vera') })
const comesIn = async () => {
  const permit = must(await opens())
  await endSession(recorder, permit.session)
}

test.each([
  [
    'a contract that is made longer',
    'company',
    `update company set contract_ends_at = contract_ends_at + interval '1 year'`,
  ],
  [
    'a contract that is made shorter',
    'company',
    `update company set contract_ends_at = now() + interval '1 minute'`,
  ],
  ['terms that are taken away or changed', 'company', `update company set terms = 'do as you like'`],
  ['more mail domains', 'company', `update company set mail_domains = mail_domains || '{evil.com}'`],
  [
    'a person moved to another company',
    'representative',
    `update representative set company_id = (select id from company where name = 'other')`,
  ],
  ['another mail address', 'representative', `update representative set mail = 'evil@evil.com'`],
  ['a person without their company', 'representative', 'delete from representative'],
])('%s in the table is a fault, and lets nobody in', async (_what, table, statement) => {
  await comesIn()
  const before = vault.faults.length
  await forged(table, statement, async () => {
    await expect(opens()).rejects.toThrow()
    await isFault(() => api.call('access.list', {}, vera.token))
  })
  expect((await vault.ask('audit.list', { kind: 'vault.fault' })).length).toBeGreaterThan(0)
  expect(vault.faults.length).toBeGreaterThanOrEqual(before)
  await comesIn()
})

test('a contract that was made shorter is not put back as it was', async () => {
  await company('shrinks')
  await representative('shrinks', 'vic')
  const { rows } = await superuser.query(`select * from company where name = 'shrinks'`)
  await vault.ask('company.change', { company: 'shrinks', contractEndsAt: later(3600_000) })
  const now = await superuser.query(`select * from company where name = 'shrinks'`)
  const put = (row: Record<string, unknown>) =>
    superuser.query('update company set contract_ends_at = $1, epoch = $2, mac = $3 where id = $4', [
      row['contract_ends_at'],
      row['epoch'],
      row['mac'],
      row['id'],
    ])
  await put(rows[0])
  await expect(vault.grant('vic', 'press-3/engineer', { forSeconds: 86_400 })).rejects.toThrow()
  await put(now.rows[0])
  await expect(vault.grant('vic', 'press-3/engineer', { forSeconds: 86_400 })).rejects.toThrow(
    /the contract of shrinks ends at/,
  )
})

test('a company that is off is not switched on in the table, nor are its people', async () => {
  await company('gone')
  const vito = await representative('gone', 'vito')
  const vitoKey = makeSshKey()
  await vault.ask('user.key.add', { user: 'vito', publicKey: vitoKey.line })
  const { rows } = await superuser.query(`select * from app_user where name = 'vito'`)
  const company0 = await superuser.query(`select * from company where name = 'gone'`)
  await vault.ask('company.off', { company: 'gone', reason: 'x' })
  await forged('app_user', `update app_user set state = 'active' where name = 'vito'`, async () => {
    await expect(api.call('login.who', {}, vito.token)).resolves.toMatchObject({ ok: false })
    await expect(vault.admin.call('user.show', { user: 'vito' })).rejects.toThrow()
  })
  // All of both rows as they were before, stamps too.
  const was = rows[0]
  await forged(
    'app_user',
    `update app_user set state = 'active', password_hash = '\\x${was.password_hash.toString('hex')}',
       password_salt = '\\x${was.password_salt.toString('hex')}', totp = '\\x${was.totp.toString('hex')}',
       epoch = ${was.epoch}, mac = '\\x${was.mac.toString('hex')}' where name = 'vito'`,
    async () => {
      await expect(vault.admin.call('user.enrol', { user: 'vito' })).rejects.toThrow()
    },
  )
  const before = company0.rows[0]
  await forged(
    'company',
    `update company set off_at = null, epoch = ${before.epoch}, mac = '\\x${before.mac.toString('hex')}' where name = 'gone'`,
    async () => {
      await expect(
        vault.admin.call('company.invite', { company: 'gone', name: 'new', mail: 'new@gone.com' }),
      ).rejects.toThrow()
    },
  )
})

test('an acceptance that the database invents, moves or copies is none', async () => {
  await company('strict', { terms: 'Behave.' })
  const box = await enrolmentBox()
  const people: TestPerson[] = []
  for (const name of ['ada', 'bea']) {
    const { enrolment } = await vault.ask('company.invite', {
      company: 'strict',
      name,
      mail: `${name}@strict.com`,
    })
    const { terms } = must(
      await api.call('enrolment.begin', { token: enrolment.token, boxKey: box.boxKey, source: '192.0.2.10' }),
    )
    people.push(await vault.enrol(enrolment.token, undefined, terms?.digest))
  }
  await vault.ask('company.change', { company: 'strict', terms: 'Behave better.' })
  const [ada, bea] = people as [TestPerson, TestPerson]
  const terms = must(await api.call('terms.show', {}, ada.token))
  must(await api.call('terms.accept', { digest: terms?.digest ?? '' }, ada.token))
  expect(refusalOf(await api.call('access.list', {}, bea.token)).code).toBe('forbidden')
  const user = `(select id from app_user where name = 'bea')`
  for (const statement of [
    `insert into terms_acceptance select 'trm_00000000000000000000000000', ${user}, company_id, digest, source, created_at, epoch, mac
     from terms_acceptance where digest = '${terms?.digest}'`,
    `update terms_acceptance set digest = '${terms?.digest}' where user_id = ${user}`,
  ])
    await forged('terms_acceptance', statement, async () => {
      await expect(api.call('access.list', {}, bea.token)).rejects.toThrow()
    })
  // Taken away, it has to be given again.
  await forged('terms_acceptance', 'delete from terms_acceptance', async () => {
    expect(refusalOf(await api.call('access.list', {}, ada.token)).code).toBe('forbidden')
  })
  expect((await api.call('access.list', {}, ada.token)).ok).toBe(true)
})

test('a report, and what is due by it, is what the vault wrote or a fault', async () => {
  await company('seen')
  const rita = await representative('seen', 'rita')
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'rita', permissions: ['reveal'] })
  const box = await enrolmentBox()
  must(
    await api.call(
      'account.reveal',
      { account: 'press-3/engineer', boxKey: box.boxKey, totpCode: rita.code(), reason: 'by hand' },
      rita.token,
    ),
  )
  const { id } = await vault.ask('company.off', { company: 'seen', reason: 'x' })
  for (const [table, statement] of [
    ['offboarding', `update offboarding set secrets = '{}'`],
    ['offboarding', `update offboarding set created_at = created_at + interval '1 hour'`],
    ['rotation_due', `update rotation_due set due_at = due_at + interval '1 year'`],
    ['rotation_due', 'delete from rotation_due'],
  ] as const)
    await forged(table, statement, async () => {
      await isFault(() => vault.admin.call('offboarding.show', { offboarding: id }))
    })
  expect((await vault.ask('offboarding.show', { offboarding: id })).secrets).toHaveLength(1)
})

test('who is invited while their company is taken off goes with it, or is not invited', async () => {
  const box = await enrolmentBox()
  for (let round = 0; round < 8; round += 1) {
    const name = `race-${round}`
    await company(name)
    const [invited, off] = await Promise.all([
      vault.admin.call('company.invite', { company: name, name: `${name}-v`, mail: `v@${name}.com` }),
      vault.admin.call('company.off', { company: name, reason: 'race' }),
    ])
    expect(off.ok).toBe(true)
    if (!invited.ok) {
      expect(invited.refusal.message).toBe(`the company ${name} is off`)
      continue
    }
    expect((await vault.ask('user.show', { user: `${name}-v` })).state).toBe('disabled')
    const { token } = invited.value.enrolment
    expect((await api.call('enrolment.begin', { token, boxKey: box.boxKey, source: '192.0.2.10' })).ok).toBe(
      false,
    )
  }
})

test('grants and sessions that come about while a company is taken off end with it', async () => {
  for (let round = 0; round < 8; round += 1) {
    const name = `run-${round}`
    await company(name)
    const runner = await representative(name, `${name}-v`)
    const own = makeSshKey()
    await vault.ask('user.key.add', { user: runner.name, publicKey: own.line })
    await vault.grant(runner.name, 'press-3/engineer')
    const proof = await prove(recorder, own, runner.name)
    const [opened, granted, off] = await Promise.all([
      open(recorder, { proof }),
      vault.admin.call('grant.add', { user: runner.name, account: 'press-3/engineer', actions: ['exec'] }),
      vault.admin.call('company.off', { company: name, reason: 'race' }),
    ])
    const report = must(off)
    const grants = await vault.ask('grant.list', { user: runner.name })
    expect(grants.map(({ state }) => state)).toEqual(grants.map(() => 'revoked'))
    expect(report.grants.length).toBe(grants.length)
    expect(granted.ok ? grants.length : 2).toBe(2)
    if (!opened.ok) continue
    const { session } = opened.value
    expect(report.sessions.map((one) => one.session)).toEqual([session])
    await until(() => cuts.has(session) || undefined)
    expect((await recorder.call('session.start', startCall(session).input)).ok).toBe(false)
    await endSession(recorder, session, 'user disabled')
  }
})

test('a session that a rule lets in while its user is taken off is in the report, and ends', async () => {
  const rule = {
    name: 'vendors',
    effect: 'allow',
    actions: ['shell'],
    who: { roles: ['vendor'] },
    what: { targets: ['press-3'] },
  } as const
  await vault.ask('policy.apply', { document: { version: 1, rules: [rule as never] }, expected: null })
  for (let round = 0; round < 8; round += 1) {
    const name = `ruled-${round}`
    await company(name)
    const runner = await representative(name, `${name}-v`)
    const own = makeSshKey()
    await vault.ask('user.key.add', { user: runner.name, publicKey: own.line })
    const proof = await prove(recorder, own, runner.name)
    const [opened, off] = await Promise.all([
      open(recorder, { proof, account: 'engineer' }),
      round % 2 === 0
        ? vault.admin.call('company.off', { company: name, reason: 'race' })
        : vault.admin.call('user.off', { user: runner.name, reason: 'race' }),
    ])
    const report = must(off)
    const grants = await vault.ask('grant.list', { user: runner.name })
    expect(grants.filter(({ state }) => state !== 'revoked')).toEqual([])
    expect(report.sessions.map((one) => one.session)).toEqual(opened.ok ? [opened.value.session] : [])
    if (!opened.ok) continue
    await until(() => cuts.has(opened.value.session) || undefined)
    await endSession(recorder, opened.value.session, 'user disabled')
  }
})

test('a contract that is made shorter while a grant is given is not outlasted by it', async () => {
  for (let round = 0; round < 8; round += 1) {
    const name = `short-${round}`
    await company(name)
    const someone = await representative(name, `${name}-v`)
    const contractEndsAt = later(3600_000)
    await Promise.all([
      vault.admin.call('grant.add', {
        user: someone.name,
        account: 'press-3/engineer',
        actions: ['shell'],
        forSeconds: 7 * 24 * 3600,
      }),
      vault.admin.call('company.change', { company: name, contractEndsAt }),
    ])
    for (const { notAfter } of await vault.ask('grant.list', { user: someone.name }))
      expect(Date.parse(notAfter)).toBeLessThanOrEqual(Date.parse(contractEndsAt))
  }
})

test('fields that nobody may set are refused', async () => {
  for (const [verb, input] of [
    [
      'company.add',
      { name: 'x', contractEndsAt: later(day), sponsor: 'sue', mailDomains: ['x.com'], state: 'active' },
    ],
    ['company.invite', { company: 'acme', name: 'x', mail: 'x@acme.com', roles: ['admin'] }],
    ['company.invite', { company: 'acme', name: 'x', mail: ['x@acme.com'] }],
    ['company.change', { company: 'acme', offAt: null }],
    ['company.off', { company: 'acme', reason: '  ' }],
    ['terms.accept', { digest: 'x' }],
  ] as const)
    expect(refusalOf(await vault.admin.call(verb, input as never)).code).toMatch(/invalid|forbidden/)
})
