import { describe, expect, test } from 'vitest'
import { Secret } from '../../../../vault/kernel/secret.ts'
import { basicHeader, challengesIn, digestHeader } from '../../../../vault/rotation/connectors/http-auth.ts'
import { bodyOf } from '../../../../vault/rotation/connectors/http-body.ts'
import { Cookies } from '../../../../vault/rotation/connectors/http-cookies.ts'
import { httpRecipe, type HttpStep } from '../../../../vault/rotation/recipes/http-recipe.ts'
import { findingsOf, parseRecipe } from '../../../../vault/rotation/recipes/recipe.ts'
import { webDigestRecipe, webFormRecipe } from '../../../support/web-device.ts'

const refused = (recipe: object): string => {
  const parsed = parseRecipe(JSON.stringify(recipe))
  return parsed.ok ? 'taken' : parsed.refusal.message
}
const [first, second] = webFormRecipe.enter
const [change] = webFormRecipe.change
const changing = (more: object) => ({ ...webFormRecipe, change: [{ ...change, ...more }] })

describe('a recipe over HTTP', () => {
  test('is taken as it should be, and says what a login is believed by', () => {
    expect([refused(webFormRecipe), refused(webDigestRecipe)]).toEqual(['taken', 'taken'])
    const bare = { ...webDigestRecipe, enter: [{ ...webDigestRecipe.enter[0], expect: { status: [200] } }] }
    const parsed = parseRecipe(JSON.stringify(bare))
    const said = parsed.ok ? findingsOf(parsed.value).join('; ') : ''
    expect(said).toContain('by the status of the answer alone')
    expect(said).toContain('as good as the password')
  })

  test.each([
    ['a format that is none', { ...webFormRecipe, format: 'tagout/http/9' }, 'none of a format'],
    ['a secret in a path', changing({ path: '/password?new={candidate}' }), 'not in a path or a header'],
    ['a secret in a header', changing({ headers: { 'x-new': '{candidate}' } }), 'not in a path or a header'],
    ['another machine', changing({ path: 'https://192.0.2.1/password' }), 'it begins with /'],
    ['a path with a line of its own', changing({ path: '/a\r\nx: y' }), 'on one line'],
    ['a header of two lines', changing({ headers: { 'x-a': 'b\r\nhost: c' } }), 'on one line'],
    ['a length of its own', changing({ headers: { 'content-length': '1' } }), 'not a recipe’s to say'],
    ['a host of its own', changing({ headers: { host: 'x' } }), 'not a recipe’s to say'],
    ['chunks of its own', changing({ headers: { 'transfer-encoding': 'chunked' } }), 'not a recipe’s'],
    ['a redirection to anywhere', changing({ expect: { status: [302] } }), 'say to which path'],
    ['a name that nothing has', changing({ form: { a: '{candidate}{other}' } }), 'was taken before'],
    ['a brace around nothing', changing({ form: { a: '{candidate}', b: '{{' } }), 'around a name alone'],
    ['no new password', changing({ form: { old: '{current}' } }), 'sent nowhere'],
    ['both kinds of body', changing({ json: {} }), 'JSON or a form'],
    ['a body with GET', changing({ method: 'GET' }), 'GET sends nothing'],
    ['a login refused in change', changing({ rejected: { status: [401] } }), 'in enter and verify'],
    ['a sign of nothing', changing({ refused: {} }), 'by what it is known'],
    ['a regular expression', changing({ expect: { status: [200], matches: '(a+)+$' } }), 'nrecognized'],
    ['code', { ...webFormRecipe, run: 'rm' }, 'nrecognized'],
    ['too many requests', { ...webFormRecipe, retire: Array.from({ length: 11 }, () => first) }, 'retire'],
    [
      'nobody who logs in',
      { ...webFormRecipe, enter: [first, { ...second, form: { csrf: '{csrf}' } }] },
      'nobody logs in',
    ],
    [
      'no sign of a refused login',
      { ...webFormRecipe, enter: [first, { ...second, rejected: undefined }] },
      'by what a refused login is known',
    ],
    [
      'a name that means something already',
      { ...webFormRecipe, enter: [{ ...first, take: [{ ...first?.take?.[0], name: 'current' }] }] },
      'has a meaning already',
    ],
    [
      'a request after the one that changes who asks',
      {
        ...webDigestRecipe,
        change: [webDigestRecipe.change[0], { ...webDigestRecipe.enter[0], rejected: undefined }],
      },
      'nothing follows',
    ],
    [
      'who asks said twice',
      {
        ...webDigestRecipe,
        change: [{ ...webDigestRecipe.change[0], headers: { authorization: 'Basic x' } }],
      },
      'not a recipe’s to say',
    ],
    ['another account’s change that asks for one’s own', { ...webFormRecipe, reconciles: true }, 'no other'],
    [
      'JSON without end',
      changing({
        form: undefined,
        json: JSON.parse(`${'['.repeat(12)}"{candidate}"${']'.repeat(12)}`) as unknown,
      }),
      'nested too deeply',
    ],
  ])('with %s is none', (_, recipe, why) => {
    expect(refused(recipe)).toContain(why)
  })
})

