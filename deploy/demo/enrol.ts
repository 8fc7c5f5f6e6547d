import type { Enrolment, UserView } from '../../vault/contract.ts'
import { makeSealedLoginPassword } from '../../vault/intake.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { loadSodium } from '../cli/sodium.ts'
import { freshCode } from './codes.ts'
import type { DemoPerson } from './folder.ts'
import { company, people } from './plant.ts'
import type { AskVault } from './vault-door.ts'

export type EnrolPorts = {
  readonly ask: AskVault
  readonly intakeKey: string
  /** Keeps what changed of a person, durably, before anything hangs on it. */
  readonly keep: (person: DemoPerson) => void
}

const source = 'tagout demo'

/** Makes the person a user who has signed in for the first time, with password and second factor. Answers the login's token. */
export async function enrolPerson(
  { ask, intakeKey, keep }: EnrolPorts,
  person: DemoPerson,
  users: readonly UserView[],
): Promise<string> {
  const sodium = await loadSodium()
  const { name, password } = person
  const sealed = () => makeSealedLoginPassword(sodium, intakeKey, name, password)
  const known = users.find((user) => user.name === name)
  if (known?.state === 'active') {
    const { code, step } = await freshCode(person)
    keep({ ...person, lastStep: step })
    return (await ask('login.start', { name, sealedPassword: sealed(), totpCode: code, source })).token
  }
  const roles = people.find((one) => one.name === name)?.roles ?? []
  const link: Enrolment =
    known !== undefined
      ? await ask('user.enrol', { user: name })
      : name === company.representative
        ? await invite(ask)
        : (await ask('user.add', { name, roles: [...roles] })).enrolment
  const box = sodium.crypto_box_keypair()
  const begun = await ask('enrolment.begin', { token: link.token, boxKey: toBase64(box.publicKey), source })
  const opened = sodium.crypto_box_seal_open(fromBase64(begun.sealedTotp), box.publicKey, box.privateKey)
  const { secret } = JSON.parse(Buffer.from(opened).toString('utf8')) as { secret: string }
  const { code, step } = await freshCode({ ...person, totp: secret, lastStep: 0 })
  // INVARIANT: nobody is enrolled whose second factor is not kept: a second run signs in with it.
  keep({ ...person, totp: secret, lastStep: step })
  const finished = await ask('enrolment.finish', {
    token: link.token,
    sealedPassword: sealed(),
    totpCode: code,
    ...(begun.terms === null ? {} : { termsDigest: begun.terms.digest }),
    source,
  })
  return finished.token
}

/** Invites the person who represents a company; adds the company where it is not there yet. */
async function invite(ask: AskVault): Promise<Enrolment> {
  const { name, sponsor, mailDomain, days, terms, representative } = company
  if (!(await ask('company.list', {})).some((one) => one.name === name))
    await ask('company.add', {
      name,
      sponsor,
      mailDomains: [mailDomain],
      contractEndsAt: new Date(Date.now() + days * 24 * 3600_000).toISOString(),
      terms,
    })
  const mail = `${representative}@${mailDomain}`
  return (await ask('company.invite', { company: name, name: representative, mail })).enrolment
}
