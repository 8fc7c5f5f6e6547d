import { type Caller, failed, type Machine, ok, paint, type Reply, stamp, words } from './shell.ts'

type Port = { readonly name: string; label: string; isUp: boolean; readonly vlan: number }

const help = `show version | interfaces | mac | logging
enable  disable
interface PORT shutdown | no shutdown | description TEXT   (after enable)
help  exit
`

/**
 * An access switch of 2009: what it knows of SSH is as old (see `server.ts`). Its ports are changed after `enable` alone,
 * which asks for a secret of its own; `isSecret` tells it.
 */
export function makeSwitch(
  host: string,
  isSecret: (text: string) => boolean,
  now: () => Date = () => new Date(),
): Machine {
  const ports: Port[] = [
    { name: 'fe0/1', label: 'press-3 gateway', isUp: true, vlan: 30 },
    { name: 'fe0/2', label: 'mixer-1 gateway', isUp: true, vlan: 10 },
    { name: 'fe0/3', label: 'camera dock east', isUp: false, vlan: 90 },
    { name: 'fe0/4', label: 'spare', isUp: false, vlan: 1 },
    { name: 'ge0/1', label: 'uplink hall 2', isUp: true, vlan: 1 },
  ]
  const log: string[] = [`${stamp(now())} %SYS-5-RESTART: system restarted`]

  const show = (what: string | undefined): Reply => {
    switch (what) {
      case 'version':
        return ok(
          `IndustrialSwitch 2600, software 4.2(11) of 2009-03-02\n${host} serial 0914-7731, 26 ports\n`,
        )
      case 'interfaces':
        return ok(
          ports
            .map(
              ({ name, label, isUp, vlan }) =>
                `${name.padEnd(7)} ${isUp ? paint('green', 'up  ') : paint('grey', 'down')}  vlan ${String(vlan).padEnd(3)} ${label}\n`,
            )
            .join(''),
        )
      case 'mac':
        return ok(
          '  30  00:1b:1b:3a:07:c1  fe0/1\n  10  00:0e:8c:91:22:5f  fe0/2\n   1  00:11:21:bd:40:01  ge0/1\n',
        )
      case 'logging':
        return ok(`${log.slice(-15).join('\n')}\n`)
      default:
        return failed('% show version | interfaces | mac | logging\n', 2)
    }
  }

  const change = (args: readonly string[], login: string): Reply => {
    const [name, ...act] = args
    const port = ports.find((one) => one.name === name)
    if (port === undefined) return failed(`% no interface ${name ?? ''}\n`)
    const text = act.join(' ')
    if (text === 'shutdown' || text === 'no shutdown') port.isUp = text !== 'shutdown'
    else if (act[0] === 'description' && act.length > 1) port.label = act.slice(1).join(' ').slice(0, 40)
    else return failed('% shutdown | no shutdown | description TEXT\n', 2)
    log.push(`${stamp(now())} %SYS-5-CONFIG: ${port.name} ${text.slice(0, 60)} by ${login}`)
    return ok('')
  }

  const enable = (caller: Caller): Reply => ({
    ...ok('Password: '),
    asks: (answer) => {
      const isRight = isSecret(answer)
      log.push(`${stamp(now())} %SEC-5-ENABLE: ${isRight ? 'enabled by' : 'refused to'} ${caller.login}`)
      if (isRight) caller.isPrivileged = true
      return isRight ? ok('') : failed('% Access denied\n')
    },
  })

  return {
    greeting: () => '\nAccess to this switch is for the maintenance of hall 2.\n\n',
    prompt: ({ isPrivileged }) => `${host}${isPrivileged ? '#' : '>'} `,
    run: (line, caller) => {
      const [command, ...args] = words(line)
      switch (command) {
        case 'show':
          return show(args[0])
        case 'enable':
          return caller.isPrivileged ? ok('') : enable(caller)
        case 'disable':
          caller.isPrivileged = false
          return ok('')
        case 'interface':
          return caller.isPrivileged ? change(args, caller.login) : failed('% enable first\n')
        case 'help':
        case '?':
          return ok(help)
        case 'exit':
          return { text: '', code: 0, ends: true }
        default:
          return failed(`% unknown command: ${command}\n`)
      }
    },
  }
}
