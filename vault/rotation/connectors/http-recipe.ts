import type { Secret } from '../../kernel/secret.ts'
import type { Connector, Credential, Place, Seen, Sent } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, KeepResult, LoginResult } from '../phases.ts'
import type { HttpRecipe, HttpStep } from '../recipes/http-recipe.ts'
import { readRecipe } from '../recipes/recipe.ts'
import { unfitForAuth } from './http-auth.ts'
import { type HttpValues, unfitFor } from './http-body.ts'
import { HttpTalk } from './http-talk.ts'
import { ofPasswords, type SetPassword } from './of-passwords.ts'

/**
 * A password of a device or a server with a web page or an API, changed, kept and proven as a recipe says. The recipe is
 * data: nothing of it is run, no redirection is followed, and each request goes to the pinned machine alone.
 */
export const httpRecipe: Connector = { ...ofPasswords(set), login, persist, retire }

type Who = { readonly login: string; readonly secret: Secret }

/** A login of which the recipe's `enter` was followed, or why there is none. */
type Entered =
  | { readonly kind: 'in'; readonly talk: HttpTalk }
  | { readonly kind: 'failed'; readonly why: string; readonly rejected: boolean; readonly sent: boolean }

async function set(...[at, who, candidate, current]: Parameters<SetPassword>): Promise<Seen<ChangeResult>> {
  const recipe = recipeOf(at)
  if (current === undefined && !recipe.reconciles)
    return saw(
      { kind: 'untouched', why: `the recipe ${recipe.name} sets the password of no other account` },
      false,
    )
  const secrets = {
    candidate: candidate.secret,
    ...(current === undefined ? {} : { current: current.secret }),
  }
  const entered = await enter(at, recipe, who, secrets, recipe.change)
  if (entered.kind === 'failed') {
    const { why, rejected, sent } = entered
    return saw({ kind: 'untouched', why, ...(rejected ? { rejected } : {}) } as ChangeResult, sent)
  }
  const { talk } = entered
  const went = await talk.follow('change', recipe.change)
  await leave(talk, recipe)
  if (went.kind === 'went') return saw({ kind: 'changed' }, 'let in')
  if (!talk.hasGiven('candidate')) return saw({ kind: 'untouched', why: went.why }, 'let in')
  return saw({ kind: went.kind === 'refused' ? 'refused' : 'unknown', why: went.why }, 'let in')
}

/** A fresh login, and out again: sessions are few. */
async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  const recipe = recipeOf(at)
  if (credential.kind !== 'password')
    return saw({ kind: 'unreachable', why: 'this connector tries passwords' }, false)
  const { verify = [] } = recipe
  const who = { login: at.account.login, secret: credential.secret }
  const entered = await enter(at, recipe, who, {}, verify)
  if (entered.kind === 'failed') return saw(verdict(entered.rejected, entered.why), entered.sent)
  const { talk } = entered
  const went = await talk.follow('verify', verify)
  await leave(talk, recipe)
  return saw(went.kind === 'went' ? { kind: 'accepted' } : verdict(went.kind === 'rejected', went.why), true)
}

function verdict(isRejected: boolean, why: string): LoginResult {
  return { kind: isRejected ? 'rejected' : 'unreachable', why }
}

async function persist(at: Place, candidate: Credential): Promise<Seen<KeepResult>> {
  return keep(at, candidate, 'persist')
}

async function retire(at: Place, candidate: Credential): Promise<Seen<KeepResult>> {
  const { result, sent } = await keep(at, candidate, 'retire')
  // By then a fresh login has proven the candidate: what became of this one says nothing against it.
  return saw(result.kind === 'rejected' ? { kind: 'unknown', why: result.why } : result, sent)
}

/** Follows one of the parts that come after the change, in a login of its own with what is in use by then. */
async function keep(at: Place, candidate: Credential, part: 'persist' | 'retire'): Promise<Seen<KeepResult>> {
  const recipe = recipeOf(at)
  const steps = recipe[part]
  if (steps === undefined) return saw({ kind: 'kept' }, false)
  if (candidate.kind !== 'password')
    return saw({ kind: 'unknown', why: 'this connector changes passwords' }, false)
  const who = { login: at.account.login, secret: candidate.secret }
  const entered = await enter(at, recipe, who, {}, steps)
  if (entered.kind === 'failed')
    return saw({ kind: entered.rejected ? 'rejected' : 'unknown', why: entered.why }, entered.sent)
  const { talk } = entered
  const went = await talk.follow(part, steps)
  await leave(talk, recipe)
  const sent: Sent = 'let in'
  return went.kind === 'went' ? saw({ kind: 'kept' }, sent) : saw({ kind: 'unknown', why: went.why }, sent)
}

async function enter(
  at: Place,
  recipe: HttpRecipe,
  who: Who,
  secrets: HttpValues['secrets'],
  then: readonly HttpStep[],
): Promise<Entered> {
  const { name } = at.target
  const fault =
    unfitForAuth(recipe.auth, who.login) ??
    unfitFor(recipe.enter, { login: who.login, secrets: { password: who.secret } }, name) ??
    unfitFor(
      [...then, ...(recipe.leave ?? [])],
      { login: at.account.login, secrets: { ...secrets, password: who.secret } },
      name,
    )
  if (fault !== undefined) return { kind: 'failed', why: fault, rejected: false, sent: false }
  const talk = new HttpTalk(at, recipe, who, secrets)
  const went = await talk.follow('enter', recipe.enter)
  return went.kind === 'went'
    ? { kind: 'in', talk }
    : { kind: 'failed', why: went.why, rejected: went.kind === 'rejected', sent: talk.hasGiven('password') }
}

/** Sessions are few, and this one is over. What comes of it changes nothing. */
async function leave(talk: HttpTalk, { leave: steps }: HttpRecipe): Promise<void> {
  if (steps !== undefined) await talk.follow('leave', steps)
}

function recipeOf(at: Place): HttpRecipe {
  return readRecipe('tagout/http/1', at.recipe)
}
