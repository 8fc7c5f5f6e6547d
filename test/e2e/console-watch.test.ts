import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { Client, type ClientChannel } from 'ssh2'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { AuditLeafView, HoldView, SessionView } from '../../vault/contract.ts'
import { accessibilityFaults, layoutFaults, picture, windows } from '../support/console-browser.ts'
import { type Actor, consoleStage } from '../support/console-stage.ts'
import { makeSshUser } from '../support/gateway.ts'
import { until } from '../support/installation.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('watching', { sshd: true })
const { run, why } = stage

type Shell = {
  readonly client: Client
  readonly channel: ClientChannel
  readonly text: () => string
  readonly session: string
}

let ann: Actor
let sue: Actor
let bob: Actor
const shells: Shell[] = []
let key: ReturnType<typeof makeSshUser>
/** Every frame that left the watchers' browsers over live sockets. */
const sentFrames: string[] = []

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  await stage.machine('press-3.hall-2', 'line-3')
  ann = await stage.enrolled('ann', { link: stage.installation.firstAdmin ?? 'none' })
  sue = await stage.enrolled('sue', { role: 'approver' })
  bob = await stage.enrolled('bob', { role: 'operator' })
  await stage.added('eve', 'approver')
  await run(['safe', 'member', 'line-3', 'sue', '--allow', 'approve'])
  await run(['grant', 'add', 'bob', account(), '--for', '4h', '--allow', 'shell,exec'])
  const { ssh } = JSON.parse(readFileSync(join(stage.installation.dataDir, 'ready.json'), 'utf8'))
  key = makeSshUser(stage.room, 'bob', ssh.knownHosts, stage.installation.ssh.port)
  await run(['user', 'key', 'add', 'bob', `${key.keyFile}.pub`])
  for (const { page } of [ann, sue])
    page.on('websocket', (socket) =>
      socket.on('framesent', ({ payload }) => sentFrames.push(payload.toString())),
    )
})
afterAll(() => {
  for (const { client } of shells) client.destroy()
})

const account = () => `press-3.hall-2/${stage.sshd.user}`
const sessions = () => stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list', '--live'])
const entries = (kind: string) =>
  stage.installation.tagoutJson<readonly AuditLeafView[]>(['audit', 'list', '--kind', kind])

