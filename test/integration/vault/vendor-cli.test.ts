import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tagout as runTagout } from '../../support/cli.ts'
import { startTestVault, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove } from '../../support/vault-ssh.ts'

let vault: TestVault
let folder: string
const tagout = (...args: string[]) => runTagout(args, { env: { TAGOUT_DATA: vault.dataDir }, cwd: folder })
const must = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await tagout(...args)
  expect(code, `${args.join(' ')}: ${err}`).toBe(0)
  return out
}
const json = async (...args: string[]) => JSON.parse(await must(...args, '--json'))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-vendor-'))
  vault = await startTestVault()
  await vault.account()
  await vault.person('sue', ['approver'])
}, 60_000)
afterAll(async () => {
  await vault[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('a company is added, changed and shown; what is wrong is named as it was typed', async () => {
  expect((await tagout('vendor', 'list')).err).toContain(
    'there are no companies; add one with: tagout vendor add',
  )
  const add = (...more: string[]) => tagout('vendor', 'add', 'acme', '--sponsor', 'sue', ...more)
  expect((await add('--until', '+90d')).err).toContain('--mail-domain')
  expect((await add('--until', '2020-01-01', '--mail-domain', 'acme.com')).err).toMatch(
    /^--until: this moment has passed/,
  )
  expect((await add('--until', '+90d', '--mail-domain', 'acme')).err).toMatch(
    /^--mail-domain: "acme" is not a domain/,
  )
  expect((await add('--until', '+90d', '--mail-domain', 'acme.com', '--terms-file', 'none.txt')).code).toBe(1)
  writeFileSync(join(folder, 'terms.txt'), 'Behave.\n')
  const added = await must(
    ...['vendor', 'add', 'acme', '--until', '+90d', '--sponsor', 'sue', '--mail-domain', 'acme.com,acme.de'],
    ...['--terms-file', 'terms.txt'],
  )
  expect(added).toMatch(/^added company acme \(cmp_/)
  expect(await json('vendor', 'list')).toMatchObject([{ name: 'acme', state: 'active', hasTerms: true }])
  expect(await must('vendor', 'list')).toMatch(/acme\s+active\s+\S+ \S+\s+sue\s+0\s+acme\.com,acme\.de/)
  expect(await json('vendor', 'show', 'acme')).toMatchObject({ terms: { text: 'Behave.' }, people: [] })
  expect((await tagout('vendor', 'change', 'acme')).err).toContain('say what changes: --until')
  expect(await must('vendor', 'change', 'acme', '--no-terms', '--mail-domain', 'acme.com')).toMatch(
    /mail at\s+acme\.com\n/,
  )
  const unknown = await tagout('vendor', 'show', 'nobody')
  expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('there is no company nobody') })
  expect(unknown.err).toContain('tagout vendor list')
})

test('a person is invited, taken off with the company, and the report says what ended', async () => {
  const invited = await json('vendor', 'invite', 'acme', 'vera', 'vera@acme.com')
  expect(invited).toMatchObject({ user: 'vera', mail: 'vera@acme.com', state: 'enrolling' })
  await vault.enrol(invited.enrolment.link.split('#')[1])
  expect((await tagout('vendor', 'invite', 'acme', 'evil', 'evil@acme.com.evil')).err).toMatch(
    /^<mail>: acme\.com\.evil is not a mail domain of this company/,
  )
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'vera', publicKey: key.line })
  await vault.grant('vera', 'press-3/engineer')
  const shown = await must('vendor', 'show', 'acme')
  expect(shown).toMatch(/vera\s+vera@acme\.com\s+active/)
  expect(shown).toMatch(/grt_\S+\s+vera\s+press-3\/engineer/)
  expect(await must('user', 'show', 'vera')).toMatch(/represents\s+acme/)

  // The recorder ends the session when it is told to; the command waits for that.
  const recorder = await vault.worker('w1', (method) =>
    method === 'session.cut'
      ? async (params) => {
          const { session } = params as { session: `ses_${string}` }
          setImmediate(() => void endSession(recorder, session as never, 'user disabled'))
          return { ok: true, value: null }
        }
      : undefined,
  )
  await connectSession(recorder, { proof: await prove(recorder, key, 'vera') })
  expect((await tagout('vendor', 'off', 'acme')).err).toContain('--reason')
  const off = await must('vendor', 'off', 'acme', '--reason', 'the contract \u001b[31mended')
  expect(off).toMatch(/sessions\s+1 ended, the last after \d\.\d s/)
  expect(off).not.toContain('\u001b')
  const [report] = await json('vendor', 'report')
  expect(report).toMatchObject({ company: 'acme', people: ['vera'], sessions: [{ user: 'vera' }] })
  expect(await must('vendor', 'report')).toContain('company acme')
  expect(await must('vendor', 'report', report.id)).toContain('none that they have seen is in use')
  expect(await must('vendor', 'report', 'ACME')).toContain(report.id)
  expect((await tagout('vendor', 'report', 'off_1')).err).toContain('is not an id like off_')
  const none = await tagout('vendor', 'report', 'bosch')
  expect(none).toMatchObject({
    code: 2,
    err: expect.stringContaining('nobody of the name bosch was taken off'),
  })
  expect(await must('vendor', 'show', 'acme')).toMatch(/state\s+off since/)

  expect(await must('vendor', 'on', 'acme')).toContain('tagout user enable NAME')
  expect(await must('user', 'enable', 'vera')).toContain('vera is enrolling')
  const gone = await must('user', 'off', 'vera', '--reason', 'left')
  expect(gone).toMatch(/taken off\s+user vera/)
})
