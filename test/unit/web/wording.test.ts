import { expect, test } from 'vitest'
import { passwordAdvice } from '../../../web/pages/password-advice.ts'
import { nativeCommands, sshCommand } from '../../../web/pages/ssh-command.ts'
import {
  addressOf,
  bytes,
  clock,
  exactSpan,
  exactMoment,
  sentence,
  span,
  visible,
  zonedMoment,
} from '../../../web/parts/wording.ts'
import { askedReach, momentAsked, reachLink } from '../../../web/pages/reach-asked.ts'
import { momentIn } from '../../../web/parts/zoned.ts'

test('what a hostile name holds is made visible, never obeyed', () => {
  expect(visible('a\u001b[2Jb\u0000\u007f')).toBe('a\u241b[2Jb\u2400\u2421')
  expect(visible('press\u202e3\u200b')).toBe('press<202E>3<200B>')
  expect(visible('line\r\nline\u2028')).toBe('line\u240d\u240aline<2028>')
  expect(visible('Überdruck 3 — ok')).toBe('Überdruck 3 — ok')
})

test('durations, sizes and sentences read as people write them', () => {
  expect([clock(7), clock(754), clock(3723)]).toEqual(['0:07', '12:34', '1:02:03'])
  expect([span(45), span(4 * 3600), span(5400), span(7 * 86_400)]).toEqual([
    '45 s',
    '4 h',
    '1 h 30 min',
    '7 d',
  ])
  expect([bytes(12), bytes(4915), bytes(1024 ** 3)]).toEqual(['12 B', '4.8 KB', '1.0 GB'])
  expect([sentence('the vault is sealed'), sentence('Why?')]).toEqual(['The vault is sealed.', 'Why?'])
  expect([exactSpan(45), exactSpan(91), exactSpan(120), exactSpan(3_661)]).toEqual([
    '45 s',
    '1 min 31 s',
    '2 min',
    '1 h 1 min 1 s',
  ])
})

test('a sentence that begins with a name leaves it as it is written', () => {
  for (const text of [
    'sam has taken this session over (wrong valve)',
    'panel shows another certificate',
    'press-3 cannot be reached',
  ])
    expect(sentence(text)).toBe(`${text}.`)
  for (const text of ['nobody has approved it', 'this session is frozen', 'what is typed waits', 'ask sam'])
    expect(sentence(text)).toBe(`${text[0]?.toUpperCase()}${text.slice(1)}.`)
})

test('a moment that is handed on says its zone, and one that is exact says it in UTC too', () => {
  const at = '2026-11-24T23:28:09Z'
  expect(zonedMoment(at)).toMatch(/:28:09\b.* \S*[A-Z]/)
  expect(exactMoment(at)).toMatch(/28:09.*UTC/)
})

test('an address is written as the vault reads it, an IPv6 one in brackets', () => {
  const at = (host: string) => addressOf({ protocol: 'ssh', host, port: 22 })
  expect([at('press-3'), at('2001:db8::7')]).toEqual(['ssh://press-3:22', 'ssh://[2001:db8::7]:22'])
})

test('the command that connects names user, login, target and port', () => {
  expect(sshCommand('bob', 'press-3/engineer', 2222, 'gateway')).toBe(
    'ssh -p 2222 bob@engineer@press-3@gateway',
  )
  expect(sshCommand('bob', 'press-3/engineer', 2222, '[2001:db8::7]')).toBe(
    'ssh -p 2222 bob@engineer@press-3@2001:db8::7',
  )
})

test('a password is judged by its length first, and never praised for being well known', () => {
  const isGood = (password: string, name = 'bob') => passwordAdvice(password, name).good
  expect(
    ['', 'short', 'password12345', 'aaaaaaaaaaaaaaa', 'bob-bob-bob-bob'].map((password) => isGood(password)),
  ).toEqual([false, false, false, false, false])
  expect(isGood('oak river lantern')).toBe(true)
})

test('native clients are named as far as the grant allows them, each with its whole command', () => {
  const of = (
    actions: Parameters<typeof nativeCommands>[2],
    forwards: Parameters<typeof nativeCommands>[3] = [],
  ) => nativeCommands('bob', 'press-3/engineer', actions, forwards, 2222, 'gateway')
  expect(of(['shell'])).toEqual([{ client: 'ssh', command: 'ssh -p 2222 bob@engineer@press-3@gateway' }])
  expect(of(['sftp-read'])).toEqual([
    { client: 'sftp', command: 'sftp -P 2222 -o User=bob@engineer@press-3 gateway' },
    { client: 'scp', command: 'scp -P 2222 -o User=bob@engineer@press-3 gateway:FILE .' },
  ])
  expect(of(['exec']).map(({ client }) => client)).toEqual(['ssh'])
  expect(of(['sftp-write'])).toEqual([
    { client: 'scp', command: 'scp -O -P 2222 -o User=bob@engineer@press-3 FILE gateway:' },
  ])
  expect(of(['forward'], [{ host: '2001:db8::7', port: 102 }])).toEqual([
    {
      client: 'forward 2001:db8::7:102',
      command: 'ssh -N -L 10102:[2001:db8::7]:102 -p 2222 bob@engineer@press-3@gateway',
    },
  ])
  expect(
    nativeCommands('bob', 'press-3/engineer', ['sftp-read', 'sftp-write'], [], 2222, '[::1]').at(-1)?.command,
  ).toBe('scp -P 2222 -o User=bob@engineer@press-3 FILE [::1]:')
})

test('a time by the clocks of a zone is a moment, on days of a change of the clock too', () => {
  expect(momentIn('2026-12-06T23:00', 'Europe/Berlin')).toBe('2026-12-06T22:00:00.000Z')
  expect(momentIn('2026-07-06T23:00', 'Europe/Berlin')).toBe('2026-07-06T21:00:00.000Z')
  expect(momentIn('2026-07-06T23:00', 'America/St_Johns')).toBe('2026-07-07T01:30:00.000Z')
  expect(momentIn('2026-07-06T23:00', 'UTC')).toBe('2026-07-06T23:00:00.000Z')
  // Shown twice: the first; left out: what the clock shows instead, 03:30.
  expect(momentIn('2026-10-25T02:30', 'Europe/Berlin')).toBe('2026-10-25T00:30:00.000Z')
  expect(momentIn('2026-03-29T02:30', 'Europe/Berlin')).toBe('2026-03-29T01:30:00.000Z')
  expect(momentIn('soon', 'UTC')).toBe(null)
})

test('the question of who can reach stands in the address, and comes back from it', () => {
  const asked = { noun: 'target', name: 'press-3', at: '2026-12-06T23:00', zone: 'Europe/Berlin' } as const
  const address = (link: string) => new URLSearchParams(link.slice(link.indexOf('?')))
  expect(askedReach(address(reachLink(asked)))).toEqual(asked)
  expect(askedReach(address(reachLink({ noun: 'user', name: 'b&b' })))).toEqual({
    ...{ noun: 'user', name: 'b&b', at: '', zone: '' },
  })
  expect(askedReach(address('/policy/reach'))).toBe(null)
  // A zone that there is not is said, and not taken for another.
  const onMars = askedReach(address('/policy/reach?target=press-3&at=2026-12-06T23:00&zone=Mars/Base'))
  expect(onMars === null ? undefined : momentAsked(onMars)).toBe(null)
})
