import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'ssh2'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { VerbAnswer, VerbInput, VerbName } from '../../../vault/contract.ts'
import { sodium } from '../../../vault/crypto/sodium.ts'
import { connectAdmin, type VaultClient } from '../../../vault/index.ts'
import { makeSealedAccountSecret } from '../../../vault/intake.ts'
import { makeSshUser } from '../../support/gateway.ts'
import { startTestInstallation, type TestInstallation, until } from '../../support/installation.ts'
import { type HttpAnswer, type HttpPerson, type PlantHttp, plantHttp } from '../../support/plant-http.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../../support/sshd.ts'
import { must } from '../../support/vault.ts'

// Two who do at the same moment what only one may, over HTTP and SSH, at a running installation. What one vault decides
// between two callers at its door is tried in test/attack/vault and test/integration/vault.

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })

const why = whyNoSshd()
if (why !== undefined) console.warn(`races are not tried at an installation: ${why}`)

let installation: TestInstallation
let sshd: TestSshd
let http: PlantHttp
let admin: VaultClient
const people: HttpPerson[] = []
let key: string
const account = () => `press-3/${sshd.user}`

const local = async <Name extends VerbName>(verb: Name, input: VerbInput<Name>): Promise<VerbAnswer<Name>> =>
  must(await admin.call(verb, input))
const person = (at: number) => {
  const one = people[at]
  if (one === undefined) throw new TypeError(`there is no person ${at}`)
  return one
}
const ask = (at: number, method: string, path: string, body: object = {}) =>
  http.ask(method, path, { token: person(at).token, body })
const statuses = (answers: readonly HttpAnswer[]) =>
  answers.map(({ status }) => status).toSorted((a, b) => a - b)
const counted = (answers: readonly HttpAnswer[], status: number) =>
  answers.filter((answer) => answer.status === status).length

beforeAll(async () => {
  if (why !== undefined) return
  ;[installation, sshd] = await Promise.all([startTestInstallation({ withDatabase: true }), startSshd()])
  admin = await connectAdmin(installation.dataDir)
  http = await plantHttp(installation)
  const { intakeKey } = await local('status', {})
  await installation.tagout(['auditor', 'keygen', '--out', 'a.key', '--passphrase-stdin'], {
    cwd: installation.dataDir,
    stdin: 'birch lantern 8851',
  })
  await installation.tagout(['auditor', 'add', 'ingrid', 'a.key.pub', '--recovery-out', 'r.key'], {
    cwd: installation.dataDir,
  })
  await local('safe.add', { name: 'line-3' })
  await local('target.add', {
    name: 'press-3',
    safe: 'line-3',
    address: `ssh://127.0.0.1:${sshd.port}`,
    pin: sshd.pins[0]?.fingerprint ?? '',
  })
  await local('account.add', {
    target: 'press-3',
    login: sshd.user,
    credential: {
      kind: 'password',
      sealed: makeSealedAccountSecret(sodium, intakeKey ?? '', account(), Buffer.from(sshd.password)),
    },
  })
  for (let at = 0; at < 16; at += 1) {
    const { enrolment } = await local('user.add', { name: `racer-${at}`, roles: ['operator', 'approver'] })
    people.push(await http.enrol(enrolment.path))
    await local('safe.member.set', {
      safe: 'line-3',
      user: `racer-${at}`,
      permissions: ['use', 'approve', 'reveal'],
    })
  }
  for (const { name } of people)
    await local('grant.add', { user: name, account: account(), actions: ['shell'] })
  const { keyFile, publicLine } = makeSshUser(installation.dataDir, 'racer-0', [], installation.ssh.port)
  key = await readFile(keyFile, 'utf8')
  await local('user.key.add', { user: 'racer-0', publicKey: publicLine })
})
afterAll(async () => {
  admin?.close()
  http?.[Symbol.dispose]()
  await installation?.[Symbol.asyncDispose]()
  await sshd?.stop()
})

test.skipIf(why !== undefined)(
  'of 64 who check an account out exclusively at once, one person holds it',
  async () => {
    let rounds = 0
    for (; rounds < 5; rounds += 1) {
      const answers = await Promise.all(
        Array.from({ length: 64 }, (_, at) =>
          ask(at % people.length, 'POST', '/api/leases', { account: account(), exclusive: true }).then(
            (answer) => ({ answer, at: at % people.length }),
          ),
        ),
      )
      const holders = new Set(answers.flatMap(({ answer, at }) => (answer.status === 200 ? [at] : [])))
      expect(holders.size).toBe(1)
      expect(new Set(answers.map(({ answer }) => answer.status))).toEqual(new Set([200, 409]))
      const leases = await local('lease.list', {})
      expect(leases).toHaveLength(1)
      await local('lease.checkIn', { lease: leases[0]?.id as never, reason: 'the next round' })
    }
    console.info(`double check-out: ${rounds} rounds of 64 racers, one holder each`)
  },
)

