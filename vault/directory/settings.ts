import { z } from 'zod'
import {
  type DirectoryMapping,
  type DirectorySettings,
  directoryMapping,
  directorySettings,
} from '../contract.ts'
import { canonicalJson } from '../kernel/encoding.ts'
import type { Row } from '../rows.ts'

/** How a directory is spoken with. Its row has been checked: what is in it the vault wrote. */
export function settingsOf(row: Pick<Row<'directory'>, 'settings'>): DirectorySettings {
  return directorySettings.parse(JSON.parse(row.settings))
}

/** What its groups give. */
export function mappingsOf(row: Pick<Row<'directory'>, 'mappings'>): readonly DirectoryMapping[] {
  return z.array(directoryMapping).parse(JSON.parse(row.mappings))
}

export function encodeSettings(settings: DirectorySettings): string {
  return canonicalJson(settings)
}

export function encodeMappings(mappings: readonly DirectoryMapping[]): string {
  return canonicalJson(mappings.map(({ group, roles, policyGroup }) => ({ group, roles, policyGroup })))
}
