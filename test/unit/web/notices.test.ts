import { expect, test } from 'vitest'
import { addNotice, afterEnd, type Notice, silence } from '../../../web/terminal/notices.ts'

const texts = (notices: readonly Notice[]) => notices.map(({ text }) => text)
const said = (...all: readonly (readonly [string, Notice['about']])[]) =>
  all.reduce<readonly Notice[]>((before, [text, about]) => addNotice(before, { text, about }), [])

test('a freeze, what is typed into it, and its end are one notice: the last', () => {
  const notices = said(
    ['frozen by sue: wrong valve', 'freeze'],
    ['this session is frozen by sue: wrong valve. What you type is dropped', 'freeze'],
    ['this session ends in 5 minutes', 'time'],
    ['this session goes on, unfrozen by sue', 'freeze'],
  )
  expect(texts(notices)).toEqual(['this session ends in 5 minutes', 'this session goes on, unfrozen by sue'])
})

test('who watches is one notice, the last, and stands beside what is said of other things', () => {
  const notices = said(
    ['this session is watched by sue', 'watch'],
    ['frozen by sue', 'freeze'],
    ['this session is watched by ann', 'watch'],
    ['message from ann: mind the guard', 'message'],
    ['this session is no longer watched by sue', 'watch'],
  )
  expect(texts(notices)).toEqual([
    'frozen by sue',
    'message from ann: mind the guard',
    'this session is no longer watched by sue',
  ])
})

test('what people write each stands, and is all that stands after the end', () => {
  const notices = said(
    ['message from sue: mind the guard', 'message'],
    ['frozen by sue', 'freeze'],
    ['message from sue: call me', 'message'],
  )
  expect(notices).toHaveLength(3)
  expect(texts(afterEnd(notices))).toEqual(['message from sue: mind the guard', 'message from sue: call me'])
})

test('three stand at most, and the same sentence once', () => {
  const notices = said(
    ['a', undefined],
    ['b', undefined],
    ['c', undefined],
    ['d', undefined],
    ['c', undefined],
  )
  expect(texts(notices)).toEqual(['b', 'd', 'c'])
  expect(new Set(notices.map(({ id }) => id)).size).toBe(3)
})

test('that nothing is heard of the gateway stands until something is, and beside what others said', () => {
  const before = said(['message from ann: mind the guard', 'message'])
  const silent = silence(silence(before, true), true)
  expect(texts(silent)).toEqual([
    'message from ann: mind the guard',
    expect.stringMatching(/nothing is heard of the gateway/),
  ])
  expect(texts(silence(silent, false))).toEqual(['message from ann: mind the guard'])
})
