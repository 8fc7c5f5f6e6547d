import { defineConfig } from 'vitest/config'
import LongestFirst from './test/support/longest-first.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    globalSetup: './test/support/once-a-run.ts',
    // A process for each file: real servers, signals and native code do not share one.
    pool: 'forks',
    // Two cores are the smallest machine that this is made for; a good part of a file's time is waiting, which a
    // third fills.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 90_000,
    teardownTimeout: 30_000,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    reporters: ['default', './test/support/count-reporter.ts'],
  },
})
