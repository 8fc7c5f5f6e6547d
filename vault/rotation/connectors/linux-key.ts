import { describeHostKey } from '../../ssh/verify-host-key.ts'
import type { Connector, Credential, Place, Seen } from '../connector.ts'
import { saw } from '../connector.ts'
import type { ChangeResult, KeepResult } from '../phases.ts'
import { login } from './linux-password.ts'
import { notOpened, openShell } from './unix-shell.ts'

/**
 * A key in `~/.ssh/authorized_keys`. The new one is added beside the old one, which is taken away once the new one has let
 * somebody in. No private half ever leaves the vault: what is sent are public keys, and nothing of them is secret.
 */
export const linuxKey: Connector = { change, login, retire }

/** Written whole or not at all: a machine that is switched off in between has one file or the other. */
const file = '"$HOME"/.ssh/authorized_keys'
const write = 'cat > "$t" && chmod 600 "$t" && mv "$t"'

async function change(at: Place, current: Credential, candidate: Credential): Promise<Seen<ChangeResult>> {
  const opened = await openShell(at, current)
  if (opened.kind === 'failed') return notOpened(opened)
  await using login = opened
  if (candidate.kind !== 'ssh-key') return saw({ kind: 'untouched', why: 'this connector adds keys' }, true)
  const line = lineOf(candidate)
  // Its options go with the old key to the new one: who may come from where stays as it is.
  const { code } = await login.shell.run(
    [
      'umask 077',
      'mkdir -p "$HOME"/.ssh',
      `t="$HOME"/.ssh/.tagout.$$`,
      `f=${file}`,
      `touch "$f"`,
      `o=$(grep -F ${quoted(blobOf(current))} "$f" | head -n 1 | sed -E 's/(ssh-|ecdsa-|sk-).*//')`,
      `{ cat "$f"; [ -z "$(tail -c 1 "$f")" ] || echo; printf '%s%s\\n' "$o" ${quoted(line)}; } | { ${write} "$f"; }`,
    ].join(' && '),
  )
  if (code === 0) return saw({ kind: 'changed' }, true)
  return saw(
    code === undefined
      ? { kind: 'unknown', why: `${at.target.name} did not say whether it added the key` }
      : { kind: 'refused', why: `the key could not be added on ${at.target.name} (${code})` },
    true,
  )
}

async function retire(at: Place, candidate: Credential, old: Credential): Promise<Seen<KeepResult>> {
  const opened = await openShell(at, candidate)
  if (opened.kind === 'failed') return saw({ kind: 'unknown', why: opened.why }, opened.sent)
  await using login = opened
  const { code } = await login.shell.run(
    [
      'umask 077',
      `t="$HOME"/.ssh/.tagout.$$`,
      `f=${file}`,
      `grep -F ${quoted(blobOf(candidate))} "$f" > /dev/null`,
      `{ grep -v -F ${quoted(blobOf(old))} "$f" | { ${write} "$f"; }; }`,
    ].join(' && '),
  )
  return saw(
    code === 0
      ? { kind: 'kept' }
      : { kind: 'unknown', why: `the old key could not be taken away on ${at.target.name}` },
    true,
  )
}

function blobOf(key: Credential): string {
  return key.kind === 'ssh-key' ? key.publicKey : ''
}

function lineOf(key: Credential & { readonly kind: 'ssh-key' }): string {
  return `${describeHostKey(Buffer.from(key.publicKey, 'base64')).type} ${key.publicKey} tagout`
}

/** SECURITY: base64 and names of key types alone come here; what is not that is refused before a shell sees it. */
function quoted(text: string): string {
  if (!/^[A-Za-z0-9+/= @.-]+$/.test(text)) throw new TypeError('not a public key')
  return `'${text}'`
}
