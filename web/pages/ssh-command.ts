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

/** Where the terminal for `account` (`press-3/engineer`) is in the console. Names may have dots, paths may not. */
export function terminalPath(account: string): string {
  return `/terminal#${account.split('/').map(encodeURIComponent).join('/')}`
}

/** The account that the address of a terminal names. */
export function accountInAddress(): string {
  try {
    return decodeURIComponent(window.location.hash.slice(1))
  } catch {
    return ''
  }
}
