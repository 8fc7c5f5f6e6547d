import { pino } from 'pino'
import type { Log } from '../broker/ssh/ports.ts'

/** The recorder's log on standard error: a fixed sentence, and data without secrets. */
export function makeLog(worker: string): Log {
  const logger = pino(
    { base: { plane: 'recorder', worker }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination(2),
  )
  return (message, data = {}) => logger.info(data, message)
}
