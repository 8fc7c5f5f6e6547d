import { Secret } from '../../vault/kernel/secret.ts'
import { misuse } from './complaint.ts'
import type { Io } from './io.ts'
import { readSecret } from './secret-input.ts'

/** The password and the present code of a person, as `asPerson` takes them: asked for, or two lines of standard input. */
export async function readAnswers(
  io: Io,
  options: { readonly user: string; readonly answersStdin?: boolean },
): Promise<{ readonly password: Secret; readonly code: string }> {
  const ask = (what: string, fromStdin: boolean) =>
    readSecret(io, { what, fromStdin, option: '--answers-stdin', confirm: false })
  if (options.answersStdin === true) {
    using all = await ask('answers', true)
    const [password, code, ...more] = textOf(all).split(/\r?\n/)
    if (!password || !code || more.length > 0)
      throw misuse('two lines are needed: your password and your present code')
    return { password: Secret.fromText(password), code }
  }
  const password = await ask(`password of ${options.user}`, false)
  using code = await ask('code of your second factor', false)
  return { password, code: textOf(code) }
}

/** The password, the present code and the one after it, for what takes a fresh code: asked for, or three lines. */
export async function readThreeAnswers(
  io: Io,
  options: { readonly user: string; readonly answersStdin?: boolean },
): Promise<{ readonly password: Secret; readonly code: string; readonly nextCode: () => Promise<string> }> {
  if (options.answersStdin === true) {
    using all = await readSecret(io, {
      what: 'answers',
      fromStdin: true,
      option: '--answers-stdin',
      confirm: false,
    })
    const [password, code, next, ...more] = all.expose((bytes) =>
      new TextDecoder().decode(bytes).split(/\r?\n/),
    )
    if (!password || !code || !next || more.length > 0)
      throw misuse('three lines are needed: your password, your present code, and the one after it')
    return { password: Secret.fromText(password), code, nextCode: async () => next }
  }
  const ask = (what: string) =>
    readSecret(io, { what, fromStdin: false, option: '--answers-stdin', confirm: false })
  const password = await ask(`password of ${options.user}`)
  using code = await ask('code of your second factor')
  return {
    password,
    code: textOf(code),
    nextCode: async () => {
      using next = await ask('the next code (a code is good once)')
      return textOf(next)
    },
  }
}

function textOf(secret: Secret): string {
  return secret.expose((bytes) => new TextDecoder().decode(bytes))
}
