import type { Secret } from '../../kernel/secret.ts'
import type { Place } from '../connector.ts'
import type {
  HttpPart,
  HttpRecipe,
  HttpSecret,
  HttpSign,
  HttpStep,
  HttpTake,
} from '../recipes/http-recipe.ts'
import { namesIn } from '../recipes/http-recipe.ts'
import { basicHeader, digestHeader } from './http-auth.ts'
import { bodyOf, type HttpValues, segmentOf, textOf } from './http-body.ts'
import { Cookies } from './http-cookies.ts'
import { callHttps, type HttpsAnswer } from './https-call.ts'

/** How far a part of a recipe went. `strayed`: the machine did something else than the recipe has. */
export type Went =
  | { readonly kind: 'went' }
  | { readonly kind: 'rejected' | 'refused' | 'strayed'; readonly why: string }

type Answered = Extract<HttpsAnswer, { readonly kind: 'answered' }>

const usualSeconds = 20

/** A login at a machine's web page or API, which a recipe is followed with. Cookies and tokens are gone with it. */
export class HttpTalk {
  readonly #at: Place
  readonly #recipe: HttpRecipe
  readonly #who: { readonly login: string; readonly secret: Secret }
  readonly #values: HttpValues
  readonly #taken = new Map<string, string>()
  readonly #cookies = new Cookies()
  readonly #given = new Set<HttpSecret>()

  /** `who` logs in; the password of the account of `at` is what is changed. */
  constructor(
    at: Place,
    recipe: HttpRecipe,
    who: { readonly login: string; readonly secret: Secret },
    secrets: HttpValues['secrets'],
  ) {
    this.#at = at
    this.#recipe = recipe
    this.#who = who
    this.#values = {
      login: at.account.login,
      secrets: { ...secrets, password: who.secret },
      taken: this.#taken,
    }
  }

  /** Has this secret left, or may it have? */
  hasGiven(one: HttpSecret): boolean {
    return this.#given.has(one)
  }

  /** Makes the requests of a part of the recipe, as far as each is answered as it says. */
  async follow(part: HttpPart, steps: readonly HttpStep[]): Promise<Went> {
    // Whoever logs in is another one where an account is set right by a privileged one.
    const values =
      part === 'enter' || part === 'verify' ? { ...this.#values, login: this.#who.login } : this.#values
    for (const [index, step] of steps.entries()) {
      const went = await this.#ask(
        step,
        values,
        `at ${part}, step ${index + 1} of the recipe ${this.#recipe.name}`,
      )
      if (went.kind !== 'went') return went
    }
    return { kind: 'went' }
  }

  async #ask(step: HttpStep, values: HttpValues, where: string): Promise<Went> {
    const { name } = this.#at.target
    const path = textOf(step.path, values, segmentOf)
    const authorization = await this.#authorization(step, path)
    if (typeof authorization === 'object') return { kind: 'strayed', why: `${authorization.why}, ${where}` }
    const body = bodyOf(step, values)
    const cookie = this.#cookies.header()
    const answer = await this.#call(step, {
      method: step.method,
      path,
      headers: {
        ...Object.fromEntries(Object.entries(step.headers).map(([one, text]) => [one, textOf(text, values)])),
        ...(body === undefined ? {} : { 'content-type': body.type }),
        ...(cookie === undefined ? {} : { cookie }),
        ...(authorization === undefined ? {} : { authorization }),
      },
      ...(body === undefined ? {} : { body: body.bytes }),
    })
    if (answer.kind !== 'untried')
      for (const one of ['password', 'current', 'candidate'] as const)
        if (namesIn(step).includes(one) || (one === 'password' && authorization !== undefined))
          this.#given.add(one)
    if (answer.kind !== 'answered') return { kind: 'strayed', why: `${answer.why}, ${where}` }
    this.#cookies.take(answer.headers['set-cookie'] ?? [])
    const said = new Said(answer, this.#at.target)
    if (step.rejected !== undefined && said.isAny(step.rejected))
      return { kind: 'rejected', why: `${name} refused the login, ${where}` }
    if (step.refused !== undefined && said.isAny(step.refused))
      return { kind: 'refused', why: `${name} did not take it, ${where}` }
    const fault = said.faultOf(step.expect) ?? this.#take(step.take ?? [], said)
    return fault === undefined ? { kind: 'went' } : { kind: 'strayed', why: `${name} ${fault}, ${where}` }
  }

  /** Who asks, where each request says so. */
  async #authorization(step: HttpStep, path: string): Promise<string | undefined | { readonly why: string }> {
    const { auth } = this.#recipe
    if (auth === undefined) return undefined
    if (auth === 'basic') return basicHeader(this.#who)
    // Asked for without a body: nothing of one is sent before it is known who hears it.
    const answer = await this.#call(step, { method: 'GET', path })
    if (answer.kind !== 'answered') return { why: answer.why }
    const header = digestHeader(
      answer.headers['www-authenticate'] ?? [],
      { method: step.method, path },
      this.#who,
    )
    return header ?? { why: `${this.#at.target.name} does not ask for digest authentication that is known` }
  }

  async #call(
    { seconds = usualSeconds }: HttpStep,
    call: Parameters<typeof callHttps>[1],
  ): Promise<HttpsAnswer> {
    return callHttps({ ...this.#at, withinMs: Math.min(this.#at.withinMs, seconds * 1000) }, call)
  }

  #take(takes: readonly HttpTake[], said: Said): string | undefined {
    for (const take of takes) {
      const value = take.from === 'cookie' ? this.#cookies.get(take.cookie) : said.valueOf(take)
      // SECURITY: it is written into paths, headers and bodies: nothing of it may end its place.
      if (value === undefined || !/^[\x21-\x7e]{1,2048}$/.test(value) || value === '.' || value === '..')
        return `did not say its ${take.name}`
      this.#taken.set(take.name, value)
    }
    return undefined
  }
}

