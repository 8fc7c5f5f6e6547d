import { makeApp } from '../../api/http/app.ts'
import { type Listening, listen } from '../../api/http/server.ts'
import type { VerbInput } from '../../vault/contract.ts'
import { sodium } from '../../vault/crypto/sodium.ts'
import type { VaultClient } from '../../vault/index.ts'
import { refuse } from '../../vault/kernel/outcome.ts'
import type { TestVault } from './vault.ts'

/** Makes a token of a service, as the machine's administrator, and opens it. */
export async function addToken(
  vault: Pick<TestVault, 'ask' | 'now'>,
  more: Partial<VerbInput<'token.add'>> = {},
): Promise<{ readonly id: VerbInput<'token.revoke'>['token']; readonly secret: string }> {
  const box = sodium.crypto_box_keypair()
  const { token, sealedToken } = await vault.ask('token.add', {
    service: 'historian',
    scopes: ['audit.read', 'sessions.read'],
    expiresAt: new Date(vault.now().getTime() + 90 * 24 * 3600_000).toISOString(),
    boxKey: Buffer.from(box.publicKey).toString('base64'),
    ...more,
  })
  const opened = sodium.crypto_box_seal_open(
    Buffer.from(sealedToken, 'base64'),
    box.publicKey,
    box.privateKey,
  )
  return { id: token.id, secret: Buffer.from(opened).toString() }
}

/** The api's real HTTP edge over a real vault, on this machine. */
export async function startEdge(
  api: VaultClient,
  onFault: (fault: unknown) => void = () => undefined,
): Promise<Listening & AsyncDisposable> {
  const app = makeApp(
    {
      ask: (verb, input, token, timeout, source) => api.call(verb, input, token, timeout, source),
      open: async () => refuse('not_found', 'there is no such recording'),
      now: Date.now,
      onFault,
    },
    { tls: false, names: [], sshPort: 2222, consoleDir: '/nonexistent' },
  )
  return listen(app, { host: '127.0.0.1', port: 0, transport: { kind: 'insecurePlain' } })
}
