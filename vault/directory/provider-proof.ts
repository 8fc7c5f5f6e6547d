import type { LoginId } from '../kernel/id.ts'
import { type Outcome, refuse } from '../kernel/outcome.ts'
import type { Tx } from '../transaction.ts'
import { type Call, userOf } from '../world.ts'
import { directoryOf } from './row.ts'
import { settingsOf } from './settings.ts'

/** What a provider has proven of whoever holds a login: by whom, when it last asked them (ms), and how. */
export type ProviderProof = {
  readonly issuer: string
  readonly askedAt: number
  readonly acr: string | null
}

/** Of each login. In memory alone, where nobody forges it: a restart has people asked once more. */
export type ProviderProofs = {
  readonly put: (login: LoginId, proof: ProviderProof) => void
  readonly get: (login: LoginId) => ProviderProof | undefined
}

/**
 * Why whoever asks has to be asked anew by their provider before this, or undefined: for everybody who is of none, and
 * where theirs does not say so. Breaking glass is not kept waiting for a provider: it may be what is away.
 */
export async function refuseStale(tx: Tx, call: Call): Promise<Outcome<never> | undefined> {
  if (call.act.verb === 'breakglass.open') return undefined
  const asking = userOf(call)
  const of = await directoryOf(tx.db, tx.guard, asking.id)
  const settings = of === undefined ? undefined : settingsOf(of.directory)
  if (of === undefined || settings?.kind !== 'oidc' || settings.stepUp === null) return undefined
  const { withinSeconds, acrValues } = settings.stepUp
  const proof = call.world.oidc.proven.get(asking.login.id)
  const isEnough =
    proof?.issuer === settings.issuer &&
    tx.now.getTime() - proof.askedAt <= withinSeconds * 1000 &&
    (acrValues.length === 0 || acrValues.includes(proof.acr ?? ''))
  if (isEnough) return undefined
  const how = acrValues.length === 0 ? '' : `, by ${acrValues.join(' or ')}`
  const within = withinSeconds % 60 === 0 ? `${withinSeconds / 60} min` : `${withinSeconds} s`
  return refuse(
    'step_up',
    `this takes a sign-in at ${of.directory.name} within ${within}${how}`,
    'sign in there anew in the console, and do it again: what you entered stays',
  )
}
