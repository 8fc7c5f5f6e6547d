import { addressKind, literalAddress } from '../kernel/network.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'

/** One bit of a machine that speaks Modbus/TCP: a discrete input (function 2) or a coil (function 1). */
export type ModbusInput = {
  readonly host: string
  readonly port: number
  readonly unit: number
  readonly kind: 'discrete' | 'coil'
  /** From 0, as it goes over the wire: input 10001 of a data sheet is number 0. */
  readonly number: number
}

const next = 'write modbus://10.0.3.9:502/1/discrete/12: host, unit, discrete or coil, number from 0'

/** Reads `modbus://host[:port]/unit/discrete|coil/number`. */
export function parseModbusInput(text: string): Outcome<ModbusInput> {
  const parts = /^modbus:\/\/([^/?#@\s]+)\/(\d{1,3})\/(discrete|coil)\/(\d{1,5})$/.exec(text)
  const [, place = '', unit, kind, number] = parts ?? []
  // A scheme that every URL parser takes apart by host and port.
  const url = parts !== null && URL.canParse(`http://${place}`) ? new URL(`http://${place}`) : undefined
  if (url === undefined || Number(unit) > 255 || Number(number) > 65_535)
    return refuse('invalid', 'input: this is no Modbus input', next)
  const address = literalAddress(url)
  if (address !== undefined && addressKind(address) === 'never')
    return refuse('invalid', `input: nothing of a plant is at ${address}`, 'name the address of the machine')
  return done({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (place.endsWith(':80') ? 80 : 502) : Number(url.port),
    unit: Number(unit),
    kind: kind === 'coil' ? 'coil' : 'discrete',
    number: Number(number),
  })
}
