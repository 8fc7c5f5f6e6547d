import { Secret } from '../../kernel/secret.ts'
import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, LoginResult } from '../phases.ts'
import { fileBytesOf, rfbLogin } from './rfb.ts'
import { openShell, type Shell } from './unix-shell.ts'

/**
 * The password of a VNC server that keeps it in a file: TigerVNC, x11vnc and others of Unix. Another account of the host
 * writes the file over SSH: the one that the server runs as, root, or one that may act as it by `sudo -n`. A server that
 * reads its file at each login takes it at once; nothing is restarted.
 */
export const vncPassword: Connector = { change, login }

async function change(at: Place, _current: Credential, candidate: Credential): Promise<Seen<ChangeResult>> {
  const { through } = at
  if (through === undefined) return saw({ kind: 'untouched', why: 'no account to change it through' }, false)
  if (candidate.kind !== 'password')
    return saw({ kind: 'untouched', why: 'this connector changes passwords' }, false)
  const opened = await openShell({ ...at, ...through }, through.credential)
  // That this account was refused says nothing of the password that is to be changed.
  if (opened.kind === 'failed') return saw({ kind: 'untouched', why: opened.why }, opened.sent)
  await using host = opened
  using bytes = new Secret(fileBytesOf(candidate.secret))
  const written = await write(host.shell, at, bytes)
  if (written.result.kind !== 'changed') return saw(written.result, true)
  using before = written.before
  const { result } = await rfbLogin(at, candidate.secret)
  if (result.kind !== 'rejected') return saw(written.result, true)
  // It has read its file when it started, and will again some day; or it was another's: what was there is put back.
  const back = before === undefined ? undefined : await write(host.shell, at, before)
  back?.before?.[Symbol.dispose]()
  return saw(
    back?.result.kind === 'changed'
      ? { kind: 'refused', why: `${at.target.name} does not read that file at each login: it is as it was` }
      : { kind: 'unknown', why: `the password file of ${at.target.name} could not be put back` },
    true,
  )
}

async function login(at: Place, credential: Credential): Promise<Seen<LoginResult>> {
  return credential.kind === 'password'
    ? rfbLogin(at, credential.secret)
    : saw({ kind: 'unreachable', why: 'a VNC server takes passwords' }, false)
}

/** What the script ends with where the file was not touched. */
const untouched: Readonly<Record<number, string>> = {
  1: 'the account that it is changed through may not act as the one that the server runs as',
  4: 'no password file of a VNC server was found there',
  5: 'several VNC servers run there, and none of them at this port',
  6: 'the password file cannot be written',
}

type Written = { readonly result: ChangeResult; readonly before?: Secret | undefined }

/** Writes the bytes of a password to the file; answers what was in it. */
async function write(shell: Shell, at: Place, bytes: Secret): Promise<Written> {
  const own = bytes.expose((borrowed) => Buffer.from(borrowed))
  try {
    const { code, said } = await shell.run(commandOf(at), own)
    const was = /^before((?: [0-9a-f]{2}){8})$/m.exec(said)?.[1]
    const before = was === undefined ? undefined : new Secret(Buffer.from(was.replaceAll(' ', ''), 'hex'))
    if (code === 0) return { result: { kind: 'changed' }, before }
    before?.[Symbol.dispose]()
    const why = untouched[code ?? -1]
    return {
      result:
        why === undefined
          ? { kind: 'unknown', why: `the host of ${at.target.name} did not say whether it wrote the file` }
          : { kind: 'untouched', why: `${at.target.name}: ${why}` },
    }
  } finally {
    own.fill(0)
  }
}

/**
 * Writes eight bytes of standard input to the password file of the VNC server at a port.
 *
 * SECURITY: as the user that the server runs as, never as root: whose processes name a file is who may write to it. Only
 * processes of that user are looked at, so that nobody else names a file for them. A second password, for looking only,
 * stays.
 */
function commandOf({ target, account }: Place): string {
  const script = [
    'umask 077',
    'found=$(for p in /proc/[0-9]*; do',
    '  [ -O "$p" ] || continue',
    `  tr '\\0' '\\n' < "$p/cmdline" 2> /dev/null | awk -v cwd="$p/cwd/" '`,
    '    NR == 1 { n = $0; sub(/.*\\//, "", n); if (n !~ /[Vv][Nn][Cc]/) exit }',
    '    { low = tolower($0) }',
    '    before ~ /^-*(rfbauth|passwordfile)$/ { file = $0 }',
    '    low ~ /^-*(rfbauth|passwordfile)=/ { file = $0; sub(/^[^=]*=/, "", file) }',
    '    before ~ /^-*rfbport$/ { port = $0 }',
    '    low ~ /^-*rfbport=/ { port = $0; sub(/^[^=]*=/, "", port) }',
    '    $0 ~ /^:[0-9]+$/ { shown = 5900 + substr($0, 2) }',
    '    { before = low }',
    '    END { if (file == "") exit; if (file !~ /^\\//) file = cwd file',
    '      print (port != "" ? port : shown != "" ? shown : 5900) " " file }',
    `  '`,
    'done | sort -u)',
    `here=$(printf '%s\\n' "$found" | sed -n 's/^${target.port} //p')`,
    `[ -n "$here" ] || here=$(printf '%s\\n' "$found" | sed 's/^[0-9]* //' | sort -u)`,
    'if [ -z "$here" ]; then',
    '  for f in "$HOME/.config/tigervnc/passwd" "$HOME/.vnc/passwd"; do [ -f "$f" ] && here=$f && break; done',
    'fi',
    '[ -n "$here" ] || exit 4',
    `[ "$(printf '%s\\n' "$here" | wc -l)" = 1 ] || exit 5`,
    'f=$(readlink -f "$here") && [ -f "$f" ] || exit 4',
    'echo "before$(od -An -tx1 -N8 "$f")"',
    't="$f.tagout.$$"',
    `trap 'rm -f "$t"' EXIT`,
    'head -c 8 > "$t" && [ "$(wc -c < "$t")" -eq 8 ] && tail -c +9 "$f" >> "$t" && mv -f "$t" "$f" || exit 6',
  ].join('\n')
  // A name of VNC is often none of the host: then it is the server of the account that logs in.
  const owner = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$/.test(account.login) ? account.login : ''
  return [
    `s=${quoted(script)}`,
    `me=$(id -un); o=${quoted(owner)}`,
    'id -u -- "$o" > /dev/null 2>&1 || o=$me',
    'if [ "$o" = "$me" ]; then exec sh -c "$s"; fi',
    'if [ "$(id -u)" = 0 ]; then exec su -s /bin/sh -c "$s" "$o"; fi',
    'exec sudo -n -H -u "$o" -- sh -c "$s"',
  ].join('\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
