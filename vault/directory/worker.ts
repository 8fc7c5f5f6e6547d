import { createInterface } from 'node:readline'

/**
 * A process of its own that speaks with one directory: a line of JSON in, a line out. It holds no key of the vault's;
 * what it says is parsed by the vault as a stranger's.
 */
const speakers: Readonly<Record<string, () => Promise<(question: never) => Promise<object>>>> = {
  ldap: async () => (await import('./ldap-speak.ts')).speakLdap,
  oidc: async () => (await import('./oidc-speak.ts')).speakOidc,
}

async function answer(question: { readonly speak: string }): Promise<object> {
  const speak = await speakers[question.speak]?.()
  return speak === undefined ? { ok: false, why: 'failed' } : speak(question as never)
}

createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
  void (async () => {
    const question = JSON.parse(line) as { readonly speak: string; readonly id: number }
    const said = await answer(question).catch(() => ({ ok: false, why: 'failed' }))
    process.stdout.write(`${JSON.stringify({ ...said, id: question.id })}\n`)
  })()
})
// Nobody is left to answer.
process.stdin.on('end', () => process.exit(0))
process.stdin.on('close', () => process.exit(0))
