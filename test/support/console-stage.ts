import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, expect } from 'vitest'
import { cookieName } from '../../api/http/cookie.ts'
import {
  accessibilityFaults,
  enrol,
  launchBrowser,
  layoutFaults,
  newPerson,
  type Person,
  picture,
  whyNoBrowser,
  windows,
} from './console-browser.ts'
import { type Ran, startTestInstallation, type TestInstallation } from './installation.ts'
import { plantHttp } from './plant-http.ts'
import { startSshd, type TestSshd, whyNoSshd } from './sshd.ts'

/** A host key's fingerprint for machines that nobody connects to. */
export const somePin = 'SHA256:0pSQmuTkvVh8nMMPA1uYCLC0mSwLYTNs2DkMGwSWvOc'

/** The password of whoever `enrolled` lets in: looked for in what left their browsers. */
export const peoplesPassword = 'canary-ash-meadow-5127'

/** Somebody who has signed in at a browser of their own. */
export type Actor = Person & {
  /** The next code of their second factor; each is given once. */
  readonly code: () => Promise<string>
}

/** Settings of the installation, or what makes them of the stage's folder. */
export type StageEnvironment =
  | Readonly<Record<string, string>>
  | ((room: string) => Promise<Readonly<Record<string, string>>>)

export type ConsoleStage = {
  /** Why nothing of this can run here, or undefined when it can: for `test.skipIf`. */
  readonly why: string | undefined
  /** An empty folder, in which `run` runs. */
  readonly room: string
  readonly installation: TestInstallation
  readonly browser: Browser
  /** The machine at the other end, where the stage was asked for one. */
  readonly sshd: TestSshd
  /** Starts it all: the first line of `beforeAll`. */
  readonly start: (env?: StageEnvironment) => Promise<void>
  /** Runs `tagout`; what it refuses is an answer. */
  readonly tagout: (args: readonly string[], stdin?: string) => Promise<Ran>
  /** Runs `tagout` and answers what it printed. Throws where it refused. */
  readonly run: (args: readonly string[], stdin?: string) => Promise<string>
  /** Adds a machine to a safe, with accounts that have the machine's password: the stage's own, or one that is not there. */
  readonly machine: (name: string, safe: string, logins?: readonly string[]) => Promise<void>
  /** Makes ingrid the first auditor, with `auditor.key` in the room. */
  readonly auditor: () => Promise<void>
  /** Adds a user, and answers the link that lets them in. */
  readonly added: (name: string, role: string) => Promise<string>
  /** Somebody at the sign-in page. What they see is told when a test fails. */
  readonly visitor: (name: string, origin?: string, browser?: Browser) => Promise<Person>
  /** Adds a user (or takes the link at hand), who goes through their link and signs in, in a browser of their own if it is given. */
  readonly enrolled: (
    name: string,
    way: ({ readonly role: string } | { readonly link: string }) & { readonly browser?: Browser },
  ) => Promise<Actor>
  /** Opens a page of the console by its address, and waits for its heading. */
  readonly open: (page: Page, path: string, heading: string | RegExp) => Promise<void>
}

/**
 * The stage of one file of browser tests, with an installation of its own; cleared away after its last test.
 * `about` is what is tested, in the words that a skipped run prints.
 */
