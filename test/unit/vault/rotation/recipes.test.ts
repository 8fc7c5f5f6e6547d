import { describe, expect, test } from 'vitest'
import { builtIn } from '../../../../vault/rotation/recipes/built-in.ts'
import { hostIn, isLine, patternFault } from '../../../../vault/rotation/recipes/pattern.ts'
import { findingsOf, parseRecipe } from '../../../../vault/rotation/recipes/recipe.ts'

describe('a pattern', () => {
  const known = { login: 'tech', host: 'switch-7' }
  test.each([
    ['Password:', 'Password:', true],
    ['Password:', '  Password: ', true],
    ['Password:', 'New Password:', false],
    ['Password:', 'Password: none', false],
    ['*Password:', 'New Password:', true],
    ['{host}#', 'switch-7#', true],
    ['{host}#', 'switch-8#', false],
    ['{host}(config)#', 'switch-7(config)#', true],
    ['{host}(config)#', 'switch-7(cfg)#', false],
    ['Password of {login}:', 'Password of tech:', true],
    ['*and*', 'this and that', true],
    ['*and*', 'this or that', false],
    ['a*a', 'a', false],
    ['.*', 'anything', false],
    ['[a-z]+', 'abc', false],
  ])('%s of the line %j: %s', (pattern, line, is) => {
    expect(isLine(pattern, line, known)).toBe(is)
  })

  test('takes a machine’s name from its first prompt, and no other line later', () => {
    expect(hostIn('{host}>', 'switch-7>', { login: 'tech' })).toBe('switch-7')
    expect(hostIn('({host}) >', '(RS 7) >', { login: 'tech' })).toBe('RS 7')
    expect(hostIn('*({host})>', '!*(GRS)>', { login: 'tech' })).toBe('GRS')
    for (const line of ['>', '----->', '####>', `${'x'.repeat(200)}>`, 'switch-7'])
      expect(hostIn('{host}>', line, { login: 'tech' }), line).toBeUndefined()
  })

  test('is looked for in time that grows with the line alone', () => {
    const line = 'a'.repeat(400)
    const begun = performance.now()
    for (let left = 2_000; left > 0; left -= 1) isLine('*a*ab', line, known)
    expect(performance.now() - begun).toBeLessThan(1_000)
  })

  test.each([
    ['*', 'says something'],
    ['{host}', 'says something'],
    ['a*b*c*d', '2 * at most'],
    ['{password}', 'no other name'],
    ['{host}{host}', 'once'],
    ['*{host}#', 'stands something'],
    ['{host}*#', 'not after'],
  ])('%s is none', (text, why) => {
    expect(patternFault(text)).toContain(why)
  })
})

const sound = {
  format: 'tagout/network-cli/1',
  name: 'ours',
  version: 1,
  title: 'Ours',
  tried: 'machine',
  profile: 'switch',
  protocols: ['ssh'],
  prompts: ['{host}#'],
  change: [
    { send: 'passwd', expect: ['New:'] },
    { send: '{candidate}', at: ['New:'], expect: ['{host}#'] },
  ],
}
const refused = (change: object): string => {
  const parsed = parseRecipe(JSON.stringify({ ...sound, ...change }))
  return parsed.ok ? 'taken' : parsed.refusal.message
}
const changing = (send: string, more: object = {}) => ({
  change: [
    { send: 'passwd', expect: ['New:'] },
    { send, at: ['New:'], expect: ['{host}#'], ...more },
  ],
})

describe('a recipe', () => {
  test('is taken as it should be, and those that Tagout comes with are', () => {
    expect(refused({})).toBe('taken')
    expect([...builtIn.keys()]).toEqual([
      ...['cisco-ios@1', 'hirschmann-classic@1', 'influxdb-1@1', 'moxa@1', 'redfish-openbmc@1', 'scalance@1'],
      'unix-passwd@1',
    ])
    // What was tried on a simulator alone says so; what shows a secret does too.
    for (const recipe of builtIn.values()) {
      const said = findingsOf(recipe).join('; ')
      expect(said.includes('simulator alone')).toBe(!['unix-passwd', 'influxdb-1'].includes(recipe.name))
      expect(said.includes('shows the secret')).toBe(['cisco-ios', 'moxa', 'scalance'].includes(recipe.name))
    }
  })

  test.each([
    ['a secret on a line with other words', changing('password {candidate}'), 'shown by the machine'],
    ['the same, and it says so', changing('password {candidate}', { echoes: true }), 'taken'],
    ['a secret in quotes', changing('password "{candidate}"', { echoes: true }), 'word of its own'],
    ['a secret with a sign beside it', changing('password={candidate}', { echoes: true }), 'word of its own'],
    ['two secrets on a line', changing('passwd {current} {candidate}', { echoes: true }), 'one secret'],
    ['a prompt that is any', changing('{candidate}', { at: ['*:'] }), 'letter by letter'],
    ['a prompt that takes commands', changing('{candidate}', { at: ['{host}#'] }), 'letter by letter'],
    ['no prompt at all', changing('{candidate}', { at: undefined }), 'letter by letter'],
    ['an echo where nothing is secret', changing('{login}', { echoes: true }), 'no secret stands'],
    ['an echo of a hidden prompt', changing('{candidate}', { echoes: true }), 'without echo'],
    ['no new password', changing('{login}'), 'entered nowhere'],
    ['a name that is none', changing('{password}'), 'nothing else in braces'],
    ['a line of two lines', changing('{candidate}\nreload'), 'on one line'],
    ['a key of a terminal', changing('{candidate}\x1a'), 'on one line'],
    ['a secret on leaving', { leave: [{ send: '{enable}', at: ['Password:'] }] }, 'no secret is entered'],
    [
      'the new one elsewhere',
      { enter: [{ send: '{candidate}', at: ['x'], expect: ['y'] }] },
      'in change alone',
    ],
    ['a step without an end', { change: [{ send: 'passwd' }, sound.change[1]] }, 'at what the machine stops'],
    ['a skip of anything', { enter: [{ send: 'x', orSkip: true, expect: ['y'] }] }, 'says at what it is not'],
    ['a profile that is none', { profile: 'nothing' }, 'no such profile'],
    ['code', { change: [...sound.change, { send: 'x', expect: ['y'], run: 'rm' }] }, 'nrecognized'],
    ['too many steps', { leave: Array.from({ length: 21 }, () => ({ send: 'x' })) }, 'leave'],
    [
      'another account’s change that asks for one’s own',
      {
        ...changing('{candidate}'),
        enter: [],
        reconciles: true,
        change: [{ send: '{current}', at: ['Old:'], expect: ['New:'] }, sound.change[1]],
      },
      'no other account',
    ],
  ])('with %s: %o', (_, change, why) => {
    expect(refused(change)).toContain(why)
  })

  test.each(['', 'no JSON', '[]', 'null', '{"__proto__":{}}'])('%j is none', (text) => {
    const parsed = parseRecipe(text)
    expect(parsed.ok).toBe(false)
  })
})
