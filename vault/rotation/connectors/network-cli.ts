import type { Client, ClientChannel } from 'ssh2'
import type { Secret } from '../../kernel/secret.ts'
import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, KeepResult, LoginResult } from '../phases.ts'
import { type CliRecipe, placesIn } from '../recipes/cli-recipe.ts'
import { readRecipe } from '../recipes/recipe.ts'
import { CliScript, type Values, type Went } from './cli-script.ts'
import { type NoLogin, sshLogin } from './ssh-login.ts'
import { telnetLogin } from './telnet-login.ts'
import { Terminal } from './terminal.ts'
import { isAWord } from './word.ts'

/**
 * A password of a machine with a command line, over SSH or Telnet, changed and kept over a restart as a recipe says. The
 * recipe is data: nothing of it is run, and what it may say is bounded.
 */
export const networkCli: Connector = { change, login, persist, reconcile }

/** A login of which the recipe's `enter` was followed, or why there is none. */
type Entered = ({ readonly kind: 'open'; readonly script: CliScript } & AsyncDisposable) | NoLogin

async function change(at: Place, current: Credential, candidate: Credential): Promise<Seen<ChangeResult>> {
  const recipe = readRecipe('tagout/network-cli/1', at.recipe)
  if (current.kind !== 'password' || candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector changes passwords' }, false)
  return set(at, recipe, current.secret, {
    login: at.account.login,
    current: current.secret,
    candidate: candidate.secret,
  })
}

async function reconcile(
  at: Place,
  privileged: Credential & { readonly login: string },
  candidate: Credential,
): Promise<Seen<ChangeResult>> {
  const recipe = readRecipe('tagout/network-cli/1', at.recipe)
  if (!recipe.reconciles)
    return saw(
      { kind: 'untouched', why: `the recipe ${recipe.name} sets the password of no other account` },
      false,
    )
  if (privileged.kind !== 'password' || candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector sets passwords' }, false)
  const account = { login: privileged.login, name: `${at.target.name}/${privileged.login}` }
  const values = { login: at.account.login, candidate: candidate.secret }
  const seen = await set({ ...at, account }, recipe, privileged.secret, values)
  // What is counted are the logins of the account that is reconciled.
  return { ...seen, sent: false }
}

/** Logs in as the account of `at`, and has `values.login` take `values.candidate`. */
async function set(at: Place, recipe: CliRecipe, secret: Secret, given: Values): Promise<Seen<ChangeResult>> {
  const values: Values = at.elevation === undefined ? given : { ...given, enable: at.elevation }
  const fault = unfit(at, recipe, values)
  if (fault !== undefined) return saw({ kind: 'untouched', why: fault }, false)
  const opened = await enter(at, recipe, secret, values)
  if (opened.kind === 'failed')
    return saw(
      { kind: 'untouched', why: opened.why, ...(opened.rejected ? { rejected: true as const } : {}) },
      opened.sent,
    )
  await using login = opened
  const { script } = login
  const went = await script.follow('change', recipe.change)
  const result = changeOf(went, script.hasGiven('candidate'))
  if (went.kind === 'went') await script.follow('leave', recipe.leave)
  return saw(result, 'let in')
}

function changeOf(went: Went, isGiven: boolean): ChangeResult {
  if (went.kind === 'went') return { kind: 'changed' }
  if (!isGiven) return { kind: 'untouched', why: went.why }
  return { kind: went.kind === 'refused' ? 'refused' : 'unknown', why: went.why }
}

/** A fresh login. Over SSH it is the protocol that says whether it was let in; over Telnet a prompt does. */
async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  const recipe = readRecipe('tagout/network-cli/1', at.recipe)
  if (credential.kind !== 'password')
    return saw({ kind: 'unreachable', why: 'this connector tries passwords' }, false)
  const fault = notALine(at, credential.secret)
  if (fault !== undefined) return saw({ kind: 'unreachable', why: fault }, false)
  if (at.target.protocol !== 'telnet') {
    const opened = await sshLogin(at, credential)
    if (opened.kind === 'failed')
      return saw({ kind: opened.rejected ? 'rejected' : 'unreachable', why: opened.why }, opened.sent)
    await opened[Symbol.asyncDispose]()
    return saw({ kind: 'accepted' }, true)
  }
  const opened = await open(at, recipe, credential.secret, { login: at.account.login })
  if (opened.kind === 'failed')
    return saw({ kind: opened.rejected ? 'rejected' : 'unreachable', why: opened.why }, opened.sent)
  await using entered = opened
  await entered.script.follow('leave', recipe.leave)
  return saw({ kind: 'accepted' }, true)
}

async function persist(at: Place, candidate: Credential): Promise<Seen<KeepResult>> {
  const recipe = readRecipe('tagout/network-cli/1', at.recipe)
  if (recipe.persist === undefined) return saw({ kind: 'kept' }, false)
  if (candidate.kind !== 'password')
    return saw({ kind: 'unknown', why: 'this connector changes passwords' }, false)
  const { login: name } = at.account
  const values: Values = at.elevation === undefined ? { login: name } : { login: name, enable: at.elevation }
  const opened = await enter(at, recipe, candidate.secret, values)
  if (opened.kind === 'failed')
    return saw({ kind: opened.rejected ? 'rejected' : 'unknown', why: opened.why }, opened.sent)
  await using entered = opened
  const went = await entered.script.follow('persist', recipe.persist)
  if (went.kind !== 'went') return saw({ kind: 'unknown', why: went.why }, 'let in')
  await entered.script.follow('leave', recipe.leave)
  return saw({ kind: 'kept' }, true)
}

async function enter(at: Place, recipe: CliRecipe, secret: Secret, values: Values): Promise<Entered> {
  const opened = await open(at, recipe, secret, values)
  if (opened.kind === 'failed') return opened
  const went = await opened.script.follow('enter', recipe.enter)
  if (went.kind === 'went') return opened
  await opened[Symbol.asyncDispose]()
  return { kind: 'failed', why: went.why, rejected: false, sent: 'let in' }
}

/** Logs in, and waits for the first prompt. */
async function open(at: Place, recipe: CliRecipe, secret: Secret, values: Values): Promise<Entered> {
  const { target } = at
  if (target.protocol === 'telnet') {
    const opened = await telnetLogin(at, recipe.telnet, secret)
    if (opened.kind === 'failed') return opened
    const script = new CliScript(opened.terminal, recipe, values, { name: target.name, isTelnet: true })
    const went = await script.begin(opened.isRefused, at.withinMs)
    if (went.kind === 'went')
      return { kind: 'open', script, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
    await opened[Symbol.asyncDispose]()
    return { kind: 'failed', why: went.why, rejected: went.kind === 'refused', sent: true }
  }
  const opened = await sshLogin(at, { kind: 'password', secret })
  if (opened.kind === 'failed') return opened
  const channel = await shellOf(opened.client, at)
  if (channel === undefined) {
    await opened[Symbol.asyncDispose]()
    const why = `${target.name} gave no command line: it may have too many sessions`
    return { kind: 'failed', why, rejected: false, sent: 'let in' }
  }
  const terminal = new Terminal(channel, at.signal)
  const script = new CliScript(terminal, recipe, values, { name: target.name, isTelnet: false })
  const went = await script.begin(() => false, at.withinMs)
  if (went.kind === 'went')
    return { kind: 'open', script, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
  await opened[Symbol.asyncDispose]()
  return { kind: 'failed', why: went.why, rejected: false, sent: 'let in' }
}

async function shellOf(client: Client, at: Place): Promise<ClientChannel | undefined> {
  const { promise, resolve } = Promise.withResolvers<ClientChannel | undefined>()
  const gone = () => resolve(undefined)
  client.once('close', gone)
  at.signal.addEventListener('abort', gone, { once: true })
  try {
    // Wide and high, so that as little as may be is wrapped or paged.
    client.shell({ term: 'vt100', cols: 200, rows: 200 }, (error, channel) =>
      resolve(error === undefined || error === null ? channel : undefined),
    )
    return await promise
  } catch {
    return undefined
  } finally {
    client.off('close', gone)
    at.signal.removeEventListener('abort', gone)
  }
}

/**
 * Why what is to be entered cannot be, or undefined.
 *
 * SECURITY: nothing of a name or a secret may end its line or its word: what comes after would be a command.
 */
function unfit(at: Place, recipe: CliRecipe, values: Values): string | undefined {
  const steps = [...recipe.enter, ...recipe.change, ...(recipe.persist ?? [])]
  if (steps.some(({ send }) => placesIn(send).includes('login')) && !isAWord(values.login))
    return `the login name ${JSON.stringify(values.login)} is no word of a command line`
  for (const { send, echoes } of steps)
    for (const place of placesIn(send)) {
      const secret = place === 'login' ? undefined : values[place]
      if (secret === undefined) continue
      const fault = notALine(at, secret) ?? (echoes === true ? notAWord(at, secret, place) : undefined)
      if (fault !== undefined) return fault
    }
  return undefined
}

function notALine(at: Place, secret: Secret): string | undefined {
  return secret.expose((bytes) => bytes.length === 0 || bytes.some((byte) => byte < 0x20 || byte === 0x7f))
    ? `a password for ${at.target.name} is empty or holds control characters, which a terminal takes for keys`
    : undefined
}

function notAWord(at: Place, secret: Secret, place: string): string | undefined {
  return secret.expose((bytes) => !isAWord(Buffer.from(bytes).toString('latin1')))
    ? `the ${place} password holds a character that the command line of ${at.target.name} takes for something else`
    : undefined
}
