import { writeFileSync, existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { beforeAll, expect, test, vi } from 'vitest'
import type { SessionView } from '../../vault/contract.ts'
import { accessibilityFaults, layoutFaults, picture, windows } from '../support/console-browser.ts'
import { type Actor, consoleStage } from '../support/console-stage.ts'
import { killRecorderWorkers, until } from '../support/installation.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 400_000 })

const stage = consoleStage('the terminal', { sshd: true })
const { run, why } = stage
let bob: Actor
let page: Page
/** Every frame of every live socket of the page, both ways, as text. */
const frames: string[] = []
/** What left the browser of it. */
const sentFrames: string[] = []

beforeAll(async () => {
  if (why !== undefined) return
  await stage.start()
  await stage.auditor()
  await run(['safe', 'add', 'line-3'])
  await stage.machine('press-3.hall-2', 'line-3')
  bob = await stage.enrolled('bob', { role: 'operator' })
  await run(['grant', 'add', 'bob', account(), '--for', '4h', '--allow', 'shell'])
  page = bob.page
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => {
      frames.push(payload.toString())
      sentFrames.push(payload.toString())
    })
    socket.on('framereceived', ({ payload }) => frames.push(payload.toString()))
  })
})

const account = () => `press-3.hall-2/${stage.sshd.user}`
const rows = () => page.locator('.xterm-rows').innerText()
const see = (text: string | RegExp) =>
  until(
    async () => {
      const shown = (await rows()).replaceAll('\u00a0', ' ')
      return (typeof text === 'string' ? shown.includes(text) : text.test(shown)) || undefined
    },
    30_000,
    () => false,
    () => `the terminal does not show ${String(text)}`,
  )
const type = async (text: string) => {
  await page.getByLabel('Terminal', { exact: true }).focus()
  await page.keyboard.type(text)
}
const live = async () => {
  await page.getByTestId('time-left').waitFor()
  await until(async () => ((await rows()).trim() === '' ? undefined : true), 30_000)
}
const connect = async () => {
  await page.goto('about:blank')
  await page.goto(`${stage.installation.console}/terminal#${account()}`)
  await live()
}
const paste = (text: string) =>
  page.getByLabel('Terminal', { exact: true }).evaluate((element, pasted) => {
    const data = new DataTransfer()
    data.setData('text/plain', pasted)
    element.dispatchEvent(
      new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
    )
  }, text)
const lastSession = async () => {
  const [session] = await stage.installation.tagoutJson<readonly SessionView[]>(['session', 'list'])
  return session
}

test.skipIf(why !== undefined)(
  'from My access a tab opens in which what is typed runs on the target',
  async () => {
    await page.goto(`${stage.installation.console}/access`)
    const [tab] = await Promise.all([
      bob.context.waitForEvent('page'),
      page.getByRole('link', { name: `Connect to ${account()} in the browser` }).click(),
    ])
    await tab.getByTestId('time-left').waitFor()
    expect(await tab.title()).toBe(`${account()} · Tagout`)
    await tab.close()
    await connect()
    await type(String.raw`printf '\303\251-%s\n' $((6*7))` + '\n')
    await see('é-42')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'terminal')
    for (const size of windows) expect(await layoutFaults(page, size)).toEqual([])
    expect(await lastSession()).toMatchObject({ user: 'bob', state: 'live', source: '127.0.0.1' })
  },
)

test.skipIf(why !== undefined)('the terminal follows its window and its letters', async () => {
  const size = async () => {
    await type('clear; stty size\n')
    await see(/^\d+ \d+\s*$/m)
    return (/^(\d+) (\d+)\s*$/m.exec(await rows()) ?? []).slice(1).map(Number)
  }
  const before = await size()
  await page.setViewportSize({ width: 900, height: 600 })
  await until(async () => {
    const [high = 0, wide = 0] = await size()
    return (high < (before[0] ?? 0) && wide < (before[1] ?? 0)) || undefined
  }, 30_000)
  await page.setViewportSize({ width: 1440, height: 900 })
  await page.keyboard.press('Control+Shift+ArrowUp')
  await page.keyboard.press('Control+Shift+ArrowUp')
  await until(async () => ((await size())[1] ?? 0) < (before[1] ?? 0) || undefined, 30_000)
  expect(await page.evaluate(() => localStorage.getItem('terminal-font-size'))).toBe('16')
})

