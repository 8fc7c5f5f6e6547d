import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addRotationCommands } from '../../../deploy/cli/keys-rotation.ts'
import type { Tools } from '../../../deploy/cli/tools.ts'

/** A command line against a vault with these safes, in which an exchange wraps `total` keys; what is said. */
async function keys(argv: readonly string[], safes: readonly string[], total = 1): Promise<string> {
  let said = ''
  const ask = async (verb: string, input: { readonly rehearse?: boolean; readonly safe?: string }) => {
    if (verb === 'safe.list') return safes.map((name) => ({ id: `saf_${name}`, name }))
    const rotation = { ...input, version: 2, total, done: total, state: 'finished', safe: input.safe ?? null }
    return { total, rotation: input.rehearse === true ? null : rotation }
  }
  const tools = {
    show: (_value: unknown, text: () => string) => {
      said = text()
    },
    withVault: (use: (vault: unknown) => Promise<unknown>) => use({ ask }),
  } as unknown as Tools
  const root = new Command().exitOverride()
  addRotationCommands(root, tools)
  await root.parseAsync([...argv], { from: 'user' })
  return said
}

test('one key is wrapped anew, or two keys are', async () => {
  expect(await keys(['rotate-root', '--dry-run'], [])).toBe(
    '1 key would be wrapped anew; nothing was changed',
  )
  expect(await keys(['rotate-root'], [])).toContain(': 1 key was wrapped anew')
  expect(await keys(['rotate-root', '--dry-run'], [], 2)).toContain('2 keys would be wrapped anew')
  expect(await keys(['rotate-safe', 'LINE-3'], ['line-3'], 2)).toContain(': 2 keys were wrapped anew')
  expect(await keys(['rotate-safe', 'saf_line-3'], ['line-3'], 0)).toContain(': 0 keys were wrapped anew')
})

test('a safe that is not there, or is left out, is answered with those that are', async () => {
  const next = 'choose from line-3, line-4'
  const message = 'there is no safe line-9'
  await expect(keys(['rotate-safe', 'line-9'], ['line-3', 'line-4'])).rejects.toMatchObject({
    message,
    next,
    code: 1,
  })
  await expect(keys(['rotate-safe'], ['line-3', 'line-4'])).rejects.toMatchObject({ next, code: 2 })
  await expect(keys(['rotate-safe'], [])).rejects.toMatchObject({ next: 'make one first: tagout safe add' })
  const many = Array.from({ length: 30 }, (_, at) => `line-${at}`)
  await expect(keys(['rotate-safe'], many)).rejects.toMatchObject({
    next: expect.stringMatching(/line-19, … \(tagout safe list\)$/),
  })
})

test('an exchange of no key that is known names both commands', async () => {
  for (const argv of [['rotate'], ['rotate', 'root'], ['rotate', 'line-3', '--dry-run']])
    await expect(keys(argv, ['line-3'])).rejects.toMatchObject({
      message: 'say which key is exchanged',
      next: 'the root key: tagout keys rotate-root; the key of a safe: tagout keys rotate-safe with line-3',
      code: 2,
    })
  await expect(keys(['rotate'], [])).rejects.toMatchObject({ next: 'the root key: tagout keys rotate-root' })
})