/** An answer, as far as a recipe asks about it. Nothing of it is ever said again: it may repeat a secret. */
class Said {
  readonly #answer: Answered
  readonly #target: Place['target']
  readonly #text: string
  readonly #json: unknown

  constructor(answer: Answered, target: Place['target']) {
    this.#answer = answer
    this.#target = target
    this.#text = answer.body.toString()
    this.#json = parsed(this.#text)
  }

  isAny({ status, says, location, json }: HttpSign): boolean {
    return (
      status?.includes(this.#answer.status) === true ||
      says?.some((text) => this.#text.includes(text)) === true ||
      (location !== undefined && this.#location() === location) ||
      json?.some(({ pointer, is }) => this.#at(pointer) === is) === true
    )
  }

  /** What of this does not hold; undefined: all does. */
  faultOf({ status, says, location, json }: HttpStep['expect']): string | undefined {
    if (!status.includes(this.#answer.status)) return `answered with the status ${this.#answer.status}`
    if (location !== undefined && this.#location() !== location) return 'redirects elsewhere'
    if (says !== undefined && !this.#text.includes(says)) return 'did not say that it was done'
    return json?.every(({ pointer, is }) => this.#at(pointer) === is) === false
      ? 'did not say that it was done'
      : undefined
  }

  valueOf(take: Exclude<HttpTake, { readonly from: 'cookie' }>): string | undefined {
    switch (take.from) {
      case 'header':
        return this.#answer.headers[take.header]?.[0]
      case 'json': {
        const value = this.#at(take.pointer)
        return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
      }
      case 'text': {
        const start = this.#text.indexOf(take.after)
        if (start < 0) return undefined
        const from = start + take.after.length
        const end = this.#text.indexOf(take.before, from)
        return end < 0 ? undefined : this.#text.slice(from, end)
      }
    }
  }

  /** Where it redirects to, on this very machine. */
  #location(): string | undefined {
    const [given] = this.#answer.headers['location'] ?? []
    const { host, port } = this.#target
    const own = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
    if (given === undefined || !URL.canParse(given, own)) return undefined
    const to = new URL(given, own)
    return to.origin === new URL(own).origin ? `${to.pathname}${to.search}` : undefined
  }

  #at(pointer: string): unknown {
    let value = this.#json
    for (const part of pointer.split('/').slice(1)) {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
      value = (value as Readonly<Record<string, unknown>>)[name]
    }
    return value
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
