import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { Client, rejectChannel, Server, generateKeyPair } from '../../vault/ssh/library.ts'

// The sentence with which a channel is refused: whoever had a part in its words, the client's terminal is not driven.

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function refusedWith(why: string): Promise<string> {
  const hostKey = generateKeyPair('ed25519').private
  const server = new Server({ hostKeys: [hostKey] }, (connection) => {
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => context.accept())
    connection.on('tcpip', (_accept, reject) => rejectChannel(connection, reject, why))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()))
  const client = new Client()
  client.on('error', () => undefined)
  closing.push(async () => {
    client.destroy()
    await new Promise((closed) => server.close(closed))
  })
  client.connect({ host: '127.0.0.1', port: (server.address() as { port: number }).port, username: 'x' })
  await once(client, 'ready')
  return new Promise((said) => client.forwardOut('', 0, 'x', 1, (error) => said(error?.message ?? 'let in')))
}

test.each([
  ['escape sequences', '\u001b]52;c;eA==\u0007\u001b[2J\u009b31m\r\nmachine'],
  ['writing that turns round', 'a\u202eb\u2066c\u200bmachine'],
  ['lines', 'one\u2028two\u2029three\u0085machine'],
])('%s in the reason of a refused channel reach no terminal', async (_what, why) => {
  const said = await refusedWith(why)
  expect(said).toContain('machine')
  expect(said).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
})

test('a reason without end is cut, and the connection goes on', async () => {
  const said = await refusedWith('é'.repeat(300_000))
  expect(said.length).toBeLessThan(1_200)
  expect(said).toContain('ééé')
})
