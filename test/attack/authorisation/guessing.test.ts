import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Client } from 'ssh2'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { VerbAnswer, VerbInput, VerbName } from '../../../vault/contract.ts'
import { connectAdmin, type VaultClient } from '../../../vault/index.ts'
import { makeSshUser } from '../../support/gateway.ts'
import { startTestInstallation, type TestInstallation } from '../../support/installation.ts'
import { type HttpPerson, type PlantHttp, plantHttp } from '../../support/plant-http.ts'
import { must } from '../../support/vault.ts'

// Thousands of guesses at a running installation, over HTTP and SSH, from many addresses: with wrong passwords, and with
// the right one and wrong codes. Who signs in from where they always do gets in meanwhile; whoever guesses never does.

vi.setConfig({ testTimeout: 600_000, hookTimeout: 240_000 })

let installation: TestInstallation
let http: PlantHttp
let admin: VaultClient
let bob: HttpPerson
let key: string
const home = '127.0.8.1'
const local = async <Name extends VerbName>(verb: Name, input: VerbInput<Name>): Promise<VerbAnswer<Name>> =>
  must(await admin.call(verb, input))

beforeAll(async () => {
  installation = await startTestInstallation({ withDatabase: true })
  admin = await connectAdmin(installation.dataDir)
  http = await plantHttp(installation)
  const { enrolment } = await local('user.add', { name: 'bob', roles: ['operator'] })
  bob = await http.enrol(enrolment.path, home)
  const { keyFile, publicLine } = makeSshUser(installation.dataDir, 'bob', [], installation.ssh.port)
  key = await readFile(keyFile, 'utf8')
  await local('user.key.add', { user: 'bob', publicKey: publicLine })
})
afterAll(async () => {
  admin?.close()
  http?.[Symbol.dispose]()
  await installation?.[Symbol.asyncDispose]()
})

const places = 100
const overHttp = 20
const overSsh = 2
const placeOf = (at: number) => `127.0.20.${at + 1}`
/** A code of no authenticator: whoever guesses is wrong nearly always, and here always. */
const wrongCode = 'abcdef'

test('whoever guesses thousands of times never gets in, and its person does from where they always do', async () => {
  const seen = new Map<string, number>()
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
  let isOver = false
  const attack = Promise.all(
    Array.from({ length: places }, async (_, at) => {
      const from = placeOf(at)
      // A third of them have the password, a third guess at it, a third at names that nobody has.
      const name = at % 3 === 2 ? `nobody-${at}` : 'bob'
      const password = at % 3 === 0 ? bob.password : `guess ${at} of a password`
      for (let turn = 0; turn < overHttp; turn += 1) {
        const status = await statusOf(name, password, wrongCode, from)
        count(`http ${status}${name === 'bob' ? ' bob' : ''}`)
      }
      for (let turn = 0; turn < overSsh; turn += 1) count(`ssh ${await guessOverSsh(from, name, password)}`)
    }),
  ).finally(() => {
    isOver = true
  })
  // Where the test fails before it is awaited, that is what is told.
  attack.catch(() => undefined)
  // Its person, meanwhile: by password and code in the console, and by their key over SSH.
  const took: number[] = []
  let tries = 0
  for (let round = 0; round < 3 || !isOver; round += 1) {
    const code = await bob.code()
    const begun = Date.now()
    const status = await statusOf(bob.name, bob.password, code, home)
    tries += 1
    took.push(Date.now() - begun)
    expect([status, tries]).toEqual([200, tries])
    expect(await keyOverSsh(home)).toBe(true)
  }
  await attack
  const all = [...seen].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const sum = all.reduce((total, [, one]) => total + one, 0)
  console.info(
    `guessed ${sum} times from ${places} places: ${all.map(([what, one]) => `${one} × ${what}`).join(', ')}; its person signed in ${tries} times meanwhile, within ${Math.max(...took)} ms`,
  )
  expect(sum).toBe(places * (overHttp + overSsh))
  expect(all.filter(([what]) => /200|ready/.test(what))).toEqual([])
  // Of some thousand guesses at one name a few dozen were looked at, from wherever they came.
  expect(seen.get('http 401 bob') ?? 0).toBeLessThan(60)
  const logins = await local('login.list', {})
  expect(logins.every(({ source }) => source === home || source.startsWith('local'))).toBe(true)
  expect(await local('audit.verify', {})).toMatchObject({ ok: true })
})

/** A connection that was kept and is closed at that moment is opened again, as browsers do. */
async function statusOf(name: string, password: string, code: string, from: string): Promise<number> {
  for (;;)
    try {
      return (await http.signIn(name, password, code, from)).status
    } catch (error) {
      if (!(error instanceof Error && /socket hang up|ECONNRESET/.test(error.message))) throw error
    }
}

/** One connection, which tries a password and a code as often as it is asked. */
async function guessOverSsh(from: string, name: string, password: string): Promise<string> {
  const client = new Client()
  client.on('keyboard-interactive', (_name, _text, _language, prompts, finish) =>
    finish(prompts.map((_prompt, at) => (at === 0 ? password : wrongCode))),
  )
  const ended = Promise.race([
    once(client, 'ready').then(
      () => 'ready',
      () => 'refused',
    ),
    once(client, 'close').then(
      () => 'closed',
      () => 'refused',
    ),
  ])
  client.on('error', () => undefined)
  client.connect({
    host: installation.ssh.host,
    port: installation.ssh.port,
    localAddress: from,
    username: name,
    password,
    tryKeyboard: true,
    hostVerifier: () => true,
    readyTimeout: 60_000,
  })
  const what = await ended
  client.destroy()
  return what
}

/** Does the key let its person in? */
async function keyOverSsh(from: string): Promise<boolean> {
  const client = new Client()
  client.on('error', () => undefined)
  const isIn = Promise.race([
    once(client, 'ready').then(
      () => true,
      () => false,
    ),
    once(client, 'close').then(
      () => false,
      () => false,
    ),
  ])
  client.connect({
    host: installation.ssh.host,
    port: installation.ssh.port,
    localAddress: from,
    username: 'bob',
    privateKey: key,
    hostVerifier: () => true,
    readyTimeout: 60_000,
  })
  const is = await isIn
  client.destroy()
  return is
}
