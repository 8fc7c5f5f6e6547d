import { connect, type Socket } from 'node:net'

/** One bit at a machine that speaks Modbus/TCP. */
export type BitAddress = {
  readonly host: string
  readonly port: number
  readonly unit: number
  readonly kind: 'discrete' | 'coil'
  readonly number: number
}

/** MODBUS Messaging on TCP/IP 1.0b §3.1.3: transaction, protocol 0, length, unit; then function 1 or 2, start, count. */
const requestBytes = 12
/** With one bit: the header, function, one byte of data, that byte. */
const answerBytes = 10

/**
 * Reads one bit, again and again, over one connection. Its answers are ten bytes of a fixed form: anything else ends the
 * connection. It is ours because the libraries for it bring native code for serial lines.
 */
export class BitReader implements Disposable {
  readonly #address: BitAddress
  #socket: Socket | undefined
  #transaction = 0

  constructor(address: BitAddress) {
    this.#address = address
  }

  /** The bit as it is now. Throws where it cannot be had within `timeout` milliseconds. */
  async read(timeout: number): Promise<boolean> {
    const socket = await this.#connected(timeout)
    this.#transaction = (this.#transaction + 1) & 0xffff
    try {
      return await ask(socket, this.#transaction, this.#address, timeout)
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  async #connected(timeout: number): Promise<Socket> {
    if (this.#socket?.writable === true) return this.#socket
    this[Symbol.dispose]()
    const { host, port } = this.#address
    const socket = connect({ host, port, noDelay: true })
    this.#socket = socket
    // Errors after this are those of a later read, which finds the socket closed.
    socket.on('error', () => undefined)
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => socket.destroy(new Error('no connection in time')), timeout)
      socket.once('connect', () => {
        clearTimeout(late)
        resolve()
      })
      socket.once('close', () => {
        clearTimeout(late)
        reject(new Error('no connection'))
      })
    })
    return socket
  }
}

function ask(socket: Socket, transaction: number, address: BitAddress, timeout: number): Promise<boolean> {
  const { unit, kind, number } = address
  const functionCode = kind === 'coil' ? 1 : 2
  const request = Buffer.alloc(requestBytes)
  request.writeUInt16BE(transaction, 0)
  request.writeUInt16BE(6, 4)
  request[6] = unit
  request[7] = functionCode
  request.writeUInt16BE(number, 8)
  request.writeUInt16BE(1, 10)
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0)
    const finish = (result: boolean | Error) => {
      clearTimeout(late)
      socket.off('data', onData)
      socket.off('close', onClose)
      if (result instanceof Error) reject(result)
      else resolve(result)
    }
    const onClose = () => finish(new Error('the machine closed the connection'))
    const onData = (bytes: Buffer) => {
      got = Buffer.concat([got, bytes])
      const read = parseAnswer(got, transaction, unit, functionCode)
      if (read !== undefined) finish(read)
    }
    const late = setTimeout(() => finish(new Error('no answer in time')), timeout)
    socket.on('data', onData)
    socket.on('close', onClose)
    socket.write(request)
  })
}

/** The bit of an answer; an error for what is none; undefined while it is not whole. */
export function parseAnswer(
  bytes: Uint8Array,
  transaction: number,
  unit: number,
  functionCode: number,
): boolean | Error | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length > answerBytes) return new Error('the machine said more than it was asked')
  if (view.length < 9) return undefined
  const isOurs = view.readUInt16BE(0) === transaction && view.readUInt16BE(2) === 0 && view[6] === unit
  if (!isOurs) return new Error('the machine answered something else')
  if (view[7] === (functionCode | 0x80)) return new Error(`the machine refused (exception ${view[8]})`)
  if (view[7] !== functionCode || view.readUInt16BE(4) !== 4 || view[8] !== 1)
    return new Error('the machine answered something else')
  return view.length < answerBytes ? undefined : ((view[9] ?? 0) & 1) === 1
}
