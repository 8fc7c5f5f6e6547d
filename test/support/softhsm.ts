import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const softHsmModule = '/usr/lib/softhsm/libsofthsm2.so'

/** Why no token can be had here: said where tests are left out. */
export function whyNoSoftHsm(): string | undefined {
  if (!existsSync(softHsmModule)) return 'there is no SoftHSM (apt-get install softhsm2)'
  try {
    createRequire(import.meta.url)('pkcs11js')
    return undefined
  } catch {
    return 'pkcs11js has no native binding here (npm run setup builds it)'
  }
}

export type SoftHsm = AsyncDisposable & {
  readonly folder: string
  /** What a module entry of tagout.json needs to find these tokens. */
  readonly env: Readonly<Record<string, string>>
  readonly addToken: (label: string, pin: string) => void
  readonly removeToken: (label: string) => void
  readonly changePin: (label: string, pin: string) => void
}

/** SoftHSM's tokens in a folder of their own. */
export async function startSoftHsm(): Promise<SoftHsm> {
  const folder = await mkdtemp(join(tmpdir(), 'tagout-hsm-'))
  mkdirSync(join(folder, 'tokens'))
  const conf = join(folder, 'softhsm2.conf')
  writeFileSync(
    conf,
    `directories.tokendir = ${join(folder, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  )
  const env = { SOFTHSM2_CONF: conf }
  const util = (...args: readonly string[]) =>
    execFileSync('softhsm2-util', [...args], { env: { ...process.env, ...env }, stdio: 'pipe' })
  return {
    folder,
    env,
    addToken: (label, pin) => {
      util('--init-token', '--free', '--label', label, '--so-pin', 'officer-1', '--pin', pin)
    },
    removeToken: (label) => {
      util('--delete-token', '--token', label)
    },
    changePin: (label, pin) => {
      util('--init-pin', '--token', label, '--so-pin', 'officer-1', '--pin', pin)
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