describe('what is sent', () => {
  const odd = 'a"b\\c&d=e+f g%é\n'
  const secret = () => new Secret(Buffer.from(odd))
  const step = (more: object): HttpStep =>
    httpRecipe.parse({ ...webFormRecipe, change: [{ ...change, ...more }] }).change[0] as HttpStep
  const values = { login: 'oper', secrets: { candidate: secret(), current: secret() }, taken: new Map() }

  test('says a password as JSON and as a form so that it stays what it is', () => {
    const json = step({
      form: undefined,
      json: { a: ['{candidate}', 1, null, true, { b: 'x' }], c: 'of {login}' },
    })
    expect(JSON.parse(bodyOf(json, values)?.bytes.toString() ?? '')).toEqual({
      ...{ a: [odd, 1, null, true, { b: 'x' }], c: 'of oper' },
    })
    const form = bodyOf(step({ form: { 'a&b': '{candidate}', c: 'x' } }), values)?.bytes.toString() ?? ''
    expect([...new URLSearchParams(form)]).toEqual([
      ['a&b', odd],
      ['c', 'x'],
    ])
  })
})

describe('authentication by headers', () => {
  const mufasa = { login: 'Mufasa', secret: new Secret(Buffer.from('Circle of Life')) }
  const asked = { method: 'GET', path: '/dir/index.html' }
  // RFC 7616 §3.9.1.
  const [nonce, opaque] = [
    '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS',
  ]
  const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ'
  const offers = (algorithm: string) =>
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${nonce}", opaque="${opaque}"`

  test.each([
    [['MD5'], '8ca523f5e9506fed4657c9700eebdbec'],
    [['MD5', 'SHA-256'], '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('by digest is that of RFC 7616 for %j', (algorithms, response) => {
    const header = digestHeader(algorithms.map(offers), asked, mufasa, cnonce)
    expect(header).toContain(`response="${response}"`)
    expect(header).toContain(`opaque="${opaque}"`)
    // Also where all of them stand in one header, with another way before.
    const one = `Basic realm="x, y", ${algorithms.map(offers).join(', ')}`
    expect(digestHeader([one], asked, mufasa, cnonce)).toContain(`response="${response}"`)
  })

  test('by digest is not answered by anything else, whatever is offered', () => {
    for (const header of [
      'Basic realm="x"',
      'Bearer',
      'Digest realm="x"',
      offers('SHA-512-256'),
      offers('MD5').replace('auth, auth-int', 'auth-int'),
      offers('MD5').replace('realm="http', 'realm="a\\"b'),
      `Digest realm="x`,
      ',=,=',
      '',
    ])
      expect(digestHeader([header], asked, mufasa, cnonce), header).toBeUndefined()
  })

  test('a challenge is read in time that grows with its length alone', () => {
    const begun = performance.now()
    for (const piece of ['a ', 'a=', ', ', '"', 'a="b" ', 'a="']) challengesIn(piece.repeat(16 * 1024))
    expect(performance.now() - begun).toBeLessThan(1_000)
  })

  test('by Basic is name and password', () => {
    expect(basicHeader(mufasa)).toBe(`Basic ${Buffer.from('Mufasa:Circle of Life').toString('base64')}`)
  })
})

test('cookies are few, sound, and gone when they are over', () => {
  const cookies = new Cookies()
  cookies.take(['a=1; Path=/', 'b=2', 'bad name=3', 'c=4\r\nx: y', 'd="5"', '=6', 'e'])
  expect(cookies.header()).toBe('a=1; b=2; d="5"')
  cookies.take(['a=; Max-Age=0', 'b=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'd=7'])
  expect(cookies.header()).toBe('d=7')
  cookies.take(Array.from({ length: 100 }, (_, at) => `n${at}=${'x'.repeat(1_000)}`))
  expect((cookies.header() ?? '').length).toBeLessThan(9_000)
})
