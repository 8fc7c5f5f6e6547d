import type { AuthenticationType } from 'ssh2'
import { type Question, whatIsAsked } from './password-words.ts'
import type { Place, TargetCredential } from './target.ts'
import { asksOtherwise, type Failure, refusedCredential, wantsNewPassword } from './target-failure.ts'
import { VaultAgent } from './vault-agent.ts'

type NextAuth = (method: unknown) => void
export type AuthHandler = (
  methodsLeft: AuthenticationType[] | null,
  partial: boolean | null,
  next: NextAuth,
) => void

/**
 * Answers a target's requests for authentication.
 *
 * SECURITY: a credential is given once. A password goes out as the answer to `password`, or to a single question without
 * echo that asks for a password: to no second one, to no other kind, and never where a new one is asked for.
 */
export function authenticateWith(
  permit: Place,
  credential: TargetCredential,
  fail: (failure: Failure) => void,
  onGiven: () => void = () => undefined,
): AuthHandler {
  const { target, account } = permit
  const username = account.login
  let isGiven = false
  const give = () => {
    isGiven = true
    onGiven()
  }
  const refused = () => {
    fail(refusedCredential(target.name, username))
    return false
  }

  return (methodsLeft, partial, next) => {
    if (methodsLeft === null) return next({ type: 'none', username })
    if (partial === true) {
      fail({
        reason: 'target refused the credential',
        message: `${target.name} asks ${username} for a second factor, which cannot be given yet`,
        next: 'ask an administrator to exempt the account on the target',
      })
      return next(false)
    }
    if (isGiven) return next(refused())
    if (credential.kind === 'ssh-key') {
      if (!methodsLeft.includes('publickey')) return next(refused())
      give()
      return next({ type: 'agent', username, agent: new VaultAgent(credential.publicKey, credential.sign) })
    }
    if (methodsLeft.includes('password')) {
      give()
      return credential.secret.expose((bytes) =>
        // ssh2 copies the bytes into its packet at once, and encrypts that in place.
        next({
          type: 'password',
          username,
          password: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
        }),
      )
    }
    if (!methodsLeft.includes('keyboard-interactive')) return next(refused())
    give()
    let isAnswered = false
    return next({
      type: 'keyboard-interactive',
      username,
      prompt: (
        _name: string,
        instructions: string,
        _language: string,
        questions: readonly Question[],
        answer: (answers: string[]) => void,
      ) => {
        const asked = whatIsAsked(username, instructions, questions)
        if (asked === 'password change') return fail(wantsNewPassword(target.name, username, account.name))
        if (asked !== 'password' || isAnswered)
          return fail(
            isAnswered && asked === 'password'
              ? refusedCredential(target.name, username)
              : asksOtherwise(
                  target.name,
                  username,
                  questions.map(({ prompt = '' }) => prompt),
                ),
          )
        isAnswered = true
        credential.secret.expose((bytes) => answer([Buffer.from(bytes).toString('utf8')]))
      },
    })
  }
}
