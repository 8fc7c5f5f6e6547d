import { encodeParts } from '../kernel/encoding.ts'
import type { GuardedRow, GuardedShape, GuardValue } from './guarded.ts'
import type { Keyring } from './keyring.ts'

/** How many bytes of a row's MAC the vault remembers. */
export const tagBytes = 16

/** The id of a row as text: its one key column, or all of them, kept apart. Throws `TypeError` when one is missing. */
export function rowId(table: string, shape: GuardedShape, row: GuardedRow): string {
  const parts = shape.id.map((column) => {
    const value = row[column]
    if (typeof value !== 'string') throw new TypeError(`a row of ${table} has no ${column}`)
    return value
  })
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : JSON.stringify(parts)
}

/**
 * The MAC of a row: over the table, the id, the epoch and every column that is not null, by name. Columns without a
 * value are left out, so that a table can be given another column without touching its rows.
 */
export function rowMac(
  keyring: Keyring,
  table: string,
  shape: GuardedShape,
  row: GuardedRow,
  epoch: number,
): Buffer {
  const parts: (string | Uint8Array)[] = [table, rowId(table, shape, row), String(epoch)]
  for (const column of shape.columns) {
    const value = row[column]
    if (value === undefined) throw new TypeError(`a row of ${table} is given without its ${column}`)
    if (value !== null) parts.push(column, ...encodeValue(value))
  }
  return keyring.mac('row-mac', encodeParts(...parts))
}

/** What a row adds to the sum over its table: unknown to whoever lacks the key, different for each version. */
export function rowElement(keyring: Keyring, table: string, id: string, tag: string): bigint {
  const element = keyring.mac('row-element', encodeParts(table, id, Buffer.from(tag, 'latin1')))
  return BigInt(`0x${element.toString('hex')}`)
}

/** The tag by which the vault remembers a row's MAC. */
export function tagOf(mac: Uint8Array): string {
  return Buffer.from(mac.buffer, mac.byteOffset, tagBytes).toString('latin1')
}

/** Type and bytes of a value, so that no value of one type is taken for one of another. */
function encodeValue(value: Exclude<GuardValue, null>): readonly [string, string | Uint8Array] {
  if (typeof value === 'string') return ['text', value]
  if (typeof value === 'number') return ['number', String(value)]
  if (typeof value === 'boolean') return ['boolean', String(value)]
  if (value instanceof Date) return ['moment', String(value.getTime())]
  if (value instanceof Uint8Array) return ['bytes', value]
  if (Array.isArray(value)) return ['list', encodeParts(...(value as readonly string[]))]
  throw new TypeError('a guarded column holds a value of a type that has no canonical form')
}
