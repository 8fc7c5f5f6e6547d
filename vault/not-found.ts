import { type Outcome, refuse } from './kernel/outcome.ts'

const listedBy = {
  user: 'tagout user list',
  safe: 'tagout safe list',
  target: 'tagout target list',
  account: 'tagout account list; accounts are named target/login',
  grant: 'tagout grant list',
  request: 'tagout request list',
  session: 'tagout session list',
  recording: 'tagout recording list',
  hold: 'tagout hold list',
  switch: 'tagout switch list',
  token: 'tagout token list',
  directory: 'tagout directory list',
  rotation: 'tagout rotation list',
  task: 'tagout rotation tasks',
  recipe: 'tagout rotation recipe list',
  exposure: 'tagout exposure list',
  company: 'tagout vendor list',
  offboarding: 'tagout vendor report',
  kit: 'tagout kit list',
  receiver: 'tagout siem list',
  mark: 'tagout review list --all',
  'retention class': 'tagout retention list',
  'legal hold': 'tagout legal-hold list',
  destruction: 'tagout destruction list --all',
  campaign: 'tagout campaign list',
  item: 'tagout campaign show',
  'break-glass': 'tagout breakglass list --all',
} as const

/**
 * What to say of a thing that is not there: its name as it was given, and where the names are.
 *
 * SECURITY: only to who may know what exists; `decide` has let nobody else come this far.
 */
export function notFound(noun: keyof typeof listedBy, reference: string): Outcome<never> {
  const name = reference.length > 80 ? `${reference.slice(0, 80)}…` : reference
  const shown = /^[\p{L}\p{N}_.\-/:…]+$/u.test(name) ? name : JSON.stringify(name)
  return refuse('not_found', `there is no ${noun} ${shown}`, `see: ${listedBy[noun]}`)
}
