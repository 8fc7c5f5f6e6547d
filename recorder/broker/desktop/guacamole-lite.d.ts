/** What is used of guacamole-lite 1.2.0, which has no types: see `lite.ts`. */
declare module 'guacamole-lite/lib/ClientConnection.js' {
  import type { EventEmitter } from 'node:events'
  import type { Socket } from 'node:net'

  type Options = {
    readonly maxInactivityTime: number
    readonly log: { readonly level: number; readonly stdLog: () => void; readonly errorLog: () => void }
    readonly crypt: { readonly cypher: string; readonly key: Buffer }
    readonly connectionDefaultSettings: { readonly [type: string]: object }
    readonly allowedUnencryptedConnectionSettings: { readonly [type: string]: readonly string[] }
  }
  type Settings = (settings: unknown, done: (error: undefined, settings: unknown) => void) => void

  export default class ClientConnection extends EventEmitter {
    readonly STATE_OPEN: number
    readonly state: number
    readonly guacdClient: {
      readonly guacdConnection: Socket
      readonly activityCheckInterval: NodeJS.Timeout
      processReceivedData: (data: string) => void
    }
    constructor(
      options: Options,
      id: number,
      webSocket: EventEmitter,
      query: { token?: string },
      callbacks: { readonly processConnectionSettings: Settings },
    )
    connect(guacd: { readonly host: string | undefined; readonly port: string | number }): void
    close(error?: Error): void
  }
}

declare module 'guacamole-lite/lib/Crypt.js' {
  export default class Crypt {
    constructor(cypher: string, key: Buffer)
    encrypt(value: unknown): string
  }
}
