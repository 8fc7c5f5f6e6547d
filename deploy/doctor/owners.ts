import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { findUser } from '../supervisor/system-user.ts'
import type { Finding } from './examine.ts'

/** What each system user must own, where planes are separated: it cannot read it otherwise. */
const owned: { readonly [user: string]: readonly string[] } = {
  'tagout-vault': [
    'vault',
    'vault/plane.json',
    'vault/seal.key',
    'vault/vault.state',
    'vault/audit-witness.log',
  ],
  'tagout-recorder': ['recorder', 'recorder/plane.json', 'recorder/recordings', 'recorder/ssh'],
  'tagout-rotation': ['rotation', 'rotation/plane.json'],
  'tagout-api': ['api', 'api/plane.json', 'api/tls/server.key'],
  'tagout-guacd': ['guacd'],
  'tagout-postgres': ['postgres/cluster', 'postgres/cluster/PG_VERSION', 'postgres/cluster/base'],
}

/** Whether the planes own what they must read: copied data and backups unpacked by hand often belong to somebody else. */
export function examineOwners(dataDir: string): Finding {
  const uidOf = (name: string) => {
    try {
      return lstatSync(join(dataDir, name)).uid
    } catch {
      // Missing, or in a folder that is closed to whoever asks.
      return undefined
    }
  }
  const starter = uidOf('supervisor')
  const isSeparated = starter === 0
  const wrong = Object.entries(owned).flatMap(([user, names]) => {
    const uid = isSeparated ? findUser(user)?.uid : starter
    const path = join(dataDir, names[0]?.split('/')[0] ?? '')
    const found = names.filter((name) => uidOf(name) !== undefined && uidOf(name) !== uid)
    return found.length === 0 || uid === undefined ? [] : [{ user, uid, path, found }]
  })
  if (wrong.length === 0)
    return { name: 'owners', level: 'fine', text: 'each part of the data belongs to who must read it' }
  return {
    name: 'owners',
    level: 'wrong',
    text: `belong to the wrong user in ${dataDir}: ${wrong.flatMap(({ found }) => found).join(', ')}`,
    next: `stop it, then: ${wrong
      .map(({ user, uid, path }) =>
        isSeparated ? `chown -R ${user}:tagout ${path}` : `chown -R ${uid} ${path}`,
      )
      .join('; ')}`,
  }
}
