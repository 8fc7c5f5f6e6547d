import type { VerbName } from '../../vault/contract.ts'

/** A member of the query string, and what it is. Anything else in a query is refused. */
export type QueryKind = 'text' | 'int' | 'flag'

/**
 * One route: method and path, and the verb of the vault that it asks. Members of the path, the query and the body are the
 * verb's input; the vault decides whether this caller may.
 */
export type Route = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** In Express's form; `:name` members go into the input. */
  readonly path: string
  readonly verb: VerbName
  /**
   * `anyone`: without a login. The list of these is short, and a test counts it. `either`: who has no login is answered `null`,
   * and the vault is not asked for them.
   */
  readonly access: 'anyone' | 'user' | 'either'
  readonly query?: Readonly<Record<string, QueryKind>>
  /** The vault is told the caller's address. */
  readonly source?: true
  /** The verb is told how the browser reached the console: the `Origin` of the request, which has been looked at. */
  readonly origin?: true
  /** What a browser keeps while it is away at a provider: the verb answers it, or is told it. It is in a cookie alone. */
  readonly browser?: 'keeps' | 'brings'
  /** The verb answers a login: its token goes into the cookie and nowhere else. */
  readonly login?: 'starts' | 'ends'
  /** Milliseconds for the vault to answer, where 30,000 is too short or too long. */
  readonly timeout?: number
  /** Bytes of the body, at most, where 1 MiB is too little. The path has no `:name` then. */
  readonly bodyLimit?: number
}
