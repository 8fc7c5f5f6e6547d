import { expect, test } from 'vitest'
import { parseAnswer } from '../../../api/plant/modbus.ts'
import { parseModbusInput } from '../../../vault/switches/input.ts'

const answer = (text: string) => parseAnswer(Buffer.from(text.replaceAll(' ', ''), 'hex'), 7, 1, 2)

test.each([
  ['0007 0000 0004 01 02 01 01', true],
  ['0007 0000 0004 01 02 01 00', false],
  // A machine may set the bits that nobody asked for.
  ['0007 0000 0004 01 02 01 fe', false],
  ['0007 0000 0004 01 02 01', undefined],
  ['0007 0000', undefined],
  ['', undefined],
])('the answer %s: %j', (text, read) => {
  expect(answer(text)).toBe(read)
})

test.each([
  ['0008 0000 0004 01 02 01 01', 'something else'],
  ['0007 0001 0004 01 02 01 01', 'something else'],
  ['0007 0000 0004 02 02 01 01', 'something else'],
  ['0007 0000 0004 01 01 01 01', 'something else'],
  ['0007 0000 0005 01 02 01 01', 'something else'],
  ['0007 0000 0004 01 02 02 01', 'something else'],
  ['0007 0000 0003 01 82 02', 'exception 2'],
  ['0007 0000 0004 01 02 01 01 00', 'more than it was asked'],
  ['48545450 2f312e31 20343030', 'more than it was asked'],
  ['48545450 2f312e31 20', 'something else'],
])('the answer %s is none: %s', (text, why) => {
  const read = answer(text)
  expect(read).toBeInstanceOf(Error)
  expect((read as Error).message).toContain(why)
})

test.each([
  ['modbus://10.0.3.9/1/discrete/12', { host: '10.0.3.9', port: 502, unit: 1, kind: 'discrete', number: 12 }],
  ['modbus://plc-7:1502/255/coil/0', { host: 'plc-7', port: 1502, unit: 255, kind: 'coil', number: 0 }],
  [
    'modbus://[fd00::9]:80/1/coil/65535',
    { host: 'fd00::9', port: 80, unit: 1, kind: 'coil', number: 65_535 },
  ],
])('%s is an input', (text, input) => {
  expect(parseModbusInput(text)).toEqual({ ok: true, value: input })
})

test.each([
  'modbus://10.0.3.9/256/discrete/12',
  'modbus://10.0.3.9/1/discrete/65536',
  'modbus://10.0.3.9/1/holding/1',
  'modbus://user@10.0.3.9/1/coil/1',
  'modbus://10.0.3.9:99999/1/coil/1',
  'modbus://169.254.169.254/1/coil/1',
  'modbus://2852039166/1/coil/1',
  'http://10.0.3.9/1/coil/1',
  'modbus:///1/coil/1',
  '',
])('%s is none', (text) => {
  expect(parseModbusInput(text)).toMatchObject({ ok: false, refusal: { code: 'invalid' } })
})
