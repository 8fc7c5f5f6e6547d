import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { fieldNames, inOwnWords } from '../../../deploy/cli/field-names.ts'
import { processIo } from '../../../deploy/cli/io.ts'
import { buildProgram } from '../../../deploy/cli/program.ts'
import { type VerbName, verbs } from '../../../vault/contract.ts'

const folder = join(import.meta.dirname, '..', '..', '..', 'deploy', 'cli')
const source = readdirSync(folder)
  .map((name) => readFileSync(join(folder, name), 'utf8'))
  .join('\n')
const isForPeople = (verb: VerbName) =>
  verbs[verb].door.some((door) => ['local', 'user', 'anyone'].includes(door))
const asked = (Object.keys(verbs) as VerbName[]).filter(
  (verb) => isForPeople(verb) && source.includes(`'${verb}'`),
)
const words: Readonly<Record<string, Readonly<Record<string, string>>>> = fieldNames

const shapeOf = (schema: z.ZodType): readonly string[] => {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape)
  if (schema instanceof z.ZodDiscriminatedUnion)
    return [...new Set(schema.options.flatMap((option) => shapeOf(option as z.ZodType)))]
  throw new Error('a verb takes an object')
}

test.each(asked.map((verb) => [verb] as const))(
  'every field of %s has a word of the command line',
  (verb) => {
    expect(Object.keys(words[verb] ?? {}).sort()).toEqual([...shapeOf(verbs[verb].input)].sort())
  },
)

test('every such option and argument exists', () => {
  const flagsOf = (command: Command): readonly string[] => [
    ...command.options.flatMap((option) => [option.long ?? '']),
    ...command.registeredArguments.map((argument) => `<${argument.name()}>`),
    ...command.commands.flatMap(flagsOf),
  ]
  const known = new Set(flagsOf(buildProgram(processIo())))
  const named = Object.values(words).flatMap((one) => Object.values(one))
  for (const word of named.flatMap((text) => text.match(/--[a-z-]+|<[a-z]+>/g) ?? []))
    expect(known).toContain(word)
})

test('a refusal names what was typed, and nothing else of it changes', () => {
  const invalid = (message: string) => ({ code: 'invalid', message, next: 'try again' }) as const
  expect(inOwnWords('grant.add', invalid('notAfter: this moment has passed'))).toEqual(
    invalid('--until: this moment has passed'),
  )
  expect(inOwnWords('account.add', invalid('credential.sealed: not base64')).message).toBe(
    '--password-stdin or --key-file: not base64',
  )
  for (const same of ['press-3: is off', 'there is no user: bob', 'constructor: odd', 'a sentence'])
    expect(inOwnWords('grant.add', invalid(same)).message).toBe(same)
})
