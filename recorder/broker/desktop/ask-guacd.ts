import { createConnection } from 'node:net'
import type { DesktopProtocol } from '../../../vault/contract.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { encodeInstruction, InstructionParser } from './instruction.ts'

export type GuacdAddress = { readonly host: string; readonly port: number }

/** What guacd says of itself and of one protocol. */
export type GuacdAnswer = {
  /** Version of the Guacamole protocol, as `1.5.0`; undefined before 1.1. */
  readonly protocolVersion: string | undefined
  /** The names of the parameters that it asks for, in its order. */
  readonly parameters: readonly string[]
  /** Whether it is of the line 1.6 or later. */
  readonly isCurrent: boolean
}

/**
 * Asks guacd what it wants to know for a connection of `protocol`, and hangs up: no target is connected to. Throws
 * `Fault` when nothing answers within `withinMs`, and when guacd cannot speak the protocol.
 */
export async function askGuacd(
  { host, port }: GuacdAddress,
  protocol: DesktopProtocol,
  withinMs: number,
): Promise<GuacdAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<GuacdAnswer>()
  const parser = new InstructionParser()
  const socket = createConnection({ host, port })
  const timer = setTimeout(
    () => reject(new Fault('timeout', `guacd at ${host} port ${port} does not answer`)),
    withinMs,
  )
  socket.on('error', ({ code }: NodeJS.ErrnoException) =>
    reject(new Fault('closed', `nothing answers at ${host} port ${port} (${code ?? 'unknown'})`)),
  )
  socket.on('connect', () => socket.write(encodeInstruction('select', protocol)))
  socket.on('close', () =>
    reject(new Fault('closed', `what answers at ${host} port ${port} has no support for ${protocol}`)),
  )
  socket.on('data', (chunk) => {
    try {
      const answer = parser.push(chunk).find(({ opcode }) => opcode === 'args')
      if (answer !== undefined) resolve(readAnswer(answer.args))
    } catch (error) {
      reject(new Fault('protocol', `what answers at ${host} port ${port} is no guacd`, { cause: error }))
    }
  })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.end(encodeInstruction('disconnect'))
    socket.destroySoon()
  }
}

function readAnswer(args: readonly string[]): GuacdAnswer {
  const version = /^VERSION_(\d{1,4})_(\d{1,4})_(\d{1,4})$/.exec(args[0] ?? '')
  const parameters = version === null ? args : args.slice(1)
  return {
    protocolVersion: version === null ? undefined : version.slice(1).join('.'),
    parameters,
    // The protocol's version has stood at 1.5.0 since guacd 1.5: a parameter that 1.6 brought tells them apart.
    isCurrent: parameters.includes('disable-display-resize'),
  }
}
