import type { GatewayKeys } from '../broker/ssh/host-key.ts'
import type { RecorderConfig } from '../config.ts'

/** What the parent tells a worker. A `connection` comes with its socket. */
export type ToWorker =
  | {
      readonly kind: 'begin'
      readonly config: RecorderConfig
      readonly keys: GatewayKeys
      readonly name: string
    }
  | { readonly kind: 'connection'; readonly id: number }
  | { readonly kind: 'stop' }

/** What a worker tells the parent. */
export type ToParent =
  | { readonly kind: 'up' }
  | { readonly kind: 'proven'; readonly id: number }
  | { readonly kind: 'closed'; readonly id: number }
  | { readonly kind: 'stopped' }