test.skipIf(why !== undefined)(
  'a request is answered once, by one of its approvers or by its asker',
  async () => {
    const ends = new Map<string, number>()
    for (let round = 0; round < 24; round += 1) {
      const asked = await ask(1, 'POST', '/api/requests', {
        account: account(),
        actions: ['exec'],
        forSeconds: 3600,
        reason: `round ${round}`,
      })
      expect(asked.status).toBe(200)
      const { id, digest } = JSON.parse(asked.text)
      const deny = (at: number) =>
        pause(Math.random() * 8).then(() =>
          ask(at, 'POST', `/api/requests/${id}/decide`, { verdict: 'deny', digest, note: 'x' }),
        )
      const withdraw = () =>
        pause(Math.random() * 8).then(() => ask(1, 'POST', `/api/requests/${id}/withdraw`))
      // A code is good once in half a minute: an approval is tried where there is a fresh one.
      const approver = round + 2
      const approve =
        approver < people.length
          ? person(approver)
              .code()
              .then((totpCode) =>
                ask(approver, 'POST', `/api/requests/${id}/decide`, { verdict: 'approve', digest, totpCode }),
              )
          : deny(4)
      const answers = await Promise.all([approve, deny(2), withdraw(), deny(3)])
      // Of a request that is over one is told so.
      expect(statuses(answers)).toEqual([200, 409, 409, 409])
      const shown = await local('request.show', { request: id })
      ends.set(shown.state, (ends.get(shown.state) ?? 0) + 1)
      const grants = (await local('grant.list', { user: 'racer-1' })).filter(
        ({ actions }) => actions.join() === 'exec',
      )
      expect(grants.length).toBe(ends.get('approved') ?? 0)
    }
    console.info(
      `approve, deny, withdraw at once: 24 requests, ${[...ends].map(([end, count]) => `${count} ${end}`).join(', ')}`,
    )
  },
)

test.skipIf(why !== undefined)(
  'one code signs in once, however it is written, from wherever it comes',
  async () => {
    const one = person(15)
    let rounds = 0
    for (; rounds < 2; rounds += 1) {
      const code = await one.code()
      const spelled = [code, code, ` ${code}`, `${code} `, `${code.slice(0, 3)} ${code.slice(3)}`, code]
      const answers = await Promise.all(
        spelled.map((text, at) =>
          http.signIn(one.name, one.password, text, `127.0.7.${rounds * 20 + at + 1}`),
        ),
      )
      expect(counted(answers, 200)).toBe(1)
      expect(answers.every(({ status }) => [200, 401, 429].includes(status))).toBe(true)
    }
    console.info(`one code, six sign-ins at once: ${rounds} rounds, one signed in each`)
  },
)

test.skipIf(why !== undefined)('one ticket opens one connection', async () => {
  let rounds = 0
  for (; rounds < 6; rounds += 1) {
    // Of another person each round: who is tried ten times has to wait.
    const { ticket } = JSON.parse((await ask(rounds, 'POST', '/api/tickets', { account: account() })).text)
    const opened = await Promise.all(
      Array.from({ length: 6 }, async (_, at) => {
        // Each from a place of its own: whoever comes late has guessed, as far as the vault knows.
        const from = `127.0.6.${rounds * 10 + at + 1}`
        const client = connect({ password: ticket, name: person(rounds).name, from })
        const isIn = await ready(client)
        client.destroy()
        return isIn
      }),
    )
    expect(opened.filter(Boolean)).toHaveLength(1)
  }
  console.info(`one ticket, six connections at once: ${rounds} rounds, one let in each`)
})

test.skipIf(why !== undefined)(
  'after signing out nothing is answered, and nothing breaks on the way',
  async () => {
    let asked = 0
    for (let at = 10; at < 14; at += 1) {
      const before = Array.from({ length: 12 }, () => ask(at, 'GET', '/api/logins'))
      const out = ask(at, 'DELETE', '/api/login')
      const beside = Array.from({ length: 12 }, () =>
        pause(Math.random() * 20).then(() => ask(at, 'POST', '/api/tickets', { account: account() })),
      )
      expect((await out).status).toBe(200)
      const after = await Promise.all(Array.from({ length: 12 }, () => ask(at, 'GET', '/api/logins')))
      expect(new Set(statuses(after))).toEqual(new Set([401]))
      const all = [...(await Promise.all(before)), ...(await Promise.all(beside))]
      expect(all.every(({ status }) => status === 200 || status === 401)).toBe(true)
      // A ticket that was given before goes with the login that took it.
      for (const { status, text } of all) {
        if (status !== 200 || !text.includes('ticket')) continue
        const client = connect({
          password: JSON.parse(text).ticket,
          name: person(at).name,
          from: `127.0.5.${at + 1}`,
        })
        expect(await ready(client)).toBe(false)
        client.destroy()
        break
      }
      asked += all.length + after.length
    }
    console.info(`signing out beside other calls: ${asked} calls of 4 people`)
  },
)

