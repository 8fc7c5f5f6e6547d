import { expect, test } from 'vitest'
import { openLines } from '../../../deploy/doctor/planes.ts'
import type { TargetView } from '../../../vault/contract.ts'

const target = (name: string, protocol: string, host: string, security?: string) =>
  ({ name, protocol, host, desktop: security === undefined ? null : { security } }) as TargetView

test('desktops over a line that hides nothing are named, those of this machine and of SSH are not', () => {
  const found = openLines([
    target('press-3', 'ssh', '10.0.3.7'),
    target('tunnel', 'vnc', '127.0.0.1'),
    target('scada-1', 'rdp', '10.0.3.8'),
    ...['1', '2', '3', '4', '5', '6'].map((number) => target(`hmi-${number}`, 'vnc', `10.0.3.${number}`)),
  ])
  expect(found).toMatchObject([{ level: 'note', text: expect.stringMatching(/hmi-1, .*hmi-5 and 1 more$/) }])
  expect(openLines([target('press-3', 'ssh', '10.0.3.7')])).toEqual([])
  for (const open of [target('old', 'rdp', '10.0.3.9', 'rdp'), target('plc', 'telnet', '10.0.3.9')])
    expect(openLines([open])).toHaveLength(1)
})
