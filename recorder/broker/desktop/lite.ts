import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import ClientConnection from 'guacamole-lite/lib/ClientConnection.js'
import Crypt from 'guacamole-lite/lib/Crypt.js'

/** Where guacamole-lite sends the browser what it has for it. */
export type LiteEvents = {
  readonly send: (bytes: Buffer) => void
  readonly closed: () => void
}

/** guacamole-lite's end of one desktop. */
export type Lite = Disposable & {
  /** What the browser sent: whole instructions. */
  readonly hear: (bytes: Uint8Array) => void
  /** Takes no more from the tap, until `resume`. */
  readonly pause: () => void
  readonly resume: () => void
}

const cypher = 'AES-256-CBC'
/** SECURITY: guacamole-lite's tokens have no MAC and no expiry. One is made and read in this process, and leaves it never. */
const key = randomBytes(32)

const options = {
  // Its own idea of an idle browser: ours is the live socket's.
  maxInactivityTime: 0,
  // SECURITY: at any other level, and at 'QUIET' too, it writes down what passes.
  log: { level: 0, stdLog: () => undefined, errorLog: () => undefined },
  crypt: { cypher, key },
  connectionDefaultSettings: {
    vnc: {
      width: 1024,
      height: 768,
      dpi: 96,
      audio: [],
      video: [],
      image: ['image/png', 'image/jpeg'],
      timezone: null,
    },
  },
  // SECURITY: nothing of a query: there is none.
  allowedUnencryptedConnectionSettings: { vnc: [] },
}

/**
 * Puts guacamole-lite between a browser and the tap.
 *
 * Its server is not used: that dies on a bad token or frame, takes signals for itself, and prints the ids of connections.
 * What is used is contained here, and test/attack/guacamole-lite.test.ts holds each containment against the package
 * itself: characters split between two reads, text that is no instruction, a browser that does not read.
 */
export function openLite(tapPath: string, ticket: string, events: LiteEvents): Lite {
  const browser = new Browser(events)
  const token = new Crypt(cypher, key).encrypt({
    connection: { type: 'vnc', settings: { hostname: ticket } },
  })
  const connection = new ClientConnection(
    options,
    0,
    browser,
    { token },
    {
      processConnectionSettings: (settings, done) => done(undefined, settings),
    },
  )
  connection.on('error', () => connection.close())
  connection.on('close', () => events.closed())
  // SECURITY: without a token that opens it would go on with what it has not, and end the process.
  if (connection.state !== connection.STATE_OPEN) throw new Error('guacamole-lite did not take its own token')
  connection.connect({ host: undefined, port: tapPath })
  const { guacdClient } = connection
  // Once, before anything is read: it decodes each read by itself, and a character may lie in two.
  guacdClient.guacdConnection.setEncoding('utf8')
  // It gives up a far side that is silent for 10 s, also one that is kept waiting for the browser.
  clearInterval(guacdClient.activityCheckInterval)
  const read = guacdClient.processReceivedData.bind(guacdClient)
  guacdClient.processReceivedData = (data) => {
    try {
      read(data)
    } catch {
      connection.close()
    }
  }
  return {
    hear: (bytes) => void browser.emit('message', Buffer.from(bytes).toString('utf8')),
    pause: () => void guacdClient.guacdConnection.pause(),
    resume: () => void guacdClient.guacdConnection.resume(),
    [Symbol.dispose]: () => {
      browser.readyState = browser.CLOSED
      connection.close()
    },
  }
}

/** The browser, as guacamole-lite sees it: the part of a WebSocket that it uses. */
class Browser extends EventEmitter {
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  readyState = 1
  readonly #events: LiteEvents

  constructor(events: LiteEvents) {
    super()
    this.#events = events
  }

  send(text: string, _options: unknown, done?: (error?: Error) => void): void {
    if (this.readyState === this.OPEN) this.#events.send(Buffer.from(text, 'utf8'))
    done?.()
  }

  close(): void {
    this.readyState = this.CLOSED
  }
}
