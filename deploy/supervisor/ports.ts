import { createServer } from 'node:net'
import { Fault } from '../../vault/kernel/fault.ts'
import type { Settings } from './settings.ts'

/** Tries both ports before anything starts. Throws `Fault('configuration')` that names the option and the fix. */
export async function requireFreePorts(settings: Settings): Promise<void> {
  const { http, ssh } = settings
  if (http.port !== 0 && http.port === ssh.port && http.host === ssh.host)
    throw new Fault(
      'configuration',
      `the console and SSH cannot share port ${http.port}: give --http-port or --ssh-port another`,
    )
  await requireFree('--http-port', 'TAGOUT_HTTP_PORT', '--http-host', http)
  await requireFree('--ssh-port', 'TAGOUT_SSH_PORT', '--ssh-host', ssh)
}

type Address = { readonly host: string; readonly port: number }

async function requireFree(
  option: string,
  variable: string,
  hostOption: string,
  { host, port }: Address,
): Promise<void> {
  if (port === 0) return
  const server = createServer()
  const failure = await new Promise<string | undefined>((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
  if (failure === undefined) return
  const at = `${host} port ${port}`
  if (failure === 'EADDRINUSE')
    throw new Fault(
      'configuration',
      `another program listens on ${at}: give ${option} (or ${variable}) a free port`,
    )
  if (failure === 'EACCES')
    throw new Fault(
      'configuration',
      `only root may listen on ${at}: give ${option} (or ${variable}) a port above 1023`,
    )
  throw new Fault(
    'configuration',
    `cannot listen on ${at} (${failure}): give ${hostOption} an address of this machine`,
  )
}
