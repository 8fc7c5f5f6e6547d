import { z } from 'zod'
import { Fault } from '../kernel/fault.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { type HostKeySeen, identityOf, legacyAlgorithms } from '../contract.ts'
import { notFound } from '../not-found.ts'
import type { Row } from '../rows.ts'
import { by, type Handler, type World } from '../world.ts'
import { desktopOf, findTarget, isFingerprint, notAPin } from './target.ts'

/** Milliseconds for which a scan's key types are remembered, and in which a recorder must have done it. */
export const scanLife = 10 * 60_000
const scanTimeout = 30_000

const seenShape = z.array(
  z.object({
    type: z.string().max(64),
    fingerprint: z.string().refine(isFingerprint),
    key: z.string().max(20_000),
    needs: z.array(z.enum(legacyAlgorithms)).max(legacyAlgorithms.length),
    certificate: z
      .object({
        subject: z.string().max(400),
        issuer: z.string().max(400),
        notBefore: z.iso.datetime(),
        notAfter: z.iso.datetime(),
      })
      .exactOptional(),
  }),
)

/** Has a recorder fetch the keys that the target presents now: the vault itself opens no connection to a target. */
export const targetScan: Handler<'target.scan'> = async (call, { target: reference }) => {
  const { world } = call
  const target = await findTarget(world.vault.database, world.vault.guard, reference)
  if (target === undefined) return notFound('target', reference)
  const settings = desktopOf(target)
  if (identityOf(target.protocol, settings) === 'nothing') return notAPin(target.protocol, settings, 'target')
  const seen = await fetchKeys(world, target)
  if (!seen.ok) return seen
  world.scans.put(target.id, seen.value)
  const fingerprints = seen.value.map((key) => key.fingerprint)
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'target.scanned',
      fingerprints,
      target: target.id,
      targetName: target.name,
      ...by(call),
    }),
  )
  return done(seen.value.map(({ key: _key, ...shown }) => shown))
}

async function fetchKeys(world: World, target: Row<'target'>): Promise<Outcome<readonly HostKeySeen[]>> {
  const [worker] = world.workers.all()
  if (worker === undefined)
    return refuse(
      'unavailable',
      'no recorder is connected that could look at the target',
      'start the recorder',
    )
  try {
    const { host, port } = target
    const { security = 'nla' } = desktopOf(target) ?? {}
    const answer = await (target.protocol === 'ssh'
      ? worker.peer.call('host-key.fetch', { host, port }, undefined, scanTimeout)
      : worker.peer.call(
          'certificate.fetch',
          target.protocol === 'rdp'
            ? { host, port, protocol: target.protocol, security }
            : { host, port, protocol: target.protocol },
          undefined,
          scanTimeout,
        ))
    if (!answer.ok) return answer
    const seen = seenShape.parse(answer.value)
    if (seen.length === 0) return refuse('unavailable', 'the target presented nothing that could be pinned')
    return done(seen)
  } catch (error) {
    if (!(error instanceof Fault) && !(error instanceof z.ZodError)) throw error
    return refuse('unavailable', 'the recorder could not fetch what identifies the target', 'try again')
  }
}
