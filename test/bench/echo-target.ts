// A target that costs little: an SSH server whose shells echo. Says its port and the fingerprint of its key.
import type { Socket } from 'node:net'
import { Server, socketOf, generateKeyPair, utils } from '../../vault/ssh/library.ts'
import { describeHostKey } from '../../vault/ssh/verify-host-key.ts'

const hostKey = generateKeyPair('ed25519').private
const key = utils.parseKey(hostKey)
if (key instanceof Error) throw key
const server = new Server({ hostKeys: [hostKey] }, (connection) => {
  ;(socketOf(connection) as Socket).setNoDelay(true)
  connection.on('error', () => undefined)
  connection.on('authentication', (context) =>
    context.method === 'password' ? context.accept() : context.reject(['password']),
  )
  connection.on('session', (accept) => {
    const session = accept()
    session.on('pty', (yes) => yes?.())
    session.on('shell', (yes) => {
      const channel = yes()
      channel.on('data', (piece: Buffer) => channel.write(piece))
      channel.on('end', () => channel.end())
    })
  })
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number }
  process.send?.({ port, fingerprint: describeHostKey(key.getPublicSSH()).fingerprint })
})
process.on('disconnect', () => process.exit(0))