test.skipIf(why !== undefined)(
  'more than one line is pasted only when agreed to, and controls never',
  async () => {
    await type('clear\n')
    await paste('echo one-line')
    await see('echo one-line')
    await page.keyboard.press('Enter')
    await paste('echo first-$((1+1))\necho \u001b[201~second-$((2+2))\n')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    expect(await dialog.innerText()).toMatch(
      /Paste 3 lines[\s\S]*1 control or direction character is left out/,
    )
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'terminal-paste')
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await type('echo after-cancel\n')
    await see('after-cancel')
    expect(await rows()).not.toContain('first-2')
    await paste('echo first-$((1+1))\necho second-$((2+2))\n')
    await dialog.getByRole('button', { name: 'Paste' }).click()
    await page.keyboard.press('Enter')
    await see('second-4')
  },
)

test.skipIf(why !== undefined)(
  'what was shown is searched by the keyboard without a key reaching the target, and the keyboard gets out of the terminal',
  async () => {
    await type('clear; seq 1 5000 | sed s/^/row-/\n')
    await see('row-5000')
    const sent = sentFrames.length
    const field = page.getByLabel('Search in the terminal')
    const shows = (row: string) =>
      until(
        async () => ((await rows()).split('\n').some((one) => one.trim() === row) ? true : undefined),
        20_000,
      )
    await page.keyboard.press('Control+Shift+F')
    await page.keyboard.type('row-4321')
    await shows('row-4321')
    await page.keyboard.press('Control+A')
    await page.keyboard.insertText('000')
    await shows('row-4000')
    await page.keyboard.press('Enter')
    await shows('row-3000')
    await page.keyboard.press('Enter')
    await shows('row-2000')
    await page.keyboard.press('Shift+Enter')
    await shows('row-3000')
    await page.keyboard.press('Escape')
    await field.waitFor({ state: 'detached' })
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('Terminal')
    await page.getByRole('button', { name: 'Search', exact: true }).click()
    await page.keyboard.type('no such row')
    await page.getByText('Not found').waitFor()
    expect(await field.inputValue()).toBe('no such row')
    expect(await accessibilityFaults(page)).toEqual([])
    await picture(page, 'terminal-search')
    await page.keyboard.press('Escape')
    await field.waitFor({ state: 'detached' })
    // What is typed leaves as bytes; the page itself says in JSON what it has drawn, and its size.
    expect(sentFrames.slice(sent).filter((frame) => !frame.startsWith('{'))).toEqual([])
    // The terminal has the keyboard again.
    await page.keyboard.type('echo back-$((3+4))\n')
    await see('back-7')
    await page.keyboard.press('Control+Shift+L')
    const focused = await page.evaluate(() => document.activeElement?.textContent)
    // Tab goes on from here through all controls; Enter ends nothing.
    expect(focused).toBe('Search')
  },
)

test.skipIf(why !== undefined)('a hostile target drives neither the page nor the keyboard', async () => {
  const attack = [
    String.raw`\033]0;hijacked\007\033]2;hijacked\007`,
    String.raw`\033]52;c;cHduZWQ=\007\033]52;c;?\007`,
    String.raw`\033]8;;javascript:window.pwned=1\033\\click\033]8;;\033\\`,
    String.raw`\033[c\033[>c\033[=c\033[5n\033[6n\033[?6n\033[21t\033[18t\033[14t\033[?1$p\033[4$p`,
    String.raw`\033P$qm\033\\\033P$qr\033\\\033]4;1;?\007\033]10;?\007\033]11;?\007\033]12;?\007`,
    String.raw`\033[8;5;5t\033[?1004h\033[?1004l`,
  ].join('')
  await type('clear; stty -echo\n')
  const sent = sentFrames.length
  await page.evaluate(() => Reflect.set(window, 'pwned', 0))
  await type(`printf '${attack.replaceAll('%', '%%')}'; printf 'attack-%s\\n' over\n`)
  await see('attack-over')
  await type('stty echo; echo calm-$((1+1))\n')
  await see('calm-2')
  // What was sent since is what was typed: no answer of the terminal is among it.
  const typed = sentFrames
    .slice(sent)
    .filter((frame) => !frame.startsWith('{'))
    .join('')
  expect(typed).not.toContain('\u001b')
  expect(await page.title()).toBe(`${account()} · Tagout`)
  expect(await page.evaluate(() => Reflect.get(window, 'pwned'))).toBe(0)
  expect(await page.locator('.xterm a, .xterm-screen a').count()).toBe(0)
})

