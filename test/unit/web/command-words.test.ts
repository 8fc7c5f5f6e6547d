import { expect, test } from 'vitest'
import { wordsOf } from '../../../web/parts/command-words.ts'

const whole = (text: string) => wordsOf(text).flatMap(({ word, isWhole }) => (isWhole ? [word] : []))

test('no line ends within an option, and the command is what it was', () => {
  const command = "tagout keys rotate-root --dry-run --key-file '/media/a stick/seal.key'"
  expect(whole(command)).toEqual(['rotate-root', '--dry-run', '--key-file'])
  expect(
    wordsOf(command)
      .map(({ word }) => word)
      .join(''),
  ).toBe(command)
})

test('a word that fits no line may end anywhere: a link, a long path', () => {
  expect(whole('https://localhost:8443/enrol#a-b-c-d-e-f-g-h')).toEqual([])
  expect(whole('')).toEqual([])
})
