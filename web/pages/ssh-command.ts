import type { Action, ForwardRule } from '../../vault/contract.ts'
import { useHealth } from '../shell/health.ts'

/** The port on which sessions come in, as the server says. */
export function useSshPort(): number {
  return useHealth()?.sshPort ?? 2222
}

/** The exact command that connects `user` to `account` (`press-3/engineer`) through the machine that serves the console. */
export function sshCommand(
  user: string,
  account: string,
  port: number,
  host: string = window.location.hostname,
): string {
  const [target = '', login = ''] = account.split('/')
  // A browser writes an IPv6 address in brackets, ssh takes it bare.
  return `ssh -p ${port} ${user}@${login}@${target}@${host.replace(/^\[(.+)\]$/, '$1')}`
}

/** The command of each native client, ready to be copied: what a grant does not allow is not among them. */
export function nativeCommands(
  user: string,
  account: string,
  actions: readonly Action[],
  forwards: readonly Pick<ForwardRule, 'host' | 'port'>[],
  port: number,
  host: string = window.location.hostname,
): readonly { readonly client: string; readonly command: string }[] {
  const ssh = sshCommand(user, account, port, host)
  const [target = '', login = ''] = account.split('/')
  const as = `-P ${port} -o User=${user}@${login}@${target}`
  // Unlike ssh, these take an IPv6 address in its brackets.
  const reads = actions.includes('sftp-read')
  const writes = actions.includes('sftp-write')
  return [
    ...(actions.includes('shell') || actions.includes('exec') ? [{ client: 'ssh', command: ssh }] : []),
    // The gateway opens the file protocol to whoever may read; who may only write copies with scp's own command.
    ...(reads ? [{ client: 'sftp', command: `sftp ${as} ${host}` }] : []),
    ...(writes ? [{ client: 'scp', command: `scp ${reads ? '' : '-O '}${as} FILE ${host}:` }] : []),
    ...(reads && !writes ? [{ client: 'scp', command: `scp ${as} ${host}:FILE .` }] : []),
    ...forwards.map((to) => ({
      client: `forward ${to.host}:${to.port}`,
      command: ssh.replace(
        /^ssh /,
        `ssh -N -L ${to.port < 1024 ? to.port + 10_000 : to.port}:${to.host.includes(':') ? `[${to.host}]` : to.host}:${to.port} `,
      ),
    })),
  ]
}

/** Where the terminal for `account` (`press-3/engineer`) is in the console. Names may have dots, paths may not. */
export function terminalPath(account: string): string {
  return `/terminal#${account.split('/').map(encodeURIComponent).join('/')}`
}

/** Where the desktop of `account` (`hmi-3/operator`) is in the console. */
export function desktopPath(account: string): string {
  return terminalPath(account).replace('/terminal', '/desktop')
}

/** The account that the address of a terminal or a desktop names. */
export function accountInAddress(): string {
  try {
    return decodeURIComponent(window.location.hash.slice(1))
  } catch {
    return ''
  }
}
