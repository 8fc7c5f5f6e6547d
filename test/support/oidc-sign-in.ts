import type { VerbAnswer } from '../../vault/contract.ts'
import { totpCode, totpStep } from '../../vault/identity/totp.ts'
import type { VaultClient } from '../../vault/index.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import { enrolmentBox } from './enrolment.ts'
import type { TestProvider } from './oidc-provider.ts'
import { must, type TestVault } from './vault.ts'

const source = '192.0.2.10'

/** Begins a sign-in at a provider, as a browser at the console would. */
export function leave(
  api: VaultClient,
  provider: Pick<TestProvider, 'settings'>,
  directory = 'corp',
): Promise<Outcome<VerbAnswer<'login.leave'>>> {
  return api.call('login.leave', { directory, origin: provider.settings.console, source })
}

/** Goes to a provider as this person, and comes back. */
export async function signInBy(
  api: VaultClient,
  provider: TestProvider,
  who: string,
  how: { readonly acr?: string } = {},
): Promise<Outcome<VerbAnswer<'login.return'>>> {
  const left = must(await leave(api, provider))
  const back = await provider.signIn(left.url, who, how)
  return api.call('login.return', { ...back, browser: left.browser, source })
}

type How = { readonly acr?: string; readonly deny?: boolean }

/** Signs in by a provider and a code. Answers the token of the login. */
export async function signInWhole(
  api: VaultClient,
  provider: TestProvider,
  who: string,
  code: () => string,
  how: How = {},
): Promise<string> {
  const { arrival } = must(await signInBy(api, provider, who, how))
  return must(await api.call('login.finish', { arrival, totpCode: code(), source })).token
}

/** Sends whoever has this login to their provider to be asked anew; there somebody signs in as `who`. */
export async function stepUp(
  api: VaultClient,
  provider: TestProvider,
  token: string,
  who: string,
  how: How = {},
): Promise<{ readonly url: string; readonly outcome: Outcome<VerbAnswer<'login.stepUpReturn'>> }> {
  const left = must(await api.call('login.stepUp', { origin: provider.settings.console }, token))
  const back = await provider.signIn(left.url, who, how)
  const outcome = await api.call('login.stepUpReturn', { ...back, browser: left.browser }, token)
  return { url: left.url, outcome }
}

/** Has a link made for somebody, who follows it, signed in at the provider, and sets up their authenticator. */
export async function enrolByProvider(
  vault: TestVault,
  api: VaultClient,
  provider: TestProvider,
  name: string,
): Promise<{ readonly code: () => string; readonly token: string }> {
  const { token } = await vault.ask('user.enrol', { user: name })
  const box = await enrolmentBox()
  const begun = must(await api.call('enrolment.begin', { token, boxKey: box.boxKey, source: '192.0.2.10' }))
  const secret = fromBase32(box.open(begun.sealedTotp).secret)
  let used = 0
  const code = () => {
    if (totpStep(vault.now().getTime()) <= used) vault.advance((used + 1) * 30_000 - vault.now().getTime())
    used = totpStep(vault.now().getTime())
    return totpCode(secret, used)
  }
  const { arrival } = must(await signInBy(api, provider, name))
  const login = must(await api.call('enrolment.finish', { token, arrival, totpCode: code(), source }))
  return { code, token: login.token }
}

export function fromBase32(text: string): Buffer {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  let bits = ''
  for (const char of text) bits += alphabet.indexOf(char).toString(2).padStart(5, '0')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}
