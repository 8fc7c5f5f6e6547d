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

function textOf(secret: Secret): string {
  return secret.expose((bytes) => new TextDecoder().decode(bytes))
}