test.skipIf(why !== undefined)('who loses the right to see a secret sees none afterwards', async () => {
  const ends = new Map<number, number>()
  const box = sodium.crypto_box_keypair()
  for (let at = 2; at < 10; at += 1) {
    const totpCode = await person(at).code()
    const reveal = () =>
      ask(at, 'POST', `/api/accounts/${encodeURIComponent(account())}/reveal`, {
        boxKey: Buffer.from(box.publicKey).toString('base64'),
        totpCode,
        reason: 'a race',
      })
    const take = () =>
      local('safe.member.set', { safe: 'line-3', user: person(at).name, permissions: ['use'] })
    // Two that are no race: what each of both looks like that comes first. Of the others half begin with each.
    let seen: HttpAnswer
    if (at === 2) {
      seen = await reveal()
      await take()
    } else if (at === 3) {
      await take()
      seen = await reveal()
    } else {
      const [first, second] = at % 2 === 0 ? [0, 60] : [30, 12]
      ;[seen] = await Promise.all([
        pause(Math.random() * first).then(reveal),
        pause(Math.random() * second).then(take),
      ])
    }
    expect([200, 403]).toContain(seen.status)
    ends.set(seen.status, (ends.get(seen.status) ?? 0) + 1)
    // In the order of the log no secret was shown after the right was taken.
    await local('audit.verify', {})
    const entries = await local('audit.list', { limit: 200 })
    const mine = entries.filter(({ entry }) => JSON.stringify(entry).includes(`"${person(at).name}"`))
    const shownAt = mine.findLastIndex(({ kind }) => kind === 'account.revealed')
    const takenAt = mine.findLastIndex(({ kind }) => kind === 'safe.member-set')
    expect(takenAt).toBeGreaterThanOrEqual(0)
    expect([shownAt >= 0, shownAt < takenAt]).toEqual([seen.status === 200, true])
  }
  expect([...ends.keys()].toSorted((a, b) => a - b)).toEqual([200, 403])
  console.info(
    `a right taken while a secret is asked for: ${[...ends].map(([status, count]) => `${count} answered ${status}`).join(', ')}`,
  )
})

test.skipIf(why !== undefined)(
  'a grant that is revoked while its user connects ends within three seconds',
  async () => {
    const longest: number[] = []
    let letIn = 0
    for (const { id } of await local('grant.list', { user: 'racer-0' }))
      await local('grant.revoke', { grant: id })
    for (let round = 0; round < 10; round += 1) {
      const grant = await local('grant.add', { user: 'racer-0', account: account(), actions: ['exec'] })
      const client = connect({ privateKey: key })
      const isIn = ready(client).then((is) => {
        if (is) client.exec('sleep 600', () => undefined)
        return is
      })
      await pause(round * 120)
      await local('grant.revoke', { grant: grant.id })
      const revoked = Date.now()
      if (await isIn) letIn += 1
      await until(
        async () => ((await local('session.list', { live: true })).length === 0 ? true : undefined),
        10_000,
      )
      longest.push(Date.now() - revoked)
      client.destroy()
      expect(await local('session.list', { live: true })).toEqual([])
    }
    console.info(
      `revoked while connecting: 10 rounds, ${letIn} were let in before; all over after ${Math.max(...longest)} ms`,
    )
    expect(Math.max(...longest)).toBeLessThan(3_000)
  },
)

/** Begins to connect as a racer, with a key or a ticket. */
function connect(by: {
  readonly privateKey?: string
  readonly password?: string
  readonly name?: string
  readonly from?: string
}): Client {
  const client = new Client()
  client.on('keyboard-interactive', (_name, _text, _language, prompts, finish) =>
    finish(prompts.map(() => by.password ?? '')),
  )
  client.connect({
    host: installation.ssh.host,
    ...(by.from === undefined ? {} : { localAddress: by.from }),
    port: installation.ssh.port,
    username: `${by.name ?? 'racer-0'}@${sshd.user}@press-3`,
    ...(by.privateKey === undefined
      ? { password: by.password ?? '', tryKeyboard: true }
      : { privateKey: by.privateKey }),
    hostVerifier: () => true,
    readyTimeout: 60_000,
  })
  return client
}

/** Was it let in? */
async function ready(client: Client): Promise<boolean> {
  client.on('error', () => undefined)
  return Promise.race([
    once(client, 'ready').then(
      () => true,
      () => false,
    ),
    once(client, 'close').then(
      () => false,
      () => false,
    ),
  ])
}
