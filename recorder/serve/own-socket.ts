import { once } from 'node:events'
import { lstat } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'

/**
 * Connects to a Unix socket of the recorder of the installation in `dataDir`. Throws `Fault('closed')` when it is not
 * running.
 *
 * SECURITY: any plane can make a socket in `run/` while the recorder is away, and what is said there has people's login
 * tokens or tickets in it. The socket must belong to the owner of the recorder's folder, before and after connecting:
 * nobody else can take it away, so that it is the one that was connected to.
 */
export async function connectOwn(dataDir: string, path: string): Promise<Socket> {
  await requireRecordersOwn(dataDir, path)
  const socket = createConnection(path)
  try {
    await once(socket, 'connect')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new Fault('closed', `cannot reach the recorder at ${path} (${code}): is it running?`)
  }
  try {
    await requireRecordersOwn(dataDir, path)
  } catch (error) {
    socket.destroy()
    throw error
  }
  return socket
}

async function requireRecordersOwn(dataDir: string, path: string): Promise<void> {
  const [found, folder] = await Promise.all([lstat(path), lstat(join(dataDir, 'recorder'))]).catch(
    (error: NodeJS.ErrnoException) => {
      throw new Fault(
        'closed',
        `cannot reach the recorder at ${path} (${error.code ?? 'unknown'}): is it running?`,
      )
    },
  )
  if (!found.isSocket() || found.uid !== folder.uid)
    throw new Fault('closed', `${path} is not the recorder's: find out who put it there, then start again`)
}
