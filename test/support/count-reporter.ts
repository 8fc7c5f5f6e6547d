import type { Reporter, TestModule } from 'vitest/node'

/** Ends a run with one line that scripts read: `N passed, N failed`. What could not even be loaded has failed. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0
    // The checks that run before the tests count as one.
    let failed = unhandled.length + Number(process.env['TAGOUT_CHECKS_FAILED'] ?? 0)
    let skipped = 0
    for (const module of modules) {
      if (module.errors().length > 0) failed += 1
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        else if (state === 'failed') failed += 1
        else skipped += 1
      }
    }
    // Printed at the very end, after the summary of the other reporters.
    process.once('exit', () => {
      if (skipped > 0) process.stdout.write(`${skipped} skipped\n`)
      process.stdout.write(`${passed} passed, ${failed} failed\n`)
    })
  }
}
