import { createHash } from 'node:crypto'
import { chmodSync, existsSync, lchownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../vault/kernel/fault.ts'
import { writeFor } from '../supervisor/data-folder.ts'
import { demoMachines } from '../supervisor/demo-machines.ts'
import { ensureSystemUser, isRoot, type RunAs } from '../supervisor/system-user.ts'
import type { MachineSheet } from './machines/sheet.ts'

const person = z.strictObject({
  name: z.string(),
  what: z.string(),
  password: z.string(),
  /** Base32, as authenticators take it; null until it was made. */
  totp: z.string().nullable(),
  /** The step of the code that was used up here last. */
  lastStep: z.int(),
})
const demoFile = z.strictObject({
  demo: z.literal(1),
  /** Which installation it belongs to: see `installationMark`. */
  installation: z.string(),
  state: z.enum(['filling', 'filled']),
  people: z.array(person),
  auditor: z.strictObject({
    name: z.string(),
    keyFile: z.string(),
    passphrase: z.string(),
    recoveryFile: z.string(),
  }),
  vaultRecoveryKey: z.string().nullable(),
  /** Shifts that have been worked, with their recordings. */
  worked: z.record(z.string(), z.string()),
})
export type DemoFile = z.infer<typeof demoFile>
export type DemoPerson = z.infer<typeof person>

export const demoFolder = (dataDir: string) => join(dataDir, 'demo')
export const demoPath = (dataDir: string) => join(demoFolder(dataDir), 'demo.json')

/** Whom the files of an installation belong to, as far as this process may say so. */
function ownerOf(dataDir: string): RunAs | undefined {
  if (!isRoot()) return undefined
  const { uid, gid } = lstatSync(dataDir)
  return { uid, gid }
}

/** Whom the machines run as: root's have a user of their own, which may use no socket of the planes. */
function machinesRunAs(dataDir: string): RunAs | undefined {
  const owner = ownerOf(dataDir)
  return owner?.uid === 0 ? ensureSystemUser('tagout-demo') : owner
}

/** Makes the folder: others may pass through to the file of the machines, and list nothing. */
export function makeDemoFolder(dataDir: string): void {
  const path = demoFolder(dataDir)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const owner = ownerOf(dataDir)
  chmodSync(path, owner?.uid === 0 ? 0o711 : 0o700)
  if (owner !== undefined) lchownSync(path, owner.uid, owner.gid)
}

/** The demo's own file, or undefined where there is none. Throws `Fault('configuration')` where it is malformed. */
export function readDemo(dataDir: string): DemoFile | undefined {
  const path = demoPath(dataDir)
  if (!existsSync(path)) return undefined
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw new Fault('configuration', `cannot read ${path}: be the owner of the data folder, or root`)
  }
  try {
    return demoFile.parse(JSON.parse(text))
  } catch {
    // SECURITY: the cause is left out, it would quote passwords.
    throw new Fault('configuration', `${path} is malformed: put it back as it was`)
  }
}

/** Writes the demo's own file, whole or not at all, for the owner of the installation alone. */
export function writeDemo(dataDir: string, demo: DemoFile): void {
  writeFor(ownerOf(dataDir), demoPath(dataDir), `${JSON.stringify(demo, null, 2)}\n`, 0o600)
}

/** Writes another file into the demo's folder, for the owner of the installation alone. */
export function writeDemoFile(dataDir: string, path: string, text: string): void {
  writeFor(ownerOf(dataDir), path, text, 0o600)
}

/** Writes what the machines read; the supervisor starts them as soon as it is there. */
export function writeMachines(dataDir: string, sheet: MachineSheet): void {
  writeFor(machinesRunAs(dataDir), demoMachines(dataDir), `${JSON.stringify(sheet, null, 2)}\n`, 0o600)
}

/**
 * What tells this installation from every other: a digest of its vault's own key.
 *
 * SECURITY: a demo file that was copied to another installation must not be a licence to remove that one.
 */
export function installationMark(dataDir: string): string {
  const path = join(dataDir, 'supervisor', 'secrets.json')
  const shape = z.looseObject({ vault: z.looseObject({ publicKey: z.string() }) })
  let key: string
  try {
    key = shape.parse(JSON.parse(readFileSync(path, 'utf8'))).vault.publicKey
  } catch {
    throw new Fault('configuration', `cannot read ${path}: be the owner of the data folder, or root`)
  }
  return createHash('sha256').update(`tagout demo ${key}`).digest('hex')
}
