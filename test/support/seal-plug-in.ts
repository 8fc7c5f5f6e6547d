import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'

/**
 * An example of a plug-in in the protocol of docs/seal-plugins.md, as one for a cloud KMS would be: its key is in a
 * file, and its first argument says in which way it is to misbehave.
 */
const [mode = 'good', keyFile = ''] = process.argv.slice(2)
const request = JSON.parse(readFileSync(0, 'utf8')) as {
  readonly protocol: string
  readonly do: 'wrap' | 'unwrap'
  readonly context: string
  readonly secret?: string
  readonly wrapped?: string
}
const key = hash('sha256', readFileSync(keyFile), 'buffer')

function answer(): object {
  if (request.protocol !== 'tagout-seal-1') return { ok: false, why: 'unusable', message: 'unknown protocol' }
  if (request.do === 'wrap') {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(request.context))
    const sealed = Buffer.concat([cipher.update(Buffer.from(request.secret ?? '', 'base64')), cipher.final()])
    return { ok: true, wrapped: Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64') }
  }
  const wrapped = Buffer.from(request.wrapped ?? '', 'base64')
  const decipher = createDecipheriv('aes-256-gcm', key, wrapped.subarray(0, 12))
    .setAAD(Buffer.from(request.context))
    .setAuthTag(wrapped.subarray(12, 28))
  try {
    const secret = Buffer.concat([decipher.update(wrapped.subarray(28)), decipher.final()])
    return { ok: true, secret: secret.toString('base64') }
  } catch {
    return { ok: false, why: 'other-key' }
  }
}

const hostile: Readonly<Record<string, () => void>> = {
  'short key': () => say({ ok: true, secret: 'AAAA', wrapped: 'AAAABBBB' }),
  'wrong key': () =>
    say({
      ok: true,
      secret: randomBytes(32).toString('base64'),
      wrapped: randomBytes(60).toString('base64'),
    }),
  'plain key': () => say({ ok: true, wrapped: request.secret }),
  nonsense: () => process.stdout.write('<html>502 Bad Gateway</html>\n'),
  'no member': () => say({ ok: true }),
  endless: () =>
    process.stdout.on('error', () => process.exit()) &&
    setInterval(() => process.stdout.write('x'.repeat(60_000)), 1),
  silent: () => setInterval(() => {}, 1_000),
  crash: () => process.abort(),
  denied: () => say({ ok: false, why: 'denied', message: 'no \u001b[31mright\u0007 to use the key' }),
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

const misbehave = hostile[mode]
if (misbehave === undefined) say(answer())
else misbehave()
