import { Fault } from '../vault/index.ts'
import { hasNativeCiphers } from './broker/ssh/native-binding.ts'
import { readConfig } from './config.ts'
import { makeLog } from './supervision/log.ts'
import { startRecorder } from './supervision/parent.ts'
import { runWorker } from './supervision/worker.ts'

if (process.env['TAGOUT_RECORDER_WORKER'] !== undefined) runWorker()
else await runParent()

/** Runs the parent until it is told to stop or its supervisor is gone. */
async function runParent(): Promise<void> {
  const log = makeLog('parent')
  const say = (message: object) => {
    if (process.connected) process.send?.(message)
  }
  try {
    const recorder = await startRecorder(readConfig(process.env), import.meta.filename)
    let isStopping = false
    const stop = (why: string) => {
      if (isStopping) return
      isStopping = true
      log('stopping', { why })
      void recorder[Symbol.asyncDispose]().then(() => process.exit(0))
    }
    process.on('SIGTERM', () => stop('asked to'))
    process.on('SIGINT', () => stop('asked to'))
    // Without the supervisor nobody would end this process.
    process.on('disconnect', () => stop('the supervisor is gone'))
    const { address, keys } = recorder
    const nativeCiphers = hasNativeCiphers()
    log('serving SSH', { ...address, nativeCiphers })
    say({
      kind: 'ready',
      address,
      hostKey: keys.fingerprints[0]?.fingerprint,
      hostKeys: keys.fingerprints,
      knownHosts: keys.publicLines,
      nativeCiphers,
    })
  } catch (error) {
    const message = error instanceof Fault ? error.message : `the recorder cannot start: ${String(error)}`
    log('the recorder cannot start', { error: message })
    say({ kind: 'failed', message })
    process.exit(1)
  }
}