export function consoleStage(about: string, needs: { readonly sshd?: boolean } = {}): ConsoleStage {
  const why = whyNoBrowser() ?? (needs.sshd === true ? whyNoSshd() : undefined)
  if (why !== undefined) console.warn(`not tested in a browser: ${about}: ${why}`)
  let room: string | undefined
  let installation: TestInstallation | undefined
  let browser: Browser | undefined
  let sshd: TestSshd | undefined
  const people = new Map<string, Person>()

  afterAll(async () => {
    await browser?.close()
    await installation?.[Symbol.asyncDispose]()
    await sshd?.stop()
    if (room !== undefined) await rm(room, { recursive: true, force: true })
  })
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return
    for (const [name, { page, wrong }] of people) {
      console.error(name, page.url(), (await page.locator('body').innerText()).slice(0, 4_000), wrong)
      await picture(page, `failed-${task.name.slice(0, 20)}-${name}`)
    }
  })

  const stage: ConsoleStage = {
    why,
    get room() {
      return started(room)
    },
    get installation() {
      return started(installation)
    },
    get browser() {
      return started(browser)
    },
    get sshd() {
      return started(sshd)
    },
    start: async (env = {}) => {
      room = await mkdtemp(join(tmpdir(), 'tagout-stage-'))
      // The planes may run as users of their own, and read what a test puts there.
      await chmod(room, 0o755)
      const settings = typeof env === 'function' ? await env(room) : env
      const [first, second, third] = await Promise.allSettled([
        startTestInstallation({ env: settings, withDatabase: true }),
        launchBrowser(),
        needs.sshd === true ? startSshd() : undefined,
      ])
      if (first.status === 'fulfilled') installation = first.value
      if (second.status === 'fulfilled') browser = second.value
      if (third.status === 'fulfilled') sshd = third.value
      for (const one of [first, second, third]) if (one.status === 'rejected') throw one.reason
    },
    tagout: (args, stdin) =>
      stage.installation.tagout(args, { cwd: stage.room, ...(stdin === undefined ? {} : { stdin }) }),
    run: async (args, stdin) => {
      const ran = await stage.tagout(args, stdin)
      if (ran.code !== 0) throw new Error(`tagout ${args.join(' ')}: ${ran.stderr}`)
      return ran.stdout
    },
    machine: async (name, safe, logins) => {
      const [address, pin] =
        sshd === undefined
          ? ['ssh://127.0.0.1:2201', ['--pin', somePin]]
          : [`ssh://127.0.0.1:${sshd.port}`, ['--pin-now']]
      await stage.run(['target', 'add', name, address, '--safe', safe, ...pin])
      for (const login of logins ?? [sshd?.user ?? 'engineer'])
        await stage.run(
          ['account', 'add', `${name}/${login}`, '--password-stdin'],
          sshd?.password ?? 'a password of a machine',
        )
    },
    auditor: async () => {
      await stage.run(
        ['auditor', 'keygen', '--out', 'auditor.key', '--passphrase-stdin'],
        'birch lantern 8851',
      )
      await stage.run(['auditor', 'add', 'ingrid', 'auditor.key.pub', '--recovery-out', 'recordings.key'])
    },
    added: async (name, role) => {
      const { enrolment } = await stage.installation.tagoutJson<{
        readonly enrolment: { readonly link: string }
      }>(['user', 'add', name, '--role', role])
      return enrolment.link
    },
    visitor: async (name, origin = stage.installation.console, its = stage.browser) => {
      const person = await newPerson(its, origin)
      people.set(name, person)
      return person
    },
    enrolled: async (name, way) => {
      const link = 'link' in way ? way.link : await stage.added(name, way.role)
      const person = await stage.visitor(name, stage.installation.console, way.browser)
      // Somebody elsewhere has no other way than their browser.
      if (way.browser !== undefined)
        return { ...person, code: await enrol(person.page, link, peoplesPassword) }
      // The page behind the link is for the tests that are of it: a browser takes seconds over it.
      using http = await plantHttp(stage.installation)
      const { token, code } = await http.enrol(link, '127.0.0.1', { password: peoplesPassword })
      await person.context.addCookies([
        {
          name: cookieName,
          value: token,
          url: stage.installation.console,
          httpOnly: true,
          secure: true,
          sameSite: 'Strict',
        },
      ])
      await stage.open(person.page, '/', 'Overview')
      return { ...person, code }
    },
    open: async (page, path, heading) => {
      await page.goto(`${stage.installation.console}${path}`)
      await page.getByRole('heading', { level: 1, name: heading }).waitFor()
    },
  }
  return stage
}

/** The page as it is has no fault that axe finds, and nothing of it runs off a laptop, a desk or a phone. */
export async function looksRight(page: Page): Promise<void> {
  expect(await accessibilityFaults(page)).toEqual([])
  for (const size of windows) expect([size.width, await layoutFaults(page, size)]).toEqual([size.width, []])
}

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('the stage was not started')
  return part
}
