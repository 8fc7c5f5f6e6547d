/** A run of a batch, as `rotation.list` answers it. */
type Run = {
  readonly id: string
  readonly account: string
  readonly batch: string | null
  readonly place: number | null
  readonly phase: string
  readonly createdAt: string
  readonly endedAt: string | null
  readonly askedBy: string
  readonly reason: string
  readonly why: string
}

/** How far a batch has come: its first goes alone, the others follow, and one that fails stops those that wait. */
export type Batch<R extends Run> = {
  readonly id: string
  readonly askedBy: string
  readonly reason: string
  readonly createdAt: string
  readonly runs: readonly R[]
  /** The first, where it is among those that are listed. */
  readonly canary: R | undefined
  readonly done: number
  readonly underWay: number
  readonly waiting: readonly R[]
  readonly failed: readonly R[]
  /** Given up before anything was changed. */
  readonly cancelled: number
  /** What stopped it: no other is begun. */
  readonly stoppedBy: R | undefined
  readonly isOver: boolean
}

/** The batches of these runs, the latest first. */
export function batchesOf<R extends Run>(runs: readonly R[]): readonly Batch<R>[] {
  const ids = [...new Set(runs.flatMap(({ batch }) => (batch === null ? [] : [batch])))]
  return ids
    .map((id) =>
      batchOf(
        id,
        runs
          .filter(({ batch }) => batch === id)
          .toSorted((one, other) => (one.place ?? 0) - (other.place ?? 0)),
      ),
    )
    .toSorted((one, other) => (one.createdAt < other.createdAt ? 1 : -1))
}

function batchOf<R extends Run>(id: string, runs: readonly R[]): Batch<R> {
  const inPhase = (...phases: readonly string[]) => runs.filter(({ phase }) => phases.includes(phase))
  const failed = inPhase('failed', 'unknown')
  const waiting = inPhase('waiting')
  const [done, cancelled] = [inPhase('done').length, inPhase('cancelled').length]
  const [first] = runs
  return {
    id,
    ...{ askedBy: first?.askedBy ?? '', reason: first?.reason ?? '', createdAt: first?.createdAt ?? '' },
    runs,
    canary: runs.find(({ place }) => place === 0),
    ...{ done, waiting, failed, cancelled },
    underWay: runs.length - done - cancelled - failed.length - waiting.length,
    stoppedBy: failed[0],
    isOver: runs.every(({ endedAt, phase }) => endedAt !== null || phase === 'unknown'),
  }
}

/** In words: 3 of 12 done, 1 failed, 5 under way, 3 wait. */
export function batchText({ runs, done, failed, underWay, waiting, cancelled }: Batch<Run>): string {
  const parts: readonly (readonly [number, string])[] = [
    [failed.length, 'failed'],
    [underWay, 'under way'],
    [waiting.length, waiting.length === 1 ? 'waits' : 'wait'],
    [cancelled, 'given up'],
  ]
  return [
    `${done} of ${runs.length} done`,
    ...parts.filter(([n]) => n > 0).map(([n, is]) => `${n} ${is}`),
  ].join(', ')
}
