import { expect, test } from 'vitest'
import { addressKind, literalAddress } from '../../../vault/kernel/network.ts'

test.each([
  ['10.0.0.7', 'other'],
  ['192.168.1.1', 'other'],
  ['203.0.113.9', 'other'],
  ['fd00::7', 'other'],
  ['2001:db8::1', 'other'],
  ['::ffff:10.0.0.1', 'other'],
  ['127.0.0.1', 'loopback'],
  ['127.8.9.10', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['0.0.0.0', 'never'],
  ['169.254.169.254', 'never'],
  ['169.254.0.1', 'never'],
  ['::ffff:169.254.169.254', 'never'],
  ['::ffff:a9fe:a9fe', 'never'],
  ['::169.254.169.254', 'never'],
  ['64:ff9b::a9fe:a9fe', 'never'],
  ['2002:a9fe:a9fe::1', 'never'],
  ['fe80::1', 'never'],
  ['fe80::1%eth0', 'never'],
  ['fd00:ec2::254', 'never'],
  ['100.100.100.200', 'never'],
  ['168.63.129.16', 'never'],
  ['224.0.0.1', 'never'],
  ['255.255.255.255', 'never'],
  ['ff02::1', 'never'],
  ['::', 'never'],
  ['localhost', 'never'],
  ['', 'never'],
])('%s is %s', (address, kind) => {
  expect(addressKind(address)).toBe(kind)
})

test.each([
  ['https://0x7f.1/', '127.0.0.1'],
  ['https://2852039166/', '169.254.169.254'],
  ['https://0251.254.0251.254/', '169.254.169.254'],
  ['https://[::FFFF:169.254.169.254]/', '::ffff:a9fe:a9fe'],
  ['https://169.254.169.254./', '169.254.169.254'],
  ['https://plant.example/', undefined],
])('%s is the address %s, however it is written', (url, address) => {
  expect(literalAddress(new URL(url))).toBe(address)
})
