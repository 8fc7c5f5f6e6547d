import { failed, type Machine, ok, paint, words } from './shell.ts'

const notes = `Reach the panel of mixer-1 from here by a tunnel:
  ssh -L 8080:mixer-1:80 …    then open http://localhost:8080
Nothing else is forwarded.
`

/** The jump host of the vendors: little to do on it but to pass through. */
export function makeJumpHost(host: string, now: () => Date = () => new Date()): Machine {
  const since = now()
  const files: Readonly<Record<string, string>> = {
    'NOTES.txt': notes,
    'hosts.txt': '10.30.0.7   press-3\n10.10.0.4   mixer-1\n10.30.0.1   switch-7\n',
  }
  return {
    greeting: () => `${paint('cyan', host)}: jump host of the plant. Read NOTES.txt.\n`,
    prompt: ({ login }) => `${login}@${host}:~$ `,
    run: (line, { login }) => {
      const [command, ...args] = words(line)
      const [name] = args
      switch (command) {
        case 'ls':
          return ok(`${Object.keys(files).join('  ')}\n`)
        case 'cat': {
          const text =
            name === undefined ? undefined : Object.entries(files).find(([file]) => file === name)?.[1]
          return text === undefined ? failed(`cat: ${name ?? ''}: no such file\n`) : ok(text)
        }
        case 'ping':
          return /^(press-3|mixer-1|switch-7)$/.test(name ?? '')
            ? ok(`${name} is alive\n`)
            : failed(`ping: ${name ?? ''}: name not known\n`, 2)
        case 'hostname':
          return ok(`${host}\n`)
        case 'whoami':
          return ok(`${login}\n`)
        case 'uptime':
          return ok(`up ${Math.floor((now().getTime() - since.getTime()) / 1000)} s, 1 user\n`)
        case 'help':
          return ok('ls  cat  ping  hostname  whoami  uptime  exit\n')
        case 'exit':
        case 'logout':
          return { text: 'logout\n', code: 0, ends: true }
        default:
          return failed(`sh: ${command}: not found\n`, 127)
      }
    },
  }
}
