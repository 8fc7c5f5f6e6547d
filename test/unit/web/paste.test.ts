import { expect, test } from 'vitest'
import { endReasons } from '../../../vault/contract.ts'
import { overOf } from '../../../web/terminal/ended.ts'
import { actOfKey } from '../../../web/terminal/keys.ts'
import { judgePaste } from '../../../web/terminal/paste.ts'

test('one plain line is pasted as it is', () => {
  expect(judgePaste('tail -f /var/log/syslog')).toEqual({
    text: 'tail -f /var/log/syslog',
    lines: 0,
    controls: 0,
    asks: false,
  })
  expect(judgePaste('a\tb é 漢 🔧')).toMatchObject({ text: 'a\tb é 漢 🔧', asks: false })
})

test('a line end asks first, whichever kind it is, also a single one at the end', () => {
  for (const text of ['a\nb', 'a\r\nb', 'a\rb', 'a\n'])
    expect(judgePaste(text)).toMatchObject({ lines: 1, controls: 0, asks: true })
})

test('control and direction characters are counted, left out, and ask first', () => {
  expect(judgePaste('rm \u001b[201~x\u0003\u009b\u007f\u202e\u2028y\u0000')).toEqual({
    text: 'rm [201~xy',
    lines: 0,
    controls: 7,
    asks: true,
  })
})

test('a very long line asks first', () => {
  expect(judgePaste('x'.repeat(4_096)).asks).toBe(false)
  expect(judgePaste('x'.repeat(4_097)).asks).toBe(true)
})

test('each reason for an end has a sentence and a next step', () => {
  for (const reason of endReasons) {
    const over = overOf({ kind: 'ended', reason })
    expect([reason, over.title.length > 10, over.next.length > 10]).toEqual([reason, true, true])
  }
  expect(overOf({ kind: 'ended', reason: 'finished', exit: { code: 3 } }).title).toMatch(/exit code 3$/)
  expect(overOf({ kind: 'ended', reason: 'finished', exit: { signal: 'HUP' } }).title).toMatch(/signal HUP$/)
  expect(overOf({ kind: 'ended', reason: 'grant revoked' }).again).toBe(false)
})

test('the message of an end is shown where it says more than the reason, and what the title says is said once', () => {
  const more = (reason: (typeof endReasons)[number], message: string) =>
    overOf({ kind: 'ended', reason, message }).more
  expect([
    more('closed by the target', 'the target closed the connection'),
    more('time is up', 'this session ends because its time is up'),
    more('grant revoked', 'your grant was revoked'),
    more('terminated', 'your session was terminated'),
  ]).toEqual([undefined, undefined, undefined, undefined])
  expect(more('terminated', 'your session was terminated by sam: wrong valve')).toBe('by sam: wrong valve')
  expect(more('closed by the user', 'your browser did not answer for 15 s')).toBe(
    'your browser did not answer for 15 s',
  )
})

test('only keys with Ctrl and Shift are the page’s own', () => {
  const key = (code: string, more = {}) =>
    actOfKey({ ctrlKey: true, shiftKey: true, altKey: false, metaKey: false, code, ...more })
  expect([key('KeyC'), key('KeyF'), key('KeyL'), key('KeyV')]).toEqual(['copy', 'search', 'leave', 'native'])
  expect([key('KeyA'), key('KeyC', { shiftKey: false }), key('KeyL', { altKey: true })]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})
