import type { Socket } from 'node:net'
import type { Permit } from '../../../vault/contract.ts'
import type { Secret } from '../../../vault/kernel/secret.ts'
import { type Failure, refusedCredential, unreachable } from '../../../vault/ssh/target-failure.ts'
import { needUnverified, plainParameters, textOf, unreached } from './desktop-login.ts'
import { GuacdConnection, type GuacdPlace, GuacdRefusal } from './guacd-connection.ts'
import { openDoor, reach } from './guacd-door.ts'
import { encodeInstruction } from './instruction.ts'
import { TelnetLogin } from '../../../vault/telnet/login.ts'
import { TelnetStream } from '../../../vault/telnet/stream.ts'

/** Milliseconds without a word after which a line is a prompt, and after which a machine without one has let in. */
const promptRestsMs = 250
const loginRestsMs = 3_000
/** guacd gives up who says nothing for 15 s. */
const signOfLifeMs = 4_000

/**
 * Has guacd draw the terminal of a target of Telnet, and logs in there itself, between the two: guacd is told no password.
 *
 * INVARIANT: nothing that a user types reaches the machine before the login is over, and nothing is typed for them after it.
 */
export async function openTelnet(
  guacd: GuacdPlace,
  permit: Permit,
  password: Secret,
  withinMs: number,
): Promise<GuacdConnection | Failure> {
  const { target, account } = permit
  const unapproved = needUnverified(permit)
  if (unapproved !== undefined) return unapproved
  const until = performance.now() + withinMs
  // SECURITY: a line feed in it would be a command of its own.
  if (/\p{Cc}/u.test(textOf(password)))
    return {
      reason: 'target refused the credential',
      message: `the stored password of ${account.login} holds control characters, which Telnet cannot type`,
      next: 'ask an administrator to store another',
    }
  let machine: Socket
  try {
    machine = await reach(target.host, target.port, withinMs)
  } catch (error) {
    const { code } = error as { readonly code?: string }
    if (code === 'timeout') throw error
    return unreached(
      target.name,
      error as NodeJS.ErrnoException,
      'check that Telnet is on there, and its port',
    )
  }
  const { promise, resolve } = Promise.withResolvers<'in' | 'refused' | 'closed' | 'silent'>()
  let desktop: GuacdConnection | undefined
  let isIn = false
  const door = await openDoor(guacd, (client) => logIn(client, machine, permit, password, resolve))
  const deadline = setTimeout(() => resolve('silent'), withinMs)
  const alive = setInterval(() => desktop?.write(encodeInstruction('nop')), signOfLifeMs)
  machine.on('close', () => resolve('closed'))
  try {
    desktop = await GuacdConnection.begin(
      guacd,
      {
        kind: 'new',
        protocol: 'telnet',
        parameters: { hostname: door.host, port: String(door.port), ...plainParameters(permit) },
      },
      Math.max(0, until - performance.now()),
    )
    const how = await promise
    isIn = how === 'in'
    switch (how) {
      case 'in':
        return desktop
      case 'refused':
        return refusedCredential(target.name, account.login)
      case 'closed':
        return unreachable(target.name, 'closed the connection during the login')
    }
    return unreachable(
      target.name,
      'did not ask for a name and a password in a way that is known',
      'have an administrator say how it asks: tagout target address … --prompts …',
    )
  } catch (error) {
    if (!(error instanceof GuacdRefusal)) throw error
    return unreachable(target.name, 'could not be shown')
  } finally {
    clearTimeout(deadline)
    clearInterval(alive)
    door.close()
    if (!isIn) {
      desktop?.close()
      machine.destroy()
    }
  }
}

/** Carries both ways between guacd and a machine, and logs in on the way. */
function logIn(
  client: Socket,
  machine: Socket,
  { target, account }: Permit,
  password: Secret,
  over: (how: 'in' | 'refused') => void,
): void {
  const { userPrompt, passwordPrompt } = target.desktop ?? {}
  const login = new TelnetLogin({ user: userPrompt, password: passwordPrompt })
  const [fromMachine, fromClient] = [new TelnetStream(), new TelnetStream()]
  let rest: NodeJS.Timeout | undefined
  const end = () => {
    clearTimeout(rest)
    machine.destroy()
    client.destroy()
  }
  const step = (long: boolean) => {
    switch (login.quiet(long)) {
      case 'name':
        return void machine.write(`${account.login}\r\n`)
      case 'password':
        return void password.expose((bytes) => machine.write(Buffer.concat([bytes, Buffer.from('\r\n')])))
      case 'in':
        machine.off('data', hear)
        client.off('data', type)
        client.write(fromMachine.rest)
        machine.write(fromClient.rest)
        machine.pipe(client)
        client.pipe(machine)
        return over('in')
      case 'refused':
        return over('refused')
      case 'wait':
        if (!long) rest = setTimeout(() => step(true), loginRestsMs)
    }
  }
  const hear = (chunk: Buffer) => {
    try {
      for (const { kind, bytes } of fromMachine.push(chunk))
        client.write(kind === 'command' ? bytes : login.hear(bytes))
    } catch {
      return end()
    }
    clearTimeout(rest)
    rest = setTimeout(() => step(false), promptRestsMs)
  }
  /** SECURITY: of what comes from the user's side only what the two ends agree on: no key. */
  const type = (chunk: Buffer) => {
    try {
      for (const { kind, bytes } of fromClient.push(chunk)) if (kind === 'command') machine.write(bytes)
    } catch {
      end()
    }
  }
  client.on('close', end)
  machine.on('close', end)
  machine.on('data', hear)
  client.on('data', type)
  client.resume()
}
