import { statSync } from 'node:fs'
import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Seconds that a file of the folder takes, where no earlier run tells. */
const usual: Readonly<Record<string, number>> = {
  e2e: 90,
  protocol: 40,
  attack: 20,
  integration: 15,
  property: 10,
  unit: 1,
}

/** The files that take longest go first, so that none of them is left running alone at the end. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const { cache, config } = this.ctx
    const expected = new Map(
      files.map((file) => {
        const path = relative(config.root, file.moduleId)
        const known = cache.getTestSpecificationResult(file)?.duration
        const guessed = (usual[path.split('/')[1] ?? ''] ?? 1) * 1_000
        // Of two that were never run, the longer text is thought to take longer.
        return [file, known || guessed + statSync(file.moduleId).size / 1_000] as const
      }),
    )
    return files.toSorted((one, other) => (expected.get(other) ?? 0) - (expected.get(one) ?? 0))
  }
}
