import type { PseudoTtyInfo } from 'ssh2'
import type { Action } from '../../../vault/contract.ts'
import { parseScp, type ScpCommand } from './scp-command.ts'

export type Terminal = {
  readonly term: string
  readonly cols: number
  readonly rows: number
  readonly width: number
  readonly height: number
  readonly modes: Readonly<Record<string, number>>
}

/** What a client asks a session channel to be (RFC 4254 §6.5). */
export type ChannelRequest = {
  readonly terminal: Terminal | undefined
  readonly env: Readonly<Record<string, string>>
} & (
  | { readonly kind: 'shell' }
  | { readonly kind: 'exec'; readonly command: string; readonly scp: ScpCommand | undefined }
  | { readonly kind: 'sftp' }
)

/** The largest terminal that is passed on: recordings keep the whole screen. */
const largest = 1000
const clamp = (value: number, least: number) => Math.min(Math.max(Math.trunc(value) || least, least), largest)

/** Makes a terminal of what a client sent, within bounds. */
export function terminalOf(
  info: PseudoTtyInfo & { readonly term?: string },
  modes: Record<string, number>,
): Terminal {
  return {
    term: /^[\w.+-]{1,64}$/.test(info.term ?? '') ? (info.term ?? 'xterm') : 'xterm',
    ...sizeOf(info),
    modes,
  }
}

/** The size of a terminal. A size of zero says nothing (RFC 4254 §6.2): a client without a terminal of its own sends it. */
export function sizeOf(info: {
  readonly cols: number
  readonly rows: number
  readonly width: number
  readonly height: number
}): Pick<Terminal, 'cols' | 'rows' | 'width' | 'height'> {
  return {
    cols: info.cols === 0 ? 80 : clamp(info.cols, 2),
    rows: info.rows === 0 ? 24 : clamp(info.rows, 1),
    width: info.width >>> 0 > 100_000 ? 0 : info.width >>> 0,
    height: info.height >>> 0 > 100_000 ? 0 : info.height >>> 0,
  }
}

/** Variables that a client may set on the target: language and terminal, as OpenSSH's default `AcceptEnv`. */
export function isPassedOn(name: string): boolean {
  return /^(LANG|LC_[A-Z_]{1,30}|TERM|COLORTERM|NO_COLOR)$/.test(name)
}

/**
 * The action that a request needs. Copying by scp is file transfer where the command is scp's own and nothing else;
 * any other command is `exec`.
 */
export function actionOf(request: ChannelRequest, allowed: readonly Action[] | undefined): Action {
  switch (request.kind) {
    case 'shell':
      return 'shell'
    case 'sftp':
      return 'sftp-read'
    case 'exec': {
      if (request.scp === undefined) return 'exec'
      if (allowed?.includes('exec') === true || !request.scp.isPlain) return 'exec'
      return request.scp.direction === 'upload' ? 'sftp-write' : 'sftp-read'
    }
  }
}

/** Makes the request of an exec command line. */
export function execRequest(
  command: string,
  terminal: Terminal | undefined,
  env: Readonly<Record<string, string>>,
): ChannelRequest {
  return { kind: 'exec', command, scp: terminal === undefined ? parseScp(command) : undefined, terminal, env }
}
