import type { Secret } from '../../kernel/secret.ts'
import { telnetText } from '../../telnet/options.ts'
import { type CliRecipe, type CliStep, type Place, placesIn, secretPlaces } from '../recipes/cli-recipe.ts'
import { hostIn, isLine } from '../recipes/pattern.ts'
import type { Answer, Ended, Terminal } from './terminal.ts'

/** What the names of a recipe stand for. A missing one is asked for by no line that is entered. */
export type Values = {
  readonly login: string
  readonly current?: Secret
  readonly candidate?: Secret
  readonly enable?: Secret
}

/** How far a part of a recipe went. */
export type Went =
  | { readonly kind: 'went' }
  /** The machine said that it did not take it. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It went otherwise than the recipe says: nothing more was entered. */
  | { readonly kind: 'strayed'; readonly why: string }

const usualSeconds = 20
/** Milliseconds without a word after which the first prompt is one, and no line of a greeting. */
const promptRestsMs = 300
/** Pages of one answer that are turned. */
const mostPages = 100
const keys = { space: ' ', enter: '\r', q: 'q' } as const

/** Does it stop at a question for a password that is none of those expected, nor the beginning of one? */
function asksElse(line: string, expect: readonly string[]): boolean {
  const asked = line.trim()
  return /password\s?:$/i.test(asked) && !expect.some((one) => one.startsWith(asked))
}

/** A login on a machine's command line, which a recipe is followed on. */
export class CliScript {
  readonly #terminal: Terminal
  readonly #recipe: CliRecipe
  readonly #values: Values
  readonly #isTelnet: boolean
  readonly #name: string
  #host: string | undefined
  #line = ''
  #given = new Set<Place>()

  constructor(
    terminal: Terminal,
    recipe: CliRecipe,
    values: Values,
    at: { readonly name: string; readonly isTelnet: boolean },
  ) {
    this.#terminal = terminal
    this.#recipe = recipe
    this.#values = values
    this.#isTelnet = at.isTelnet
    this.#name = at.name
  }

  /** Has this secret been entered, or may it have been? */
  hasGiven(place: Place): boolean {
    return this.#given.has(place)
  }

  /** Waits for the first prompt, by which the machine says its name. */
  async begin(isRefused: (answer: Answer) => boolean, withinMs: number): Promise<Went> {
    const seen = await this.#terminal.until(
      (answer) => {
        if (isRefused(answer)) return { refused: true } as const
        const { line } = answer
        const pattern = this.#recipe.prompts.find((one) => this.#is(one, line))
        return pattern === undefined ? undefined : ({ pattern, line } as const)
      },
      withinMs,
      promptRestsMs,
    )
    if (typeof seen === 'string') return this.#strayed(`${this.#ending(seen)} before its first prompt`)
    if ('refused' in seen) return { kind: 'refused', why: `${this.#name} refused the login` }
    if (seen.pattern.includes('{host}')) this.#host = hostIn(seen.pattern, seen.line, this.#values)
    this.#line = seen.line
    return { kind: 'went' }
  }

  /** Enters the lines of a part of the recipe, each at what the machine was to stop at. */
  async follow(part: 'enter' | 'change' | 'persist' | 'leave', steps: readonly CliStep[]): Promise<Went> {
    for (const [index, step] of steps.entries()) {
      const where = `at ${part}, line ${index + 1} of the recipe ${this.#recipe.name}`
      if (step.at !== undefined && !step.at.some((one) => this.#is(one, this.#line))) {
        if (step.orSkip === true) continue
        return this.#strayed(`${this.#name} asks for something else ${where}`)
      }
      const went = await this.#enter(step, where)
      if (went.kind !== 'went') return went
    }
    return { kind: 'went' }
  }

  async #enter(step: CliStep, where: string): Promise<Went> {
    const place = placesIn(step.send).find((one) => secretPlaces.includes(one))
    const line = this.#filled(step.send)
    if (line === undefined)
      return this.#strayed(`${this.#name} asks for a secret that is not known ({${place}}), ${where}`)
    if (place !== undefined) this.#given.add(place)
    this.#terminal.enter(line)
    line.fill(0)
    if (step.expect === undefined) return { kind: 'went' }
    const hides = place !== undefined && step.echoes !== true
    const refusals = [...this.#recipe.errors, ...(step.refused ?? [])]
    const { expect } = step
    const until = performance.now() + (step.seconds ?? usualSeconds) * 1000
    for (let pages = 0; ; ) {
      const seen = await this.#terminal.until(({ line: at, text, isNewLine }) => {
        // SECURITY: what shows a password that it was not to show is entered nothing more.
        if (hides && this.#isShown(place)) return 'shown' as const
        if (refusals.some((one) => text.includes(one))) return 'refused' as const
        // What was entered is shown first, on a line of its own.
        if (!hides && !isNewLine) return undefined
        if (this.#isPage(at)) return 'page' as const
        if (!expect.some((one) => this.#is(one, at))) return asksElse(at, expect) ? 'asks' : undefined
        return step.says === undefined || text.includes(step.says) ? ({ at } as const) : 'unsaid'
      }, until - performance.now())
      if (typeof seen === 'object') {
        this.#line = seen.at
        return { kind: 'went' }
      }
      switch (seen) {
        case 'page':
          pages += 1
          if (pages > mostPages) return this.#strayed(`an answer of ${this.#name} has no end ${where}`)
          this.#terminal.press(keys[this.#recipe.pager?.key ?? 'space'])
          continue
        case 'shown':
          return this.#strayed(`${this.#name} shows what is entered at a prompt for a secret, ${where}`)
        case 'asks':
          return this.#strayed(`${this.#name} asks for a password where the recipe has none, ${where}`)
        case 'unsaid':
          return this.#strayed(`${this.#name} did not say that it was done, ${where}`)
        case 'refused':
          return { kind: 'refused', why: `${this.#name} did not take it, ${where}` }
        default:
          return this.#strayed(`${this.#ending(seen)}, ${where}`)
      }
    }
  }

  #strayed(why: string): Went {
    return { kind: 'strayed', why }
  }

  #ending(why: Ended): string {
    const said = {
      closed: 'closed the connection',
      silent: 'stopped at nothing that was expected',
      flood: 'said too much',
    }
    return `${this.#name} ${said[why]}`
  }

  #is(pattern: string, line: string): boolean {
    return isLine(pattern, line, { login: this.#values.login, host: this.#host })
  }

  #isPage(line: string): boolean {
    const { pager } = this.#recipe
    return pager !== undefined && line.trim().endsWith(pager.shows.trim())
  }

  #isShown(place: Place): boolean {
    const secret = place === 'login' ? undefined : this.#values[place]
    return secret?.expose((bytes) => this.#terminal.hasSaid(bytes)) ?? false
  }

  /** The bytes of a line, which the caller wipes; undefined where a secret of it is missing. */
  #filled(send: string): Buffer | undefined {
    const parts: Buffer[] = []
    for (const part of send.split(/(\{[a-z]+\})/)) {
      const [place] = placesIn(part)
      if (place === undefined) parts.push(Buffer.from(part))
      else if (place === 'login') parts.push(Buffer.from(this.#values.login))
      else {
        const secret = this.#values[place]
        if (secret === undefined) return undefined
        parts.push(secret.expose((bytes) => Buffer.from(bytes)))
      }
    }
    const text = Buffer.concat(parts)
    const line = Buffer.concat([
      this.#isTelnet ? telnetText(text) : text,
      Buffer.from(this.#isTelnet ? '\r\n' : '\r'),
    ])
    for (const part of [...parts, text]) part.fill(0)
    return line
  }
}
