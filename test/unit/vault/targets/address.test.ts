import { expect, test } from 'vitest'
import { formatAddress, parseAddress } from '../../../../vault/targets/address.ts'

test.each([
  ['ssh://press-3', 'ssh://press-3:22'],
  ['ssh://127.0.0.1:2201', 'ssh://127.0.0.1:2201'],
  ['SSH://Press-3.Plant.example.:2222', 'ssh://press-3.plant.example:2222'],
  ['ssh://[::1]:22', 'ssh://[::1]:22'],
  ['ssh://[2001:DB8:0:0::1]', 'ssh://[2001:db8::1]:22'],
  ['ssh://müller.example', 'ssh://xn--mller-kva.example:22'],
  ['ssh://host/', 'ssh://host:22'],
  ['vnc://hmi-3', 'vnc://hmi-3:5900'],
  ['rdp://scada-1', 'rdp://scada-1:3389'],
  ['telnet://plc-7', 'telnet://plc-7:23'],
  ['VNC://[::1]:5901', 'vnc://[::1]:5901'],
])('%s is %s', (text, canonical) => {
  const parsed = parseAddress(text)
  expect(parsed.ok && formatAddress(parsed.value)).toBe(canonical)
  expect(parseAddress(canonical)).toEqual(parsed)
})

test.each([
  'press-3',
  'ftp://press-3',
  'vnc://operator@hmi-3',
  'vncs://hmi-3',
  'ssh://',
  'ssh://root@press-3',
  'ssh://press-3/etc',
  'ssh://press-3?x',
  'ssh://press-3#x',
  'ssh://press-3:0',
  'ssh://press-3:65536',
  'ssh://press-3:22:22',
  'ssh://::1',
  'ssh://[::1',
  'ssh://[zz]',
  'ssh://2130706433',
  'ssh://0x7f.1',
  'ssh://127.1',
  'ssh://a b',
  'ssh://a\u0000b',
  'ssh://-a',
  'ssh://a..b',
  `ssh://${'a'.repeat(64)}.example`,
])('%j is refused, saying what is wrong', (text) => {
  const parsed = parseAddress(text)
  expect(parsed.ok).toBe(false)
  if (!parsed.ok) expect(parsed.refusal.message).toMatch(/^address: /)
})
