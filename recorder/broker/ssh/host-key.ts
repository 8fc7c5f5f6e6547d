import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../../../vault/kernel/fault.ts'
import { generateKeyPair, utils } from '../../../vault/ssh/library.ts'
import { describeHostKey } from '../../../vault/ssh/verify-host-key.ts'

/** The gateway's own host keys, in the form that ssh2 takes. */
export type GatewayKeys = {
  readonly privateKeys: readonly string[]
  readonly fingerprints: readonly { readonly type: string; readonly fingerprint: string }[]
  /** Lines of an OpenSSH known_hosts file without the host. */
  readonly publicLines: readonly string[]
}

const kinds = [
  { file: 'ssh_host_ed25519_key', make: () => generateKeyPair('ed25519') },
  { file: 'ssh_host_rsa_key', make: () => generateKeyPair('rsa', 3072) },
] as const

/** Reads the gateway's host keys from `folder`, making those that are missing. One set serves all workers. */
export async function loadGatewayKeys(folder: string): Promise<GatewayKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const privateKeys: string[] = []
  for (const { file, make } of kinds) privateKeys.push(await loadOrMake(join(folder, file), make))
  const publics = privateKeys.map((text, at) => {
    const key = utils.parseKey(text)
    if (key instanceof Error)
      throw new Fault(
        'configuration',
        `${join(folder, kinds[at]?.file ?? '')} holds no private key that parses`,
      )
    return key.getPublicSSH()
  })
  return {
    privateKeys,
    fingerprints: publics.map((key) => {
      const { type, fingerprint } = describeHostKey(key)
      return { type, fingerprint }
    }),
    publicLines: publics.map((key) => `${describeHostKey(key).type} ${key.toString('base64')}`),
  }
}

async function loadOrMake(path: string, make: () => { readonly private: string }): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new Fault('configuration', `cannot read the SSH host key ${path}`, { cause: error })
  }
  const text = make().private
  const draft = `${path}.${randomBytes(4).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  // `link` refuses to overwrite: of two that start at once, one key stays.
  await link(draft, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft, { force: true })
  return readFile(path, 'utf8')
}
