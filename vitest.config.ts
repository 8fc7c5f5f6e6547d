import { defineConfig } from 'vitest/config'
import LongestFirst from './test/support/longest-first.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    globalSetup: './test/support/once-a-run.ts',
    // A process for each file: real servers, signals and native code do not share one.
    pool: 'forks',
    // Two cores are the smallest machine that this is made for. A third worker would fill what is waited, at the price of
    // races that only a loaded machine shows.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 90_000,
    teardownTimeout: 30_000,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    reporters: ['default', './test/support/count-reporter.ts'],
  },
})
