import { z } from 'zod'
import type { SiemBatch } from '../../vault/contract.ts'
import { lookEvery } from '../look.ts'
import type { Sent } from '../notify/sent.ts'
import { makePost } from '../notify/webhook.ts'
import type { AskVault } from '../vault-link.ts'
import { sendSyslog } from './syslog.ts'

/** `siem` in tagout.json. */
export const siemFile = z.strictObject({ loopback: z.boolean().optional() })

export type SiemConfig = {
  /** A receiver may be on this machine. */
  readonly loopback: boolean
}

/** Milliseconds between two looks at what is due. */
const every = 1_000

export type SiemPorts = {
  readonly ask: AskVault
  readonly onFault: (error: unknown) => void
}

/** Sends the log on to its receivers. The vault knows how far each has come: this holds nothing. */
export function startSiem({ loopback }: SiemConfig, ports: SiemPorts): AsyncDisposable {
  let isStopping = false
  const send = (batch: SiemBatch): Promise<Sent> => {
    const { payload, address } = batch
    const ca = batch.certificates ?? undefined
    if (payload.kind === 'syslog') return sendSyslog({ address, ca, loopback, messages: payload.messages })
    const post = makePost({ ca, loopback, named: 'the receiver', setting: 'siem.loopback' })
    return post({ ...payload, url: address })
  }
  const sendOne = async (batch: SiemBatch): Promise<boolean> => {
    const sent = await send(batch)
    const { receiver, through, told } = batch
    await ports.ask('siem.done', {
      ...{ receiver, through, told },
      ...(sent.kind === 'sent' ? {} : { error: sent.why }),
    })
    return sent.kind === 'sent'
  }
  const look = async () => {
    while (!isStopping) {
      const due = await ports.ask('siem.take', {})
      // Sealed, or not initialised yet: there will be another second.
      if (!due.ok || due.value.length === 0) return
      const sent = await Promise.all(due.value.map(sendOne))
      // What is left of the log goes at once, and not a batch a second.
      if (!sent.includes(true)) return
    }
  }
  const looking = lookEvery(every, look, ports.onFault)
  return {
    [Symbol.asyncDispose]: async () => {
      isStopping = true
      await looking[Symbol.asyncDispose]()
    },
  }
}
