import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Guacd } from '../../deploy/supervisor/guacd.ts'
import { runGuacd } from '../../deploy/supervisor/guacd.ts'
import { askGuacd } from '../../recorder/broker/desktop/ask-guacd.ts'
import {
  encodeInstruction,
  type Instruction,
  InstructionParser,
} from '../../recorder/broker/desktop/instruction.ts'
import { until } from '../support/installation.ts'
import { startVnc, type VncServer, whyNoDesktop } from '../support/vnc.ts'

/** The reader of the Guacamole protocol against a real guacd, with a real desktop behind it. */

const why = whyNoDesktop()
if (why !== undefined) console.warn(`left out: ${why}`)

describe.skipIf(why !== undefined)('a real guacd', () => {
  let guacd: Guacd
  let vnc: VncServer
  const dataDir = mkdtempSync(join(tmpdir(), 'tagout-guacd-'))
  beforeAll(async () => {
    guacd = await runGuacd({
      dataDir,
      given: undefined,
      mayInstall: false,
      say: () => undefined,
      onChange: () => undefined,
    })
    vnc = await startVnc('pässwö')
  })
  afterAll(async () => {
    await vnc?.[Symbol.asyncDispose]()
    await guacd?.[Symbol.asyncDispose]()
    rmSync(dataDir, { recursive: true })
  })

  test('says which parameters it wants, and connects to nothing', async () => {
    const { parameters, protocolVersion } = await askGuacd(guacd.address, 'vnc', 5_000)
    expect(parameters).toEqual(expect.arrayContaining(['hostname', 'port', 'password', 'read-only']))
    expect(protocolVersion).toMatch(/^1\.\d+\.\d+$/)
  })

  test('shows a desktop behind a password: every byte of it is read, and encodes to the same', async () => {
    const { parameters } = await askGuacd(guacd.address, 'vnc', 5_000)
    const values = { hostname: '127.0.0.1', port: String(vnc.port), password: vnc.password }
    const socket = createConnection(guacd.address)
    const seen = readAll(socket)
    await once(socket, 'connect')
    socket.write(encodeInstruction('select', 'vnc'))
    await seen.until(({ opcode }) => opcode === 'args')
    for (const [opcode, ...args] of [
      ['size', '800', '600', '96'],
      ['audio'],
      ['video'],
      ['image', 'image/png'],
    ] as const)
      socket.write(encodeInstruction(opcode, ...args))
    const known: Readonly<Record<string, string>> = values
    socket.write(
      encodeInstruction('connect', 'VERSION_1_1_0', ...parameters.map((name) => known[name] ?? '')),
    )
    const ready = await seen.until(({ opcode }) => opcode === 'ready')
    expect(ready.args[0]).toMatch(/^\$/)
    await seen.until(({ opcode }) => opcode === 'sync')
    socket.write(encodeInstruction('disconnect'))
    socket.end()
    const whole = Buffer.concat(seen.list.map(({ bytes }) => bytes))
    expect(seen.list.map(({ opcode }) => opcode)).toEqual(
      expect.arrayContaining(['size', 'img', 'blob', 'end']),
    )
    const again = seen.list.map(({ opcode, args }) => encodeInstruction(opcode, ...args))
    expect(Buffer.concat(again).equals(whole)).toBe(true)
    expect(seen.taken()).toBe(whole.length)
    expect(whole.includes('pässwö')).toBe(false)
  })

  test('a supervisor that is killed leaves no guacd behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tagout-guacd-'))
    const supervisor = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { runGuacd } from ${JSON.stringify(new URL('../../deploy/supervisor/guacd.ts', import.meta.url).href)}
         const guacd = await runGuacd({ dataDir: process.argv[1], given: undefined, mayInstall: false, say: () => undefined, onChange: () => undefined })
         console.log(guacd.pid())`,
        folder,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    try {
      const [line] = (await once(supervisor.stdout, 'data')) as [Buffer]
      const pid = Number(line.toString())
      expect(existsSync(`/proc/${pid}`)).toBe(true)
      supervisor.kill('SIGKILL')
      await until(() => !existsSync(`/proc/${pid}`) || undefined, 10_000)
    } finally {
      supervisor.kill('SIGKILL')
      rmSync(folder, { recursive: true })
    }
  })
})

/** Reads all that comes, one byte at a time. */
function readAll(socket: Socket) {
  const parser = new InstructionParser()
  const list: Instruction[] = []
  let taken = 0
  let look = () => undefined as undefined
  socket.on('data', (chunk) => {
    for (const byte of chunk) list.push(...parser.push(Uint8Array.of(byte)))
    taken += chunk.length
    look()
  })
  return {
    list,
    /** Bytes that came, where they end between two instructions. */
    taken: () => (parser.isBetween ? taken : -1),
    until: (is: (one: Instruction) => boolean) =>
      new Promise<Instruction>((resolve, reject) => {
        look = () => {
          const found = list.find(is)
          if (found !== undefined) resolve(found)
          return undefined
        }
        socket.once('close', () => reject(new Error('guacd hung up')))
        look()
      }),
  }
}
