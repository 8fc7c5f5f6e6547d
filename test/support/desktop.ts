import { rmSync } from 'node:fs'
import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Guacd, guacdVariables, runGuacd } from '../../deploy/supervisor/guacd.ts'
import type { BrokerPorts } from '../../recorder/broker/ssh/ports.ts'
import { Tap } from '../../recorder/broker/desktop/tap.ts'
import {
  encodeInstruction,
  type Instruction,
  InstructionParser,
} from '../../recorder/broker/desktop/instruction.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { until } from './installation.ts'
import type { FakeAccount } from './contract-vault.ts'
import { giveTicket, openLive } from './live.ts'
import { liveBounds } from '../../recorder/live/protocol.ts'
import { SftpClient } from '../../web/desktop/sftp.ts'
import type { VncServer } from './vnc.ts'

export type DesktopGateway = AsyncDisposable & { readonly gateway: Gateway; readonly guacd: Guacd }

/** A gateway with a real guacd. */
export async function startDesktopGateway(): Promise<DesktopGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-desk-'))
  await chmod(folder, 0o711)
  const guacd = await runGuacd({
    dataDir: folder,
    given: undefined,
    mayInstall: false,
    say: () => undefined,
    onChange: () => undefined,
  })
  const tap = await Tap.listen(join(folder, 'tap.sock'))
  const uid = guacdVariables(guacd)['TAGOUT_GUACD_UID']
  const desktops: BrokerPorts['desktops'] = {
    guacd: { ...guacd.address, uid: uid === undefined ? undefined : Number(uid) },
    tap,
  }
  const gateway = await startGateway({}, { desktops })
  return {
    gateway,
    guacd,
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]()
      await tap[Symbol.asyncDispose]()
      await guacd[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The account of a VNC server's only user, on the target `hmi-3`, as the fake vault has it. */
export function vncAccount(
  { port, password }: Pick<VncServer, 'port' | 'password'>,
  change: Partial<FakeAccount> = {},
): FakeAccount {
  return {
    ...{ target: 'hmi-3', login: 'operator', host: '127.0.0.1', port, protocol: 'vnc' },
    pins: [{ type: '', fingerprint: 'unverified' }],
    actions: ['observe', 'interact'],
    credential: { kind: 'password', password },
    ...change,
  }
}

/** The instructions of the keys that write an ASCII text; a line feed is Enter, ETX is Ctrl+C. */
export function keysOf(text: string): Buffer {
  const press = (...keysyms: readonly number[]) => [
    ...keysyms.map((keysym) => encodeInstruction('key', String(keysym), '1')),
    ...keysyms.toReversed().map((keysym) => encodeInstruction('key', String(keysym), '0')),
  ]
  return Buffer.concat(
    [...text].flatMap((letter) => {
      if (letter === '\u0003') return press(0xffe3, 0x63)
      return press(letter === '\n' ? 0xff0d : (letter.codePointAt(0) ?? 0))
    }),
  )
}

/** A browser's end of a desktop, without a browser. */
export type DesktopEnd = Awaited<ReturnType<typeof openDesktopEnd>>

/** Opens a desktop of bob's at a gateway's target, and answers frames as a browser does. */
export async function openDesktopEnd(
  gateway: Pick<Gateway, 'vault' | 'liveSocket'>,
  target: string,
  account: string,
) {
  const { ticket, login } = giveTicket(gateway, target, account)
  const live = await openLive(gateway.liveSocket, { login })
  const shown: Instruction[] = []
  const parser = new InstructionParser()
  const end = { answers: true }
  let sent = 0
  const send = (opcode: string, ...args: readonly (string | number)[]) => {
    const bytes = encodeInstruction(opcode, ...args.map(String))
    sent += bytes.length
    live.socket.send(bytes, { binary: true })
  }
  live.isBeside = (data) => data[0] === liveBounds.filesMark
  let heard: (bytes: Uint8Array) => void = () => undefined
  live.socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) return
    if (data[0] === liveBounds.filesMark) return heard(data.subarray(1))
    for (const one of parser.push(data)) {
      shown.push(one)
      if (one.opcode === 'sync' && end.answers) send('sync', one.args[0] ?? '0')
    }
  })
  live.say({ kind: 'ticket', ticket, columns: 80, rows: 24 })
  return {
    live,
    shown,
    send,
    end,
    /** Bytes that were sent, and that were said to be taken. */
    sent: () => sent,
    taken: () => live.messages.reduce((sum, one) => sum + (one.kind === 'taken' ? one.bytes : 0), 0),
    type: (text: string) => {
      const bytes = keysOf(text)
      sent += bytes.length
      live.socket.send(bytes, { binary: true })
    },
    /** Asks for the files beside it, and answers what they are spoken with once they are open. */
    files: async () => {
      const before = live.messages.length
      live.say({ kind: 'files', open: true })
      const said = await until(
        () => live.messages.slice(before).find((one) => one.kind === 'files'),
        20_000,
        () => false,
        () => `no word of the files came: ${JSON.stringify(live.messages)}`,
      )
      const sendRaw = (bytes: Uint8Array) =>
        live.socket.send(Buffer.concat([Buffer.of(liveBounds.filesMark), bytes]), { binary: true })
      const client = new SftpClient(sendRaw)
      heard = (bytes) => client.hear(bytes)
      return { said, client, sendRaw, hearRaw: (listener: typeof heard) => void (heard = listener) }
    },
    /** Waits for an instruction. */
    see: (opcode: string, from = 0) =>
      until(
        () => shown.slice(from).find((one) => one.opcode === opcode),
        20_000,
        () => false,
        () => `no ${opcode} came: ${JSON.stringify(live.messages)}`,
      ),
  }
}