test.skipIf(why !== undefined)('ten megabytes of output leave the page answering', async () => {
  await type("clear; head -c 10000000 /dev/zero | tr '\\0' x | fold -w 100; echo flood-$((1+1))\n")
  await page.getByRole('button', { name: 'Keys' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Done' }).click()
  await until(async () => ((await rows()).includes('flood-2') ? true : undefined), 90_000)
})

test.skipIf(why !== undefined)('what ended says why, and what to do next', async () => {
  await type('exit 3\n')
  await page.getByText('The session is finished with exit code 3').waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'terminal-ended')
  await page.getByRole('button', { name: 'Connect again' }).click()
  await live()
  const session = await lastSession()
  await stage.installation.tagout(['session', 'terminate', session?.id ?? '', '--reason', 'maintenance'])
  await page.getByText('The session was terminated').waitFor()
})

test.skipIf(why !== undefined)('a connection that is lost offers a new one', async () => {
  await connect()
  await killRecorderWorkers(stage.installation)
  await page.getByText('The connection to the gateway was lost').waitFor()
  await until(async () => {
    await page
      .getByRole('button', { name: /Connect again|Try again/ })
      .click({ timeout: 2_000 })
      .catch(() => undefined)
    return (await page.getByTestId('time-left').count()) === 1 || undefined
  }, 60_000)
  await until(async () => (await rows()).includes('$') || undefined, 30_000)
})

test.skipIf(why !== undefined || !existsSync('/usr/bin/sudo'))(
  'at the prompt of sudo a button has its secret typed, and anywhere else it says why not',
  async () => {
    const sudoers = `/etc/sudoers.d/${stage.sshd.user}`
    writeFileSync(sudoers, `Defaults:${stage.sshd.user} !lecture\n${stage.sshd.user} ALL=(ALL) ALL\n`, {
      mode: 0o440,
    })
    try {
      const before = await stage.installation.tagoutJson<readonly { readonly id: string }[]>([
        'grant',
        'list',
      ])
      for (const { id } of before) await stage.installation.tagout(['grant', 'revoke', id])
      await stage.installation.tagout(['account', 'elevation', account(), '--sudo', account()])
      await stage.installation.tagout([
        'grant',
        'add',
        'bob',
        account(),
        '--for',
        '4h',
        '--allow',
        'shell,elevate',
      ])
      await connect()
      const button = page.getByRole('button', { name: 'Type the sudo secret' })
      await see(/\$\s*$/)
      await button.click()
      await page.getByText(/Nothing was typed, since this is not the password prompt of sudo/).waitFor()
      expect(await accessibilityFaults(page)).toEqual([])
      await picture(page, 'terminal-elevate')
      await page.getByRole('button', { name: 'Dismiss' }).click()
      await type('sudo id -un\n')
      await see(/password for \w+:/)
      await button.click()
      await see(/^root\s*$/m)
      // The terminal has the keyboard again.
      await page.keyboard.type('exit\n')
      await page.getByRole('link', { name: 'My access' }).waitFor()
      expect(await accessibilityFaults(page)).toEqual([])
    } finally {
      await rm(sudoers, { force: true })
    }
  },
)

test.skipIf(why !== undefined)('five minutes before the end, and at the end, the user is told', async () => {
  await stage.installation.tagout([
    'grant',
    'add',
    'bob',
    account(),
    '--for',
    '4h',
    '--max-session',
    '303s',
    '--allow',
    'shell',
  ])
  for (const { id, maxSessionSeconds } of await stage.installation.tagoutJson<
    readonly { readonly id: string; readonly maxSessionSeconds: number }[]
  >(['grant', 'list']))
    if (maxSessionSeconds !== 303) await stage.installation.tagout(['grant', 'revoke', id])
  await connect()
  await page.getByText(/This session ends in 5 minutes/).waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await picture(page, 'terminal-warning')
  await page.getByRole('button', { name: 'Dismiss' }).click()
  expect(await page.getByText(/This session ends in 5 minutes/).count()).toBe(0)
})

test.skipIf(why !== undefined)(
  'whoever signs out has left their terminals; no secret was in any frame',
  async () => {
    await page.evaluate(() =>
      fetch('/api/login', { method: 'DELETE', headers: { 'Content-Type': 'application/json' }, body: '{}' }),
    )
    await page.getByText('You have left the session').waitFor()
    const all = [...frames, ...bob.received].join('\n')
    expect(all).toContain('"kind":"started"')
    expect(all).not.toContain(stage.sshd.password)
    expect(all).not.toContain(Buffer.from(stage.sshd.password).toString('base64'))
    expect(bob.wrong.filter((line) => !line.includes('WebSocket connection to'))).toEqual([])
  },
)
