import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import { freePort } from './ports.ts'

const python = '/usr/bin/python3'

/** Why there is no Modbus server to test with; undefined: there is one. */
export function whyNoModbus(): string | undefined {
  const found = spawnSync(python, ['-c', 'from pymodbus.server import StartAsyncTcpServer'])
  return found.status === 0 ? undefined : 'python3-pymodbus is not installed (deploy/test-packages.txt)'
}

/** Inputs and coils 0 to 99; `d 12 1` on its standard input sets discrete input 12. */
const script = `
import asyncio, sys
from pymodbus.server import StartAsyncTcpServer
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusSlaveContext, ModbusServerContext
block = lambda: ModbusSequentialDataBlock(0, [0] * 100)
slave = ModbusSlaveContext(di=block(), co=block(), hr=block(), ir=block(), zero_mode=True)
context = ModbusServerContext(slaves=slave, single=True)
async def listen():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        line = (await reader.readline()).decode().split()
        if not line: sys.exit(0)
        slave.setValues({'d': 2, 'c': 1}[line[0]], int(line[1]), [int(line[2])])
        print('set', flush=True)
async def main():
    # Held: the event loop alone does not keep a task, and garbage collection would take it.
    listening = asyncio.create_task(listen())
    await StartAsyncTcpServer(context, address=('127.0.0.1', int(sys.argv[1])), allow_reuse_address=True)
asyncio.run(main())
`

/** A real Modbus/TCP server (pymodbus). */
export type ModbusServer = AsyncDisposable & {
  readonly port: number
  readonly set: (kind: 'discrete' | 'coil', number: number, value: boolean) => Promise<void>
}

export async function startModbus(port?: number): Promise<ModbusServer> {
  const on = port ?? (await freePort())
  const child = spawn(python, ['-c', script, String(on)], { stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
  await answers(child, on, () => said)
  return {
    port: on,
    set: (kind, number, value) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(
          () => reject(new Error(`the Modbus server did not set its input: ${said}`)),
          10_000,
        )
        child.stdout.once('data', () => {
          clearTimeout(late)
          resolve()
        })
        child.stdin.write(`${kind === 'coil' ? 'c' : 'd'} ${number} ${value ? 1 : 0}\n`)
      }),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await new Promise((resolve) => child.once('exit', resolve))
    },
  }
}

async function answers(
  child: ChildProcessWithoutNullStreams,
  port: number,
  said: () => string,
): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (child.exitCode !== null) throw new Error(`the Modbus server ended: ${said()}`)
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port })
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (isUp) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`the Modbus server does not answer: ${said()}`)
}
