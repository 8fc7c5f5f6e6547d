import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  encodeInstruction,
  type Instruction,
  InstructionParser,
} from '../../recorder/broker/desktop/instruction.ts'
import { Tap } from '../../recorder/broker/desktop/tap.ts'
import { type Gateway, startGateway } from './gateway.ts'

/** A guacd that says what a test has it say, and keeps what it hears. */
export type ScriptedGuacd = AsyncDisposable & {
  readonly gateway: Gateway
  /** What came after the handshake, of the connection that was begun last. */
  readonly heard: () => readonly Instruction[]
  /** The parameters that it was told, by name. */
  readonly parameters: () => Readonly<Record<string, string>>
  readonly say: (opcode: string, ...args: readonly (string | number)[]) => void
  /** Whether the far side keeps it waiting. */
  readonly waits: () => boolean
}

/** A gateway before one, which asks for these parameters. */
export async function startScriptedGuacd(asks: readonly string[]): Promise<ScriptedGuacd> {
  let heard: Instruction[] = []
  let told: Record<string, string> = {}
  let socket: Socket | undefined
  const server = createServer((client) => {
    const parser = new InstructionParser()
    let isBegun = false
    client.on('error', () => client.destroy())
    client.on('data', (chunk) => {
      for (const one of parser.push(chunk)) {
        if (isBegun) heard.push(one)
        else if (one.opcode === 'select') client.write(encodeInstruction('args', 'VERSION_1_5_0', ...asks))
        else if (one.opcode === 'connect') {
          isBegun = true
          heard = []
          socket = client
          told = Object.fromEntries(asks.map((name, at) => [name, one.args[at + 1] ?? '']))
          client.write(
            Buffer.concat([
              encodeInstruction('ready', '$scripted'),
              encodeInstruction('size', '0', '100', '100'),
              encodeInstruction('sync', '1'),
            ]),
          )
        }
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port is free')
  const folder = await mkdtemp(join(tmpdir(), 'tagout-guacd-'))
  const tap = await Tap.listen(join(folder, 'tap.sock'))
  const guacd = { host: '127.0.0.1', port: address.port, uid: undefined }
  const gateway = await startGateway({}, { desktops: { guacd, tap } })
  return {
    gateway,
    heard: () => heard,
    parameters: () => told,
    say: (opcode, ...args) => void socket?.write(encodeInstruction(opcode, ...args.map(String))),
    waits: () => (socket?.writableLength ?? 0) > 0,
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]()
      await tap[Symbol.asyncDispose]()
      socket?.destroy()
      server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
