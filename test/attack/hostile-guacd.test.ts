import { createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { askGuacd } from '../../recorder/broker/desktop/ask-guacd.ts'
import { GuacdConnection, GuacdRefusal } from '../../recorder/broker/desktop/guacd-connection.ts'
import { encodeInstruction, InstructionParser } from '../../recorder/broker/desktop/instruction.ts'
import { DesktopWatch } from '../../recorder/live/desktop-watch.ts'
import { Fault } from '../../vault/kernel/fault.ts'
import { until } from '../support/installation.ts'

/** A guacd that a hostile target has taken over, made up: the real one is in test/protocol/desktop.test.ts. */

const stack: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of stack.splice(0)) await one[Symbol.asyncDispose]()
})

/** What it does with each instruction that it is told, and all that it was told. */
async function madeUp(does: (opcode: string, socket: Socket) => void) {
  const told: { readonly opcode: string; readonly args: readonly string[] }[] = []
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    const parser = new InstructionParser()
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const { opcode, args } of parser.push(chunk)) {
        told.push({ opcode, args })
        does(opcode, socket)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.push({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  })
  const at = server.address()
  if (at === null || typeof at === 'string') throw new Error('no address')
  return { place: { host: '127.0.0.1', port: at.port, uid: undefined }, told }
}

const begin = {
  kind: 'new',
  protocol: 'vnc',
  parameters: { hostname: 'hmi', port: '5900', password: 'Kanarie7' },
} as const
const args = encodeInstruction('args', 'VERSION_1_5_0', 'hostname', 'port', 'password')
const say = (socket: Socket, ...parts: readonly Uint8Array[]) => socket.write(Buffer.concat(parts))

test('one that never answers is given up in time', async () => {
  const { place } = await madeUp(() => undefined)
  const begun = performance.now()
  await expect(GuacdConnection.begin(place, begin, 300)).rejects.toThrow('did not answer in time')
  expect(performance.now() - begun).toBeLessThan(10_000)
})

test.each([
  [
    'closes in the middle',
    (socket: Socket) => socket.end('4.args,13.VERSION_1'),
    'guacd closed the connection',
  ],
  [
    'sends what is no instruction',
    (socket: Socket) => say(socket, Buffer.from('HTTP/1.1 200 OK\r\n\r\n')),
    'an instruction of the Guacamole protocol',
  ],
  [
    'promises more than there can be',
    (socket: Socket) => say(socket, Buffer.from('999999999999.a,')),
    'an instruction of the Guacamole protocol',
  ],
])('one that %s is a connection that failed', async (_what, does, why) => {
  const { place } = await madeUp((opcode, socket) => void (opcode === 'select' && does(socket)))
  const failed = await GuacdConnection.begin(place, begin, 10_000).catch((error: unknown) => error)
  expect(failed).toBeInstanceOf(Fault)
  expect(String(failed)).toContain(why)
})

test('one that asks for everything is told what was named, and nothing of its own', async () => {
  const asked = [
    'hostname',
    'recording-path',
    'drive-path',
    'sftp-hostname',
    'password',
    'dest-host',
    'wol-mac-addr',
  ]
  const { place, told } = await madeUp((opcode, socket) => {
    if (opcode === 'select') say(socket, encodeInstruction('args', 'VERSION_9_9_9', ...asked))
    if (opcode === 'connect')
      say(socket, encodeInstruction('ready', '$one'), encodeInstruction('size', '0', '800', '600'))
  })
  const opened = await GuacdConnection.begin(place, begin, 10_000)
  opened.close()
  expect(told.find(({ opcode }) => opcode === 'connect')?.args).toEqual([
    ...['VERSION_1_1_0', 'hmi', '', '', '', 'Kanarie7', '', ''],
  ])
})

test('one that asks again and again is told the password once', async () => {
  const { place, told } = await madeUp((opcode, socket) => {
    if (opcode === 'select') say(socket, args, args, args)
  })
  await expect(GuacdConnection.begin(place, begin, 10_000)).rejects.toThrow('a second time')
  expect(told.filter(({ opcode }) => opcode === 'connect').length).toBeLessThan(2)
})

test('one that says much and shows nothing is not kept in memory', async () => {
  let isSending = true
  const { place } = await madeUp((opcode, socket) => {
    if (opcode === 'select') say(socket, args)
    if (opcode !== 'connect') return
    say(socket, encodeInstruction('ready', '$one'))
    const chunk = Buffer.concat(Array.from({ length: 500 }, () => encodeInstruction('nop')))
    const more = () => {
      while (isSending && !socket.destroyed && socket.write(chunk));
      if (isSending && !socket.destroyed) socket.once('drain', more)
    }
    more()
  })
  await expect(GuacdConnection.begin(place, begin, 20_000)).rejects.toThrow('shows no picture')
  isSending = false
})

test.each(['NaN', '', '-1', '99999999999999999999', 'zz'])(
  'a refusal with the status %j is one, whatever it says',
  async (status) => {
    const { place } = await madeUp((opcode, socket) => {
      if (opcode === 'select') say(socket, encodeInstruction('error', 'Kanarie7 \u001b[2J', status))
    })
    const refused = await GuacdConnection.begin(place, begin, 10_000).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(GuacdRefusal)
    // What it says of it is shown to nobody.
    expect(String(refused)).not.toContain('Kanarie7')
  },
)

test('a watch that breaks is joined again a few times; then who shows it is told, with the cause', async () => {
  const { place, told } = await madeUp((opcode, socket) => {
    if (opcode === 'select') say(socket, args)
    if (opcode === 'connect')
      say(
        socket,
        ...[encodeInstruction('ready', '$one'), encodeInstruction('size', '0', '800', '600')],
        encodeInstruction('sync', '1'),
      )
    if (opcode === 'sync') say(socket, Buffer.from('garbage'))
  })
  const why: unknown[] = []
  using watch = new DesktopWatch(place, '$one', {
    write: (_bytes, drawn) => drawn(),
    over: (cause) => why.push(cause),
  })
  expect(watch).toBeDefined()
  await until(() => why.length > 0 || undefined, 10_000)
  expect(told.filter(({ opcode }) => opcode === 'select')).toHaveLength(4)
  expect(why).toEqual([expect.objectContaining({ message: expect.stringContaining('Guacamole protocol') })])
})

test('asked what it is, it has so long to say it, and nothing of any length is taken for a version', async () => {
  const silent = await madeUp(() => undefined)
  await expect(askGuacd(silent.place, 'vnc', 300)).rejects.toThrow('does not answer')
  const garbage = await madeUp((_opcode, socket) => say(socket, Buffer.from('HTTP/1.1 200 OK\r\n')))
  await expect(askGuacd(garbage.place, 'vnc', 10_000)).rejects.toThrow('is no guacd')
  const gone = await madeUp((_opcode, socket) => socket.end())
  await expect(askGuacd(gone.place, 'vnc', 10_000)).rejects.toThrow('has no support for vnc')
  const odd = `VERSION_${'9'.repeat(4_000)}_0_0`
  const boasts = await madeUp((_opcode, socket) => say(socket, encodeInstruction('args', odd, 'hostname')))
  const said = await askGuacd(boasts.place, 'vnc', 10_000)
  expect([said.protocolVersion, said.isCurrent]).toEqual([undefined, false])
})
