import type { SealView, SharesView } from '../contract.ts'
import type { Seal } from '../keys/seals.ts'
import type { SharesWaiting } from './entered-shares.ts'

/** The name of a set of shares as it is printed: `K3F9-21XX`. */
export function setText(set: string): string {
  return `${set.slice(0, 4)}-${set.slice(4)}`
}

export function sharesView(waiting: SharesWaiting): SharesView {
  return {
    set: setText(waiting.set),
    threshold: waiting.threshold,
    given: waiting.given,
    missing: waiting.custodians.filter((name) => !waiting.given.some((one) => one.name === name)),
    until: waiting.until.toISOString(),
  }
}

export function sealView(seal: Seal, rehearsedAt: string | null = null): SealView {
  const { custodians } = seal
  return {
    id: seal.id,
    kind: seal.kind,
    createdAt: seal.createdAt.toISOString(),
    followsRotation: seal.followsRotation,
    path: seal.path ?? null,
    outside: seal.outside ?? null,
    byItself: seal.byItself,
    custodians:
      custodians === undefined
        ? null
        : {
            set: setText(custodians.set),
            threshold: custodians.threshold,
            names: custodians.custodians.map(({ name }) => name),
          },
    rehearsedAt,
  }
}
