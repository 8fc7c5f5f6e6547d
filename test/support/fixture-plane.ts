// A plane that does nothing but say that it is ready, with what it sees of its surroundings. For tests of the supervisor.
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:net'

const server = createServer((socket) => socket.end())
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.({
    kind: 'ready',
    port: typeof address === 'object' ? address?.port : 0,
    env: process.env,
    uid: process.getuid?.(),
    gid: process.getgid?.(),
    groups: process.getgroups?.(),
    coreLimit: execFileSync('/bin/sh', ['-c', 'ulimit -c'], { encoding: 'utf8' }).trim(),
    flags: process.execArgv,
  })
})
if (process.env['TAGOUT_TEST_STUBBORN'] !== '1') process.on('SIGTERM', () => process.exit(0))
else process.on('SIGTERM', () => undefined)
process.on('SIGINT', () => process.exit(0))
