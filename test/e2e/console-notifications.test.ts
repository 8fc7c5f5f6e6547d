import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { RequestView, VerbAnswer } from '../../vault/contract.ts'
import { accessibilityFaults, newPerson, picture, signIn } from '../support/console-browser.ts'
import { type Actor, consoleStage, looksRight, peoplesPassword } from '../support/console-stage.ts'
import { parseMail, startMailServer, type TestMailServer } from '../support/mail-server.ts'
import { startRsyslog, whyNoRsyslog } from '../support/rsyslog.ts'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 400_000 })

const stage = consoleStage('notifications')
const { open, run, why } = stage
let server: TestMailServer
let ann: Actor
let bob: Actor
let sue: Actor

beforeAll(async () => {
  if (why !== undefined) return
  server = await startMailServer()
  await stage.start(async (room) => {
    await writeFile(join(room, 'ca.pem'), server.ca, { mode: 0o644 })
    return {
      TAGOUT_SMTP_URL: `smtp://localhost:${server.port}`,
      TAGOUT_SMTP_FROM: 'tagout@plant.example',
      TAGOUT_SMTP_CA: join(room, 'ca.pem'),
      TAGOUT_SIEM_LOOPBACK: '1',
    }
  })
  await run(['safe', 'add', 'line-3'])
  await stage.machine('press-3', 'line-3')
  ann = await stage.enrolled('ann', { role: 'admin' })
  bob = await stage.enrolled('bob', { role: 'operator' })
  sue = await stage.enrolled('sue', { role: 'approver' })
  await run(['safe', 'member', 'line-3', 'bob', '--allow', 'use'])
  await run(['safe', 'member', 'line-3', 'sue', '--allow', 'approve'])
})
afterAll(() => server?.[Symbol.asyncDispose]())

const mailTo = async (address: string, subject: RegExp) => {
  const found = () =>
    server.mails.find(
      ({ to, raw }) => to.includes(address) && subject.test(parseMail(raw).headers.get('subject')?.[0] ?? ''),
    )
  await expect.poll(found, { timeout: 30_000 }).toBeDefined()
  return parseMail(found()?.raw ?? '')
}

test.skipIf(why !== undefined)(
  'an administrator gives somebody an address and tries it; people set their own',
  async () => {
    await open(ann.page, '/users', 'Users')
    await ann.page.getByRole('button', { name: 'Mail address of sue' }).click()
    const dialog = ann.page.getByRole('dialog', { name: 'Mail address of sue' })
    await dialog.getByLabel('Address').fill('sue@plant..example')
    await dialog.getByLabel('Code', { exact: true }).fill(await ann.code())
    await dialog.getByRole('button', { name: 'Set' }).click()
    await dialog.getByText('not a mail address').waitFor()
    await dialog.getByLabel('Address').fill('sue@plant.example')
    expect(await accessibilityFaults(ann.page)).toEqual([])
    await picture(ann.page, 'user-mail')
    await dialog.getByRole('button', { name: 'Set' }).click()
    await dialog.waitFor({ state: 'detached' })
    await ann.page.getByText('sue@plant.example').waitFor()
    await looksRight(ann.page)

    await open(ann.page, '/notifications', 'Notifications')
    await ann.page.getByText(`localhost:${server.port}`).waitFor()
    await ann.page.getByRole('button', { name: 'Test mail' }).click()
    const testing = ann.page.getByRole('dialog', { name: 'Test mail' })
    await testing.getByLabel('To').selectOption('sue')
    await testing.getByRole('button', { name: 'Send' }).click()
    await testing.waitFor({ state: 'detached' })
    const row = ann.page.getByRole('row').filter({ hasText: 'A test, asked for by ann' })
    await row.getByText('sent', { exact: true }).waitFor()
    await looksRight(ann.page)
    await picture(ann.page, 'notifications')
    expect((await mailTo('sue@plant.example', /a test/)).text).toContain('It arrived')

    await open(bob.page, '/account', 'bob')
    await bob.page.getByText('You are written to by nobody here').waitFor()
    await run(['user', 'mail', 'bob', 'bob@plant.example', '--only-security'])
    await open(bob.page, '/account', 'bob')
    await bob.page.getByText('about what concerns security alone').waitFor()
    await looksRight(bob.page)
    await run(['user', 'mail', 'bob', 'bob@plant.example', '--all'])
    expect(await run(['notify', 'test', 'bob'])).toBe('the mail server took a mail to bob\n')
  },
)