/** A shell of bob's from a native client. */
async function openShell(): Promise<Shell> {
  const before = new Set((await sessions()).map(({ id }) => id))
  const client = new Client()
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.on('error', reject)
    client.on('ready', () =>
      client.shell({ cols: 80, rows: 24, term: 'xterm' }, (error, opened) =>
        error === undefined ? resolve(opened) : reject(error),
      ),
    )
    client.connect({
      host: stage.installation.ssh.host,
      port: stage.installation.ssh.port,
      username: `bob@${stage.sshd.user}@press-3.hall-2`,
      privateKey: readFileSync(key.keyFile),
      hostVerifier: () => true,
      readyTimeout: 60_000,
    })
  })
  let text = ''
  channel.on('data', (piece: Buffer) => {
    text += piece.toString()
  })
  const session = await until(async () => (await sessions()).find(({ id }) => !before.has(id))?.id, 30_000)
  await until(() => (/[$#] $/.test(text) ? true : undefined), 30_000)
  const shell = { client, channel, text: () => text, session }
  shells.push(shell)
  return shell
}

const rowsOf = async (page: Page, within = '[data-testid="watch-screen"]') =>
  (await page.locator(`${within} .xterm-rows`).allInnerTexts()).join('\n').replaceAll('\u00a0', ' ')
const see = (page: Page, text: string, within?: string) =>
  until(
    async () => ((await rowsOf(page, within)).includes(text) ? true : undefined),
    30_000,
    () => false,
    () => `the screen does not show ${text}`,
  )
/** The worker that carries a session, as a ticket to watch it says. */
const workerOf = (session: string) =>
  ann.page.evaluate(async (id) => {
    const answer = await fetch(`/api/sessions/${id}/watch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{}',
    })
    return ((await answer.json()) as { readonly worker: string }).worker
  }, session)

test.skipIf(why !== undefined)(
  'two people watch one session from its present screen on; its user and they read who does',
  async () => {
    const shell = await openShell()
    shell.channel.write('echo before-$((1+1))-they-came\n')
    await until(() => (shell.text().includes('before-2-they-came') ? true : undefined), 30_000)
    await ann.page.goto(`${stage.installation.console}/sessions`)
    await ann.page.getByRole('link', { name: `Watch ${account()} by bob` }).click()
    await see(ann.page, 'before-2-they-came')
    // Who comes before the session is connected sees it once it is.
    let early = 0
    await sue.page.route('**/watch', (route) =>
      early++ > 0
        ? route.fallback()
        : route.fulfill({
            status: 503,
            contentType: 'application/problem+json',
            body: '{"code":"unavailable","title":"this session is not connected to its machine yet"}',
          }),
    )
    await sue.page.goto(`${stage.installation.console}/sessions/${shell.session}`)
    await see(sue.page, 'before-2-they-came')
    expect(early).toBe(2)
    await sue.page.unroute('**/watch')
    await until(
      async () =>
        /ann.*sue|admin.*sue/.test(await ann.page.getByTestId('watchers').innerText()) ? true : undefined,
      20_000,
    )
    await until(() => (shell.text().includes('this session is watched by sue') ? true : undefined), 20_000)
    shell.channel.write('echo and-$((2+2))-after\n')
    for (const { page } of [ann, sue]) {
      await see(page, 'and-4-after')
      await page
        .getByLabel('Commands, files and marks since you watch')
        .getByText('command: echo and-')
        .waitFor()
      expect(await accessibilityFaults(page)).toEqual([])
    }
    await picture(ann.page, 'watch')
    for (const size of windows) expect(await layoutFaults(ann.page, size)).toEqual([])
    const begun = await entries('session.watched')
    expect(begun.map(({ actor }) => actor.split(':')[0])).toEqual(['user', 'user'])
    expect(begun.every(({ text }) => text.includes(shell.session))).toBe(true)
  },
)

test.skipIf(why !== undefined)(
  'keys on a watch reach nothing; freeze, message and unfreeze are beside the screen, by keyboard alone',
  async () => {
    const [shell] = shells
    if (shell === undefined) throw new Error('there is no shell')
    const { page } = ann
    await page.getByTestId('watch-screen').click()
    await page.keyboard.type('touch by-a-watcher\n')
    // What a hostile target asks of the watcher's terminal is answered to nobody, and sets nothing.
    const attack = String.raw`\033]0;hijacked\007\033]52;c;cHduZWQ=\007\033[c\033[6n\033[?1004h\033P$qm\033\\`
    shell.channel.write(`printf '${attack}'; echo attack-$((8+8))-over\n`)
    await see(page, 'attack-16-over')
    expect(await page.title()).toMatch(/^Watching bob/)
    const press = async (name: string, more: string = '') => {
      await page.getByRole('button', { name, exact: true }).focus()
      await page.keyboard.press('Enter')
      await page.getByRole('dialog').waitFor()
      if (more !== '') await page.keyboard.type(more)
      await page.keyboard.press('Enter')
      await page.getByRole('dialog').waitFor({ state: 'hidden' })
    }
    await press(`Message ${account()} by bob`, 'mind the guard')
    await until(() => (shell.text().includes('mind the guard') ? true : undefined), 20_000)
    await press(`Freeze ${account()} by bob`, 'wrong valve')
    await see(page, 'before-2-they-came')
    await until(() => (shell.text().includes('wrong valve') ? true : undefined), 20_000)
    shell.channel.write('touch while-frozen\n')
    await page.getByLabel('Commands, files and marks since you watch').getByText('wrong valve').waitFor()
    await page.getByRole('button', { name: `Unfreeze ${account()} by bob` }).waitFor()
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'watch-frozen')
    // A frozen session is watched from its present screen on, too.
    await sue.page.goto(`${stage.installation.console}/sessions/${shell.session}`)
    await see(sue.page, 'and-4-after')
    await page.getByRole('button', { name: `Unfreeze ${account()} by bob` }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: 'Unfreeze' }).focus()
    await page.keyboard.press('Enter')
    await until(() => (shell.text().includes('this session goes on') ? true : undefined), 20_000)
    shell.channel.write('echo goes-$((3+3))-on\n')
    await see(page, 'goes-6-on')
    // In a window that narrows the screen becomes smaller, and loses nothing.
    const usual = page.viewportSize() ?? { width: 1280, height: 900 }
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: 900 })
      await until(async () => ((await sidesOf(page)).right <= 1 ? true : undefined), 10_000)
    }
    // Letters have their end: one that is too wide even so begins at the left, and is scrolled.
    shell.channel.setWindow(24, 200, 0, 0)
    const wide = await until(async () => {
      const sides = await sidesOf(page)
      return sides.right > 50 ? sides : undefined
    }, 10_000)
    expect(wide.left).toBeGreaterThanOrEqual(0)
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'watch-narrow')
    await page.getByTestId('watch-screen').locator('.watch-terminal:not([hidden])').focus()
    await until(async () => {
      await page.keyboard.press('ArrowRight')
      return (await sidesOf(page)).right <= 1 ? true : undefined
    }, 10_000)
    shell.channel.setWindow(24, 80, 0, 0)
    await page.setViewportSize(usual)
    for (const name of ['by-a-watcher', 'while-frozen'])
      expect(existsSync(join(stage.sshd.home, name))).toBe(false)
    expect(sentFrames.filter((frame) => !/^\{"kind":"(ticket|taken)"/.test(frame))).toEqual([])
  },
)

test.skipIf(why !== undefined)(
  'sessions on both workers are on one wall; screens are shown by choice, and each is a watch',
  async () => {
    const workers = new Set<string>()
    for (const shell of shells) workers.add(await workerOf(shell.session))
    while (workers.size < 2 && shells.length < 16) workers.add(await workerOf((await openShell()).session))
    expect(workers.size).toBe(2)
    while (shells.length < 3) await openShell()
    for (const [index, { channel }] of shells.entries())
      channel.write(`clear; echo screen-of-$((${index}+100))\n`)
    const { page } = ann
    const before = (await entries('session.watched')).length
    await page.goto(`${stage.installation.console}/sessions`)
    await page.getByRole('link', { name: 'Session wall' }).click()
    const tiles = page.getByRole('list', { name: 'Live sessions' }).getByRole('listitem')
    await until(async () => ((await tiles.count()) === shells.length ? true : undefined), 20_000)
    // Nothing is watched until it is asked for.
    expect((await entries('session.watched')).length).toBe(before)
    await page.getByRole('button', { name: /^Show \d+ screens$/ }).focus()
    await page.keyboard.press('Enter')
    const most = Math.min(9, shells.length)
    await until(async () => {
      const text = (await page.locator('.wall').innerText()).replaceAll('\u00a0', ' ')
      const seen = shells.filter((_, index) => text.includes(`screen-of-${index + 100}`))
      return seen.length >= most ? true : undefined
    }, 40_000)
    await until(
      async () => ((await entries('session.watched')).length === before + most ? true : undefined),
      20_000,
    )
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'session-wall')
    for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
    shells[0]?.channel.write('echo moves-$((4+4))-here\n')
    await until(
      async () => ((await page.locator('.wall').innerText()).includes('moves-8-here') ? true : undefined),
      30_000,
    )
    const search = page.getByLabel('Filter the wall')
    await search.fill(shells[0]?.session ?? '')
    await until(async () => ((await tiles.count()) === 1 ? true : undefined), 20_000)
    await search.fill('nobody of this name')
    await page.getByText('Nothing matches the filter.').waitFor()
    await search.fill('')
    // A filter ends no watch and begins none.
    expect((await entries('session.watched')).length).toBe(before + most)
    // A session that ends stays on the wall while it is watched.
    shells[0]?.client.end()
    await page.getByText('The session has ended.').waitFor()
    const ended = (await entries('session.watch-ended')).length
    await page.getByRole('button', { name: 'Put all away' }).click()
    await until(
      async () => ((await entries('session.watch-ended')).length >= ended + most - 1 ? true : undefined),
      20_000,
    )
    await until(async () => ((await tiles.count()) === shells.length - 1 ? true : undefined), 20_000)
  },
)

test.skipIf(why !== undefined)(
  'a session in the browser is frozen under its user’s hands, watched, and goes on; where the safe says so they are not told',
  async () => {
    await ann.page.goto(`${stage.installation.console}/safes`)
    await ann.page.getByRole('button', { name: 'Watching in line-3' }).click()
    await ann.page.getByLabel(/its user/).selectOption('no')
    expect(await accessibilityFaults(ann.page)).toEqual([])
    await picture(ann.page, 'watch-notice')
    await ann.page.getByRole('dialog').getByRole('button', { name: 'Set' }).click()
    await ann.page.getByText('not told', { exact: true }).waitFor()
    const before = new Set((await sessions()).map(({ id }) => id))
    await bob.page.goto(`${stage.installation.console}/terminal#${account()}`)
    await bob.page.getByTestId('time-left').waitFor()
    const session = await until(async () => (await sessions()).find(({ id }) => !before.has(id))?.id, 30_000)
    const type = async (text: string) => {
      await bob.page.getByLabel('Terminal', { exact: true }).focus()
      await bob.page.keyboard.type(text)
    }
    await see(bob.page, '$', '[data-testid="terminal"]')
    await type('echo in-$((5+5))-browser\n')
    await see(bob.page, 'in-10-browser', '[data-testid="terminal"]')
    await ann.page.goto(`${stage.installation.console}/sessions/${session}`)
    await see(ann.page, 'in-10-browser')
    await ann.page.getByText('Its user is not told').waitFor()
    await run(['session', 'freeze', session, '--reason', 'look first'])
    await bob.page.getByText(/frozen by .*look first/i).waitFor()
    await type('touch typed-in-a-frozen-browser\n')
    await bob.page.getByText(/this session is frozen by .*look first\. What you type is dropped/i).waitFor()
    expect(await accessibilityFaults(bob.page)).toEqual([])
    await picture(bob.page, 'terminal-frozen')
    await run(['session', 'unfreeze', session])
    await bob.page.getByText(/this session goes on/i).waitFor()
    // What was true before is not said any more.
    expect(await bob.page.locator('body').innerText()).not.toMatch(/look first|session is frozen/i)
    await type('echo on-$((6+6))-again\n')
    await see(bob.page, 'on-12-again', '[data-testid="terminal"]')
    await see(ann.page, 'on-12-again')
    expect(existsSync(join(stage.sshd.home, 'typed-in-a-frozen-browser'))).toBe(false)
    expect(await bob.page.locator('body').innerText()).not.toContain('watches')
    // Nor by the list of their own sessions.
    const own = await bob.page.evaluate(async () => {
      const answer = await fetch('/api/sessions?live=true')
      return { status: answer.status, text: await answer.text() }
    })
    expect(own).toEqual({ status: 200, text: expect.stringContaining(session) })
    expect(
      (JSON.parse(own.text) as readonly SessionView[]).find(({ id }) => id === session)?.watchers,
    ).toEqual([])
    await ann.page.getByRole('button', { name: `Message ${account()} by bob` }).click()
    await run(['session', 'terminate', session])
    await ann.page.getByText('The session has ended.').waitFor()
    await bob.page.getByText('The session was terminated').waitFor()
    expect(await bob.page.locator('body').innerText()).not.toContain('go on')
    // A dialog that was open has nothing left to send.
    const over = ann.page.getByRole('dialog', { name: 'This session has ended meanwhile' })
    await over.waitFor()
    await picture(ann.page, 'ended-meanwhile')
    await over.getByRole('button', { name: 'Close', exact: true }).last().click()
    await over.waitFor({ state: 'hidden' })
    // Of what is over nobody says when its time is up.
    await ann.page.getByText(/, ended .*: terminated/).waitFor()
    expect(await ann.page.locator('dl.facts').innerText()).not.toContain('time is up')
    expect(await accessibilityFaults(ann.page)).toEqual([])
    await picture(ann.page, 'watch-over')
  },
)

test.skipIf(why !== undefined)(
  'whoever works in the browser sees for as long as they are watched by whom',
  async () => {
    await run(['safe', 'watch-notice', 'line-3', 'on'])
    const before = new Set((await sessions()).map(({ id }) => id))
    await bob.page.goto(`${stage.installation.console}/access`)
    await bob.page.goto(`${stage.installation.console}/terminal#${account()}`)
    await bob.page.getByTestId('time-left').waitFor()
    const session = await until(async () => (await sessions()).find(({ id }) => !before.has(id))?.id, 30_000)
    const badge = bob.page.getByTestId('watched-by')
    expect(await badge.innerText()).toBe('')
    await sue.page.goto(`${stage.installation.console}/sessions/${session}`)
    await badge.getByText('watched by sue').waitFor()
    await bob.page.getByText('This session is watched by sue').waitFor()
    expect(await accessibilityFaults(bob.page)).toEqual([])
    await picture(bob.page, 'terminal-watched')
    await sue.page.goto(`${stage.installation.console}/sessions`)
    await bob.page.getByText('This session is no longer watched by sue').waitFor()
    // It took the place of what was said before.
    expect(await bob.page.getByText('This session is watched by sue').count()).toBe(0)
    await until(async () => ((await badge.innerText()) === '' ? true : undefined), 20_000)
    await run(['session', 'terminate', session, '--hold', '15m', '--reason', 'wrong valve'])
    await bob.page.getByText('The session was terminated').waitFor()
    // What keeps them off is where they would begin again, with whom to ask.
    await bob.page.goto(`${stage.installation.console}/access`)
    const name = 'the gateway’s administrator \\(local:\\d+\\)'
    await bob.page.getByText(new RegExp(`You are kept off press-3.hall-2 by ${name}`)).waitFor()
    await bob.page
      .getByText(new RegExp(`wrong valve. To connect before, ask ${name} to release it`))
      .waitFor()
    const connect = bob.page.getByRole('button', { name: `Connect to ${account()} in the browser` })
    expect(await connect.isDisabled()).toBe(true)
    expect(await accessibilityFaults(bob.page)).toEqual([])
    await picture(bob.page, 'my-access-held')
    for (const size of windows) expect(await layoutFaults(bob.page, size)).toEqual([])
    const [hold] = await stage.installation.tagoutJson<readonly HoldView[]>(['hold', 'list'])
    await run(['hold', 'release', hold?.id ?? ''])
    await bob.page.getByRole('link', { name: `Connect to ${account()} in the browser` }).waitFor()
  },
)

test.skipIf(why !== undefined)(
  'a supervisor takes a session over in the browser, types in it and gives it back; on the command line too',
  async () => {
    const sam = await stage.enrolled('sam', { role: 'supervisor' })
    await run(['safe', 'member', 'line-3', 'sam', '--allow', 'supervise'])
    const shell = await openShell()
    const { page } = sam
    await page.goto(`${stage.installation.console}/sessions/${shell.session}`)
    await see(page, '$')
    await page.getByRole('button', { name: 'Take over' }).click()
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByLabel('Reason').fill('wrong valve')
    await page.getByLabel('Code').fill(await sam.code())
    await picture(page, 'take-over')
    await page.getByRole('dialog').getByRole('button', { name: 'Take over' }).click()
    await until(() => (shell.text().includes('sam has taken this session over') ? true : undefined), 20_000)
    await page.getByText('You have taken this session over').waitFor()
    shell.channel.write('touch by-bob-while-taken\n')
    await until(
      async () =>
        (await page.evaluate(() => document.activeElement?.getAttribute('aria-label')))?.startsWith(
          'Terminal: you type',
        ) || undefined,
      20_000,
    )
    await page.keyboard.type('touch by-sam; echo sam-$((4+5))\n')
    await see(page, 'sam-9')
    expect(await accessibilityFaults(page)).toEqual([])
    // Who has it gives it back; to let its user go on beside that is no way of its own.
    await page.getByRole('button', { name: 'Give back' }).waitFor()
    expect(await page.getByRole('button', { name: /^(Unfreeze|Freeze) / }).count()).toBe(0)
    await picture(page, 'taken-over')
    await page.getByRole('button', { name: 'Give back' }).click()
    await until(
      () => (shell.text().includes('this session goes on, unfrozen by sam') ? true : undefined),
      20_000,
    )
    await page.getByText('You only look').waitFor()
    shell.channel.write('touch by-bob-again; echo bob-$((5+6))\n')
    await see(page, 'bob-11')
    expect(existsSync(join(stage.sshd.home, 'by-sam'))).toBe(true)
    expect(existsSync(join(stage.sshd.home, 'by-bob-again'))).toBe(true)
    expect(existsSync(join(stage.sshd.home, 'by-bob-while-taken'))).toBe(false)
    for (const kind of ['session.taken', 'session.given-back'])
      expect((await entries(kind)).map(({ actor }) => actor)).toEqual([expect.stringContaining('user:')])
    // An approver of the same safe watches, and is offered no take-over.
    await sue.page.goto(`${stage.installation.console}/sessions/${shell.session}`)
    await see(sue.page, 'bob-11')
    expect(await sue.page.getByRole('button', { name: 'Take over' }).count()).toBe(0)
    const [password, code, next] = ['canary-ash-meadow-5127', await sam.code(), await sam.code()]
    const cli = watchByCommand([shell.session, '--reason', 'by-hand'], true, 'sam', 'take')
    await cli.says('password of sam')
    cli.child.stdin.write(`${password}\r`)
    await cli.says('code of your second factor')
    cli.child.stdin.write(`${code}\r`)
    await cli.says('the next code')
    cli.child.stdin.write(`${next}\r`)
    await cli.says('YOU TYPE in bob')
    cli.child.stdin.write('touch by-command; echo cli-$((6+7))\r')
    await until(() => (shell.text().includes('cli-13') ? true : undefined), 20_000)
    cli.child.stdin.write('\x1dg')
    await until(
      () => (shell.text().match(/goes on, unfrozen by sam/g)?.length === 2 ? true : undefined),
      20_000,
    )
    expect(await cli.exited).toBe(0)
    expect(existsSync(join(stage.sshd.home, 'by-command'))).toBe(true)
    await run(['session', 'terminate', shell.session])
    shells.pop()
  },
  // Four codes, each of another half a minute.
  400_000,
)

/** Where the watched screen begins and ends, in pixels from the edges of its place: above 0 on the right, it is cut off there. */
function sidesOf(page: Page): Promise<{ readonly left: number; readonly right: number }> {
  return page.getByTestId('watch-screen').evaluate((place) => {
    const screen = [...place.querySelectorAll('.xterm-screen')].find((one) => one.clientWidth > 0)
    const [shown, given] = [screen?.getBoundingClientRect(), place.getBoundingClientRect()]
    return { left: (shown?.left ?? NaN) - given.left, right: (shown?.right ?? NaN) - given.right }
  })
}

/** `tagout session watch` as sue, with what it has said so far. */
function watchByCommand(args: readonly string[], terminal: boolean, user = 'sue', act = 'watch') {
  const program = [
    ...[process.execPath, '--disable-warning=ExperimentalWarning'],
    join(import.meta.dirname, '..', '..', 'deploy', 'cli', 'main.ts'),
    ...['session', act, ...args, '--user', user],
  ]
  const [file = '', ...rest] = terminal
    ? ['script', '-qfec', `stty cols 90 rows 20; ${program.join(' ')}`, '/dev/null']
    : program
  const child: ChildProcessWithoutNullStreams = spawn(file, rest, {
    env: {
      PATH: process.env['PATH'],
      HOME: stage.room,
      TERM: 'xterm',
      TAGOUT_DATA: stage.installation.dataDir,
    },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const says = (wanted: string | RegExp) =>
    until(
      () => (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) || undefined,
      60_000,
      () => false,
      () => `it does not say ${String(wanted)}, but ${JSON.stringify(text.slice(-2_000))}`,
    )
  return { child, text: () => text, exited, says }
}

test.skipIf(why !== undefined)(
  'the command line watches as a person, in a terminal that the target cannot drive, and in frames',
  async () => {
    const shell = shells.at(-1)
    if (shell === undefined) throw new Error('there is no shell')
    shell.channel.write('clear; echo present-$((9+9))-screen\n')
    await until(() => (shell.text().includes('present-18-screen') ? true : undefined), 30_000)
    const before = (await entries('session.watched')).length
    const byHand = watchByCommand([shell.session], true)
    await byHand.says('password of sue')
    byHand.child.stdin.write('canary-ash-meadow-5127\r')
    await byHand.says('code of your second factor')
    byHand.child.stdin.write(`${await sue.code()}\r`)
    await byHand.says('present-18-screen')
    await until(
      async () => ((await entries('session.watched')).length === before + 1 ? true : undefined),
      20_000,
    )
    byHand.child.stdin.write('touch typed-by-command\r')
    const attack = String.raw`\033]0;hijacked\007\033]52;c;cHduZWQ=\007\033[6n\033[5m`
    shell.channel.write(`printf '${attack}'; echo follows-$((10+10))-live\n`)
    await byHand.says('follows-20-live')
    byHand.child.stdin.write('q')
    expect(await byHand.exited).toBe(0)
    expect(byHand.text()).toContain('you left')
    for (const sequence of ['\x1b]', '\x1b[6n', '\x1b[5m', 'canary-ash-meadow'])
      expect(byHand.text()).not.toContain(sequence)
    expect(existsSync(join(stage.sshd.home, 'typed-by-command'))).toBe(false)

    const frames = watchByCommand([shell.session, '--answers-stdin', '--json'], false)
    frames.child.stdin.end(`canary-ash-meadow-5127\n${await sue.code()}`)
    await frames.says('"kind":"screen"')
    shell.channel.write('echo in-$((11+11))-frames\n')
    const shown = () =>
      frames
        .text()
        .split('\n')
        .filter((line) => line.startsWith('{"kind":"output"'))
        .map((line) => Buffer.from(JSON.parse(line).bytes, 'base64').toString())
        .join('')
    await until(() => (shown().includes('in-22-frames') ? true : undefined), 30_000)
    frames.child.kill('SIGINT')
    expect(await frames.exited).toBe(0)
    await until(
      async () => ((await entries('session.watch-ended')).length >= before + 2 ? true : undefined),
      20_000,
    )

    const notHers = watchByCommand([shell.session], false)
    notHers.child.stdin.end()
    expect(await notHers.exited).toBe(2)
    expect(notHers.text()).toContain('give --json')
  },
)

test.skipIf(why !== undefined)('whoever is taken out of the safe while they watch sees no more', async () => {
  const shell = shells.at(-1)
  if (shell === undefined) throw new Error('there is no shell')
  await sue.page.goto(`${stage.installation.console}/sessions/${shell.session}`)
  await until(async () => ((await rowsOf(sue.page)).trim() === '' ? undefined : true), 30_000)
  await run(['safe', 'member', 'line-3', 'sue', '--none'])
  await sue.page.getByText('You may not watch this session any more.').waitFor()
  await sue.page.getByRole('button', { name: 'Watch again' }).click()
  await sue.page
    .getByRole('alert')
    .getByText(/may not|no session/)
    .waitFor()
  shell.channel.write('echo unseen-$((7+7))\n')
  await until(() => (shell.text().includes('unseen-14') ? true : undefined), 30_000)
  expect(await rowsOf(sue.page)).not.toContain('unseen-14')
  const all = [...sentFrames, ...ann.received, ...sue.received, ...bob.received].join('\n')
  expect(all).not.toContain(stage.sshd.password)
  for (const { wrong } of [ann, sue, bob])
    expect(wrong.filter((line) => !line.includes('WebSocket connection to'))).toEqual([])
})

test.skipIf(why !== undefined)(
  'whom a rule of the policy alone lets watch is shown the button while it holds, and nothing else to do',
  async () => {
    const shell = await openShell()
    const oli = await stage.enrolled('oli', { role: 'operator' })
    await oli.page.goto(`${stage.installation.console}/sessions`)
    await oli.page.getByRole('heading', { level: 1, name: 'Sessions' }).waitFor()
    await oli.page.getByText('No sessions yet').waitFor()
    const policyOf = (weekly: string) => `version: 1
calendars: { shifts: { zone: UTC, ${weekly} } }
rules:
  - name: oli-looks-on
    effect: allow
    actions: [watch]
    who: { users: [oli] }
    what: { targets: [press-3.hall-2] }
    during: [shifts]
`
    const applies = async (weekly: string) => {
      await writeFile(join(stage.room, 'policy.yaml'), policyOf(weekly))
      await run(['policy', 'apply', 'policy.yaml', '--yes'])
    }
    // Closed now: the session is listed, with nothing to do.
    await applies('dates: [{ from: 2020-01-01, to: 2020-01-02 }, { from: 2099-01-01, to: 2099-01-02 }]')
    const row = oli.page.getByRole('row').filter({ hasText: account() }).first()
    await row.getByRole('button', { name: `Show ${account()} by bob` }).waitFor()
    const watch = row.getByRole('link', { name: `Watch ${account()} by bob` })
    expect(await watch.count()).toBe(0)
    await applies('weekly: [{ from: "00:00", to: "24:00" }]')
    await watch.waitFor()
    for (const name of ['Freeze', 'Terminate'])
      expect(await row.getByRole('button', { name: new RegExp(`^${name}`) }).count()).toBe(0)
    await picture(oli.page, 'sessions-by-rule')
    expect(await accessibilityFaults(oli.page)).toEqual([])
    await watch.click()
    shell.channel.write('echo seen-$((3+3))-by-rule\n')
    await see(oli.page, 'seen-6-by-rule')
    expect(await oli.page.getByRole('button', { name: /^(Freeze|Terminate|Message)/ }).count()).toBe(0)
    expect(oli.wrong).toEqual([])
    shell.client.destroy()
    await writeFile(join(stage.room, 'none.yaml'), 'version: 1\nrules: []\n')
    await run(['policy', 'apply', 'none.yaml', '--yes'])
  },
)
