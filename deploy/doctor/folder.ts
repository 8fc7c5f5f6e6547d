import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { readRecoveryNote } from '../supervisor/first-run.ts'
import { findUser } from '../supervisor/system-user.ts'
import type { Finding } from './examine.ts'
import { examineCertificate } from './certificate.ts'
import { examineDemo } from './demo.ts'
import { examineOwners } from './owners.ts'

/** Each must be closed to all but its owner. */
const closed = [
  'supervisor',
  'supervisor/secrets.json',
  'admin',
  'vault',
  'vault/plane.json',
  'vault/seal.key',
  'recorder',
  'recorder/plane.json',
  'rotation',
  'rotation/plane.json',
  'api',
  'api/plane.json',
  'api/tls/server.key',
  'postgres/cluster',
  'guacd',
  'backups',
  'demo/demo.json',
  'demo/machines.json',
  'demo/ingrid.key',
  'demo/recordings-recovery.key',
]

/** Modes and owners of the data folder, the separation of the planes, the vault's recovery key. */
export function examineFolder(dataDir: string): readonly Finding[] {
  if (!existsSync(join(dataDir, 'supervisor')) && !existsSync(join(dataDir, 'vault')))
    return [
      {
        name: 'data folder',
        level: 'wrong',
        text: `${dataDir} is no data folder of an installation`,
        next: 'start one with npm start, or set TAGOUT_DATA',
      },
    ]
  return [
    modes(dataDir),
    examineOwners(dataDir),
    separation(dataDir),
    ...examineCertificate(dataDir),
    ...recoveryKey(dataDir),
    ...examineDemo(dataDir),
  ]
}

function modes(dataDir: string): Finding {
  const open = closed.filter((name) => {
    try {
      return (lstatSync(join(dataDir, name)).mode & 0o077) !== 0
    } catch {
      // Missing, or in a folder closed to whoever asks, which is what is wanted.
      return false
    }
  })
  if (open.length === 0)
    return { name: 'file modes', level: 'fine', text: 'keys and data are closed to other users' }
  return {
    name: 'file modes',
    level: 'wrong',
    text: `open to other users in ${dataDir}: ${open.join(', ')}`,
    next: `chmod go= ${open.map((name) => join(dataDir, name)).join(' ')}`,
  }
}

function separation(dataDir: string): Finding {
  const owner = (name: string) => lstatSync(join(dataDir, name)).uid
  const owners = new Set(['vault', 'recorder', 'rotation', 'api'].map(owner))
  if (owners.size === 4 && findUser('tagout-vault')?.uid === owner('vault'))
    return { name: 'planes', level: 'fine', text: 'each plane runs as a system user of its own' }
  return {
    name: 'planes',
    level: 'note',
    text: 'the planes share one system user: whoever breaks into one can read the files of the others',
    next: 'what root starts has a user for each plane: move this one there by backup create and, as root, backup restore',
  }
}

function recoveryKey(dataDir: string): readonly Finding[] {
  const note = readRecoveryNote(dataDir)
  const unattended = existsSync(join(dataDir, 'vault', 'seal.key'))
  const findings: Finding[] = []
  if (note === 'nowhere')
    findings.push({
      name: 'recovery key',
      level: 'note',
      text: "the vault's recovery key was not kept: if its key file or passphrase is lost, so is every secret",
      next: 'keep a copy of the key file on paper or a stick in a safe; a new installation takes --recovery-out FILE',
    })
  else if (note !== undefined)
    findings.push({
      name: 'recovery key',
      level: 'fine',
      text: "the vault's recovery key was handed out at the first start",
    })
  if (unattended)
    findings.push({
      name: 'seal',
      level: 'note',
      text: 'the vault opens by itself with a key file on this machine: whoever has the disk has the secrets',
      next: 'put the key file on a medium of its own, or use a passphrase',
    })
  return findings
}
