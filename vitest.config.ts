import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    // A process for each file: real servers, signals and native code do not share one.
    pool: 'forks',
    // Two cores are the smallest machine that this is made for.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 90_000,
    teardownTimeout: 30_000,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    reporters: ['default', './test/support/count-reporter.ts'],
  },
})