test.skipIf(why !== undefined)(
  'the link of a mail leads an approver, once she has signed in, to the request, and there she lets him in',
  async () => {
    await open(bob.page, '/access', 'My access')
    await bob.page.getByRole('button', { name: 'Request access' }).first().click()
    const asking = bob.page.getByRole('dialog', { name: 'Request access' })
    await asking.getByLabel('Account').selectOption('press-3/engineer')
    await asking.getByLabel('Reason').fill('the press stops by itself')
    await asking.getByRole('button', { name: 'Send request' }).click()
    await asking.waitFor({ state: 'detached' })
    const { text } = await mailTo('sue@plant.example', /bob asks for press-3\/engineer/)
    expect(text).not.toContain('the press stops')
    const link = /https:\/\/\S+#\S+/.exec(text)?.[0] ?? ''
    expect(link.startsWith(`${stage.installation.console}/requests/open#ntf_`)).toBe(true)

    // Somebody else's browser, and nobody signed in there.
    await using fresh = await newPerson(stage.browser, stage.installation.console)
    const { page } = fresh
    await page.goto(link)
    await page.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor()
    expect(page.url()).toBe(`${stage.installation.console}/requests/open`)
    await signIn(page, 'sue', peoplesPassword, await sue.code())
    await page.getByRole('heading', { level: 1, name: 'Request of bob' }).waitFor()
    expect(page.url()).toMatch(/\/requests\/req_[0-9a-z]{26}$/)
    await page.getByText('the press stops by itself').waitFor()
    await looksRight(page)
    await picture(page, 'request')
    await page.getByRole('button', { name: 'Approve' }).focus()
    await page.keyboard.press('Enter')
    const deciding = page.getByRole('dialog', { name: 'Let bob in?' })
    await deciding.getByLabel('Code', { exact: true }).fill(await sue.code())
    await deciding.getByRole('button', { name: 'Approve' }).click()
    await deciding.waitFor({ state: 'detached' })
    await page.getByText('sue approved').waitFor()
    const [request] = await stage.installation.tagoutJson<readonly RequestView[]>([
      'request',
      'list',
      '--all',
    ])
    expect(request).toMatchObject({ state: 'approved', closedBy: 'sue' })
    await mailTo('bob@plant.example', /was approved by sue/)

    // A second time it says so, and where to look; the link is nowhere in what the browser sent but in that one body.
    await page.goto(link)
    await page.getByText('This link was used').waitFor()
    await page.getByRole('link', { name: 'Look under Requests' }).waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    const token = link.slice(link.indexOf('#') + 1)
    expect(fresh.sent.filter((sent) => sent.split('\n')[0]?.includes(token))).toEqual([])
    // Nor does it open anything for somebody else.
    await bob.page.goto(link)
    await bob.page.getByText('This link was sent to somebody else').waitFor()
    expect(fresh.wrong.filter((line) => !/40[0139]/.test(line))).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'the link of a mail leads an administrator to the policy that another asked for, once',
  async () => {
    const bea = await stage.enrolled('bea', { role: 'admin' })
    await run(['user', 'mail', 'ann', 'ann@plant.example'])
    const document = 'version: 1\napplyBy: two\nrules: []\n'
    await writeFile(join(stage.room, 'two.yaml'), document)
    await run(['policy', 'apply', 'two.yaml', '--yes'])
    await writeFile(join(stage.room, 'call.yaml'), `contact: the control room\n${document}`)
    await run(
      ['policy', 'apply', 'call.yaml', '--yes', '--user', 'bea', '--answers-stdin'],
      `${peoplesPassword}\n${await bea.code()}\n${await bea.code()}`,
    )
    const { text } = await mailTo('ann@plant.example', /bea asks for another policy: 1 change/)
    const link = /https:\/\/\S+#\S+/.exec(text)?.[0] ?? ''
    expect(link.startsWith(`${stage.installation.console}/policy/open#ntf_`)).toBe(true)
    const { page } = ann
    await page.goto(link)
    const dialog = page.getByRole('dialog', { name: /asks for$/ })
    await dialog.getByText('policy contact: added').waitFor()
    expect(page.url()).toMatch(/\/policy\/plr_[0-9a-z]{26}$/)
    expect(await accessibilityFaults(page)).toEqual([])
    await dialog.getByLabel('Code', { exact: true }).fill(await ann.code())
    await dialog.getByRole('button', { name: 'Put it in force' }).click()
    await dialog.waitFor({ state: 'detached' })
    await page.getByText('Whom to call: the control room').waitFor()
    expect(page.url()).toBe(`${stage.installation.console}/policy`)
    await page.goto(link)
    await page.getByText('This link was used').waitFor()
    await page.getByRole('link', { name: 'Look under Policy' }).click()
    await page.getByText('Whom to call: the control room').waitFor()
  },
)

test.skipIf(why !== undefined)(
  'a safe says who is reminded; a mail server that is away is seen, in the console and by doctor',
  async () => {
    await open(ann.page, '/safes', 'Safes')
    await ann.page.getByRole('button', { name: 'Mail about line-3' }).click()
    const dialog = ann.page.getByRole('dialog', { name: 'Mail about line-3' })
    await dialog.getByLabel('A request that nobody answers').selectOption('30')
    await dialog.getByLabel('Told then, beside the approvers').selectOption('ann')
    expect(await accessibilityFaults(ann.page)).toEqual([])
    await picture(ann.page, 'safe-mail')
    await dialog.getByRole('button', { name: 'Set' }).click()
    await dialog.waitFor({ state: 'detached' })
    await looksRight(ann.page)
    expect(await run(['safe', 'show', 'line-3'])).toContain(
      'approvers and ann are reminded of requests unanswered for 30 min',
    )
    expect(await run(['doctor'])).toContain('what is to be told is told')

    await server[Symbol.asyncDispose]()
    const refused = await stage.installation.tagout(['notify', 'test', 'sue'])
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(
      /^the mail server localhost:\d+ could not be reached \(E[A-Z]+\)\n {2}next: correct that; it is tried again by itself\n$/,
    )
    await open(ann.page, '/notifications', 'Notifications')
    await ann.page.getByText('One could not be sent yet, and is tried again').waitFor()
    await looksRight(ann.page)
    await picture(ann.page, 'notifications-away')
    const status = await run(['notify', 'status'])
    expect(status).toMatch(/mail +from tagout@plant\.example, by localhost:\d+; 1 waits, since/)
    expect(status).toMatch(/sue +waiting +\d/)
    const shown = await stage.installation.tagoutJson<VerbAnswer<'notification.status'>>(['notify', 'status'])
    expect(shown.waiting.mail.count).toBe(1)
    expect([...ann.wrong, ...bob.wrong, ...sue.wrong].filter((line) => !/40[0139]/.test(line))).toEqual([])
  },
)

test.skipIf(why !== undefined)('whoever is no administrator sees nothing of it', async () => {
  await bob.page.goto(`${stage.installation.console}/notifications`)
  await bob.page.getByText('there is no such thing, or you may not do this', { exact: false }).waitFor()
  expect(await bob.page.getByRole('link', { name: 'Notifications' }).count()).toBe(0)
})

const noRsyslog = whyNoRsyslog()
if (noRsyslog !== undefined) console.warn(`a receiver of the log in the browser is left out: ${noRsyslog}`)

test.skipIf(why !== undefined || noRsyslog !== undefined)(
  'an administrator has the log sent to an rsyslog, sees how far it has come, and takes it off',
  async () => {
    await using rsyslog = await startRsyslog()
    const { page } = ann
    await open(page, '/notifications', 'Notifications')
    await page.getByText('The log is sent nowhere').waitFor()
    await page.getByRole('button', { name: 'Add a receiver' }).click()
    const adding = page.getByRole('dialog', { name: 'Add a receiver of the log' })
    await adding.getByLabel('Name').fill('soc')
    await adding.getByLabel('Address').fill('syslog://siem.plant.example')
    await adding.getByLabel('Form').selectOption('cef')
    await adding.getByLabel('Certificate of its authority').fill(rsyslog.authority)
    await adding.getByLabel('Code', { exact: true }).fill(await ann.code())
    await adding.getByRole('button', { name: 'Add', exact: true }).click()
    await adding.getByText('the log goes over syslog with TLS, or over https').waitFor()
    await adding.getByLabel('Address').fill(rsyslog.address)
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'siem-add')
    await adding.getByRole('button', { name: 'Add', exact: true }).click()
    await adding.waitFor({ state: 'detached' })
    const row = page.getByRole('row').filter({ hasText: rsyslog.address })
    await row.getByText('up to').waitFor({ timeout: 15_000 })
    await expect.poll(() => rsyslog.lines().map(({ kind }) => kind)).toContain('siem.added')
    await looksRight(page)
    await picture(page, 'siem')

    await rsyslog.kill()
    await run(['safe', 'add', 'line-9'])
    await row.getByText('could not be told').waitFor({ timeout: 30_000 })
    await picture(page, 'siem-away')
    await rsyslog.start()
    await row.getByRole('button', { name: 'Take off' }).click()
    const taking = page.getByRole('dialog', { name: 'Take soc off' })
    await taking.getByLabel('Code', { exact: true }).fill(await ann.code())
    await taking.getByRole('button', { name: 'Take off' }).click()
    await taking.waitFor({ state: 'detached' })
    await page.getByText('The log is sent nowhere').waitFor()
    // It hears what it missed, and that it was taken off.
    await expect.poll(() => rsyslog.lines().at(-1)?.kind, { timeout: 30_000 }).toBe('siem.removed')
    expect(rsyslog.lines().some(({ text }) => text.includes('cs3=line-9'))).toBe(true)
  },
)
