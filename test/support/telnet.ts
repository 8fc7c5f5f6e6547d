import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findGuacd } from '../../deploy/setup/guacd.ts'

/** Why no terminal of Telnet can be had here, or undefined when one can. Print it where a test is left out. */
export function whyNoTelnet(): string | undefined {
  if (findGuacd() === undefined)
    return 'guacd is not installed (npm test as root installs it, where it can be had)'
  return whyNoTelnetd()
}

/** As `whyNoTelnet`, where nobody draws the terminal. */
export function whyNoTelnetd(): string | undefined {
  return existsSync('/usr/sbin/telnetd') && existsSync('/usr/bin/python3')
    ? undefined
    : 'inetutils-telnetd is not installed (deploy/test-packages.txt)'
}

/** A real Telnet server on loopback: each connection is one of inetutils' telnetd, whose login is a script's. */
export type TelnetServer = AsyncDisposable & {
  readonly port: number
  readonly password: string
  /** Where the shell works. */
  readonly home: string
}

/** `login`: that asks is login(1), which lets users of the machine in. */
export async function startTelnet(
  password: string,
  asks: 'script' | 'login' = 'script',
): Promise<TelnetServer> {
  const home = await mkdtemp(join(tmpdir(), 'tagout-telnet-'))
  const login = join(home, 'login')
  // In the place of login(1), which wants users of the machine; it asks as that does.
  writeFileSync(
    login,
    `#!/bin/sh
while :; do
  printf '\\nplc-7 login: '
  read -r name || exit 1
  printf 'Password: '
  stty -echo; read -r given || exit 1; stty echo
  printf '\\n'
  [ "$name" = operator ] && [ "$given" = '${password}' ] && break
  sleep 0.5
  printf 'Login incorrect\\n'
done
cd '${home}'
export PS1='plc-7$ '
exec /bin/sh -i
`,
    { mode: 0o755 },
  )
  // telnetd speaks on the socket that it inherits, as from inetd.
  const inetd = spawn(
    '/usr/bin/python3',
    [
      '-c',
      `import socket, subprocess, sys
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    subprocess.Popen(['/usr/sbin/telnetd', '-E', sys.argv[1]], stdin=client, stdout=client, stderr=client)
    client.close()
`,
      asks === 'login' ? '/bin/login' : login,
    ],
    {
      cwd: home,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
      env: { PATH: '/usr/sbin:/usr/bin:/bin' },
    },
  )
  const [line] = (await once(inetd.stdout, 'data')) as [Buffer]
  return {
    port: Number(line.toString()),
    password,
    home,
    [Symbol.asyncDispose]: async () => {
      const gone = once(inetd, 'exit')
      if (inetd.pid !== undefined) process.kill(-inetd.pid, 'SIGKILL')
      await gone
      await rm(home, { recursive: true, force: true })
    },
  }
}
