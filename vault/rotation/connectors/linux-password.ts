import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, LoginResult } from '../phases.ts'
import { notOpened, openShell, type Shell } from './unix-shell.ts'

/**
 * A password of Linux and other Unix systems, changed by its own user with `passwd` on a terminal. `chpasswd` sets it
 * where a privileged account reconciles: root, or one that may run it by `sudo -n`.
 */
export const linuxPassword: Connector = { change, login, reconcile }

async function change(at: Place, current: Credential, candidate: Credential): Promise<Seen<ChangeResult>> {
  const opened = await openShell(at, current)
  if (opened.kind === 'failed') return notOpened(opened)
  await using login = opened
  if (current.kind !== 'password' || candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector changes passwords' }, false)
  return saw(await passwd(login.shell, at, current, candidate), true)
}

/** Of `passwd` and of PAM, in the words of a machine without a language of its own (LC_ALL=C). */
const asksOld = /(?:current|old)[^\n]*password[^\n]*:\s*$/i
const asksNew = /new[^\n]*password[^\n]*:\s*$/i
const asksAgain = /(?:retype|re-enter|again|verify)[^\n]*:\s*$/i
const complains =
  /bad password|too short|too simple|weak|unchanged|already used|must|not long enough|manipulation|failure|error|sorry/i

async function passwd(
  shell: Shell,
  at: Place,
  current: Credential & { readonly kind: 'password' },
  candidate: Credential & { readonly kind: 'password' },
): Promise<ChangeResult> {
  const { name } = at.target
  const talk = await shell.talk('LC_ALL=C passwd')
  const give = (of: typeof candidate) => of.secret.expose((bytes) => talk.answer(bytes))
  const first = await talk.expect([asksOld, asksNew, complains])
  if (first === 0) give(current)
  if (first === undefined || first === 2)
    return { kind: 'untouched', why: `passwd on ${name} did not ask for a password` }
  if (first === 0 && (await talk.expect([asksNew, complains])) !== 0)
    return { kind: 'untouched', why: `passwd on ${name} did not take the present password` }
  give(candidate)
  // From here on the machine has heard the new one: whatever it says is looked at by a login.
  const again = await talk.expect([asksAgain, asksNew, complains])
  if (again === undefined)
    return { kind: 'unknown', why: `${name} hung up when it had heard the new password` }
  if (again !== 0) {
    await talk.end()
    return { kind: 'refused', why: `passwd on ${name} did not take the new password` }
  }
  give(candidate)
  const code = await talk.end()
  if (code === 0) return { kind: 'changed' }
  return code === undefined
    ? { kind: 'unknown', why: `${name} did not say whether it took the new password` }
    : { kind: 'refused', why: `passwd on ${name} ended with ${code}` }
}

/** A fresh login. */
export async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  const opened = await openShell(at, credential)
  if (opened.kind === 'open') {
    await opened[Symbol.asyncDispose]()
    return saw({ kind: 'accepted' }, true)
  }
  return saw({ kind: opened.rejected ? 'rejected' : 'unreachable', why: opened.why }, opened.sent)
}

async function reconcile(
  at: Place,
  privileged: Credential & { readonly login: string },
  candidate: Credential,
): Promise<Seen<ChangeResult>> {
  const { login: by } = privileged
  const opened = await openShell(
    { ...at, account: { login: by, name: `${at.target.name}/${by}` } },
    privileged,
  )
  // What is counted are the logins of the account that is reconciled.
  if (opened.kind === 'failed') return { ...notOpened(opened), sent: false }
  await using shell = opened
  if (candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector sets passwords' }, false)
  const line = candidate.secret.expose((bytes) =>
    Buffer.concat([Buffer.from(`${at.account.login}:`), bytes, Buffer.from('\n')]),
  )
  try {
    const command = by === 'root' ? 'chpasswd' : 'sudo -n chpasswd'
    const { code } = await shell.shell.run(command, line)
    if (code === 0) return saw({ kind: 'changed' }, false)
    const why = `chpasswd on ${at.target.name} ${code === undefined ? 'did not say how it ended' : `ended with ${code}`}`
    return saw({ kind: 'unknown', why }, false)
  } finally {
    line.fill(0)
  }
}
