import { expect, test } from 'vitest'
import { answerOf } from '../../api/notify/sent.ts'

/** What a hostile mail server says is shown to administrators, in the console and in a terminal. */

const server = { host: 'mail.plant.example', port: 587 }
const why = (error: unknown) => {
  const sent = answerOf(error, server)
  if (sent.kind !== 'failed') throw new Error('it was sent')
  return sent.why
}

test.each([
  ['a refusal', { responseCode: 550, command: 'RCPT TO' }],
  ['a refusal of our password', { code: 'EAUTH', responseCode: 535 }],
  ['an answer for now', { responseCode: 451, command: 'MAIL FROM' }],
])('%s is one line, not long, and drives no terminal', (_what, error) => {
  const response = `550 \u001b[2J\u202e\u2028forged: all is well\r\n250 sent\u0000${'x'.repeat(100_000)}`
  const said = why({ ...error, response, message: response })
  expect(said).toContain('forged: all is well')
  expect(said).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
  expect(said.length).toBeLessThanOrEqual(300)
})

test('of an error without an answer only the name of its cause is said', () => {
  expect(why({ message: 'connect ECONNREFUSED hunter2-is-the-password' })).toBe(
    'the mail server mail.plant.example:587 could not be reached (ECONNREFUSED)',
  )
  expect(why({ message: 'E'.repeat(2_000_000) })).toContain('(unknown)')
  for (const odd of [null, undefined, 'text', 7, { code: {}, response: [], message: 3 }])
    expect(why(odd)).toContain('could not be reached (unknown)')
})
