/** What the api answers when the answer is no: one sentence, and what to do next. */
export class Refused extends Error {
  readonly status: number
  readonly code: string
  readonly next: string | undefined
  readonly instance: string | undefined

  constructor(problem: {
    readonly status: number
    readonly code: string
    readonly title: string
    readonly detail?: string | undefined
    readonly instance?: string | undefined
  }) {
    super(problem.title)
    this.name = 'Refused'
    this.status = problem.status
    this.code = problem.code
    this.next = problem.detail
    this.instance = problem.instance
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** Asks the api. Throws `Refused` where it refuses or cannot be reached. */
export async function ask<Answer>(method: Method, path: string, body: object = {}): Promise<Answer> {
  const response = await reach(path, {
    method,
    credentials: 'same-origin',
    ...(method === 'GET'
      ? {}
      : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  })
  if (!response.ok) throw await readProblem(response)
  return (await response.json()) as Answer
}

/** Asks for something to read. */
export function get<Answer>(path: string): Promise<Answer> {
  return ask<Answer>('GET', path)
}

/** Asks for a file of the console's own. */
export async function askText(path: string): Promise<string> {
  const response = await reach(path, { credentials: 'same-origin' })
  if (!response.ok) throw await readProblem(response)
  return response.text()
}

/** Asks for bytes. */
export async function askBytes(path: string, body: object): Promise<Uint8Array> {
  const response = await reach(path, {
    method: 'POST',
    credentials: 'same-origin',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw await readProblem(response)
  return new Uint8Array(await response.arrayBuffer())
}

/** Makes a path of literal parts and members: `at`/api/users/${name}``. */
export function at(parts: TemplateStringsArray, ...members: readonly string[]): string {
  return parts.reduce((path, part, index) => `${path}${encodeURIComponent(members[index - 1] ?? '')}${part}`)
}

/** Fetches `length` bytes of a recording's ciphertext from `offset`, and learns how large it is. */
export async function fetchRange(
  path: string,
  offset: number,
  length: number,
  signal?: AbortSignal,
): Promise<{ readonly bytes: Uint8Array; readonly size: number }> {
  const response = await reach(path, {
    credentials: 'same-origin',
    headers: { Range: `bytes=${offset}-${offset + length - 1}` },
    ...(signal === undefined ? {} : { signal }),
  })
  const size = Number(/\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1] ?? Number.NaN)
  if (response.status === 416) return { bytes: new Uint8Array(), size: Number.isNaN(size) ? 0 : size }
  if (!response.ok) throw await readProblem(response)
  const bytes = new Uint8Array(await response.arrayBuffer())
  return { bytes, size: Number.isNaN(size) ? bytes.length : size }
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Refused({
      status: 503,
      code: 'unavailable',
      title: 'the console cannot reach its server',
      detail: 'check the network; on the machine, tagout doctor says what is wrong',
    })
  }
}

async function readProblem(response: Response): Promise<Refused> {
  const value: unknown = await response.json().catch(() => undefined)
  const member = (name: string) => {
    const found = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
    return typeof found === 'string' ? found : undefined
  }
  return new Refused({
    status: response.status,
    code: member('code') ?? 'fault',
    title: member('title') ?? `the server answered ${response.status}`,
    detail: member('detail'),
    instance: member('instance'),
  })
}
