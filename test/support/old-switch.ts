import type { AddressInfo } from 'node:net'
import { generateKeyPairSync } from 'node:crypto'
import ssh2 from 'ssh2'
import { pinOf } from './sshd.ts'

/** A switch with a command line of its own, as its SSH side behaves: `enable` asks for a password without echo. */
export type OldSwitch = AsyncDisposable & {
  readonly port: number
  readonly pins: readonly { readonly type: string; readonly fingerprint: string }[]
  /** Lines that were entered, at the prompt and at password prompts. */
  readonly entered: string[]
}

export type OldSwitchOptions = {
  readonly login: string
  readonly password: string
  readonly enablePassword: string
  /** Shows what is typed at the password prompt, as no switch should. */
  readonly echoesPasswords?: boolean
  /** Prints the password after it was entered. */
  readonly repeatsPassword?: boolean
}

export async function startOldSwitch(options: OldSwitchOptions): Promise<OldSwitch> {
  const entered: string[] = []
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const parsed = ssh2.utils.parseKey(privateKey)
  if (parsed instanceof Error) throw parsed
  const server = new ssh2.Server({ hostKeys: [privateKey] }, (connection) => {
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => {
      if (context.method === 'password' && context.password === options.password) return context.accept()
      context.reject(['password'])
    })
    connection.on('session', (accept) => {
      const session = accept()
      session.on('pty', (acceptPty) => acceptPty?.())
      session.on('shell', (acceptShell) => runCommandLine(acceptShell(), options, entered))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    pins: [pinOf(`ssh-rsa ${parsed.getPublicSSH().toString('base64')}`)],
    entered,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

function runCommandLine(channel: ssh2.ServerChannel, options: OldSwitchOptions, entered: string[]): void {
  let line = ''
  let isAsking = false
  let isEnabled = false
  const prompt = () => channel.write(`\r\nswitch-7${isEnabled ? '#' : '>'}`)
  channel.write('\r\nUser Access Verification\r\n')
  prompt()
  channel.on('error', () => undefined)
  channel.on('data', (bytes: Buffer) => {
    for (const character of bytes.toString()) {
      const isShown = !isAsking || options.echoesPasswords === true
      if (character === '\x7f' || character === '\b') {
        if (line.length > 0 && isShown) channel.write('\b \b')
        line = line.slice(0, -1)
      } else if (character !== '\r') {
        line += character
        if (isShown) channel.write(character)
      } else {
        entered.push(line)
        const given = line
        line = ''
        if (isAsking) {
          isAsking = false
          isEnabled = given === options.enablePassword
          if (options.repeatsPassword === true) channel.write(`\r\nyou typed ${given}`)
          if (!isEnabled) channel.write('\r\n% Access denied')
          prompt()
        } else if (given === 'enable') {
          isAsking = true
          channel.write('\r\nPassword: ')
        } else if (given === 'exit') {
          channel.write('\r\n')
          channel.exit(0)
          channel.end()
        } else {
          if (given.startsWith('show ')) channel.write(`\r\n${given.slice(5)}`)
          prompt()
        }
      }
    }
  })
}
