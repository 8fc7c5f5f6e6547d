import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import {
  type DesktopSettings,
  identityOf,
  keyboards,
  type LegacyAlgorithm,
  opensSessions,
  type Protocol,
  rdpSecurities,
  type SessionProtocol,
  type TargetView,
  unverified,
  type VerbInput,
} from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { canonicalJson, encodeParts } from '../kernel/encoding.ts'
import { isId, type SafeId, type TargetId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { type Checker, checked, checkedOne, type Row } from '../rows.ts'
import { maskOf } from './masked.ts'

type Db = Kysely<Database>

/** A host key that a person approved for a target. `type` is empty where only the fingerprint was given. */
export type Pin = { readonly type: string; readonly fingerprint: string; readonly approvedBy: string }

const pinsShape = z.array(
  z.strictObject({ type: z.string(), fingerprint: z.string(), approvedBy: z.string() }),
)

/** The pins of a target's row. */
export function pinsOf(target: Row<'target'>): readonly Pin[] {
  return pinsShape.parse(JSON.parse(target.pins))
}

export function writePins(pins: readonly Pin[]): string {
  return canonicalJson(pins.map(({ type, fingerprint, approvedBy }) => ({ type, fingerprint, approvedBy })))
}

const desktopShape = z.strictObject({
  security: z.enum(rdpSecurities).optional(),
  keyboard: z.enum(keyboards).optional(),
  userPrompt: z.string().optional(),
  passwordPrompt: z.string().optional(),
})

/** How a target is logged in to, where its protocol leaves that open; null: as usual. */
export function desktopOf({ desktop }: Pick<Row<'target'>, 'desktop'>): DesktopSettings | null {
  if (desktop === null) return null
  const { security, keyboard, userPrompt, passwordPrompt } = desktopShape.parse(JSON.parse(desktop))
  return {
    ...(security === undefined ? {} : { security }),
    ...(keyboard === undefined ? {} : { keyboard }),
    ...(userPrompt === undefined ? {} : { userPrompt }),
    ...(passwordPrompt === undefined ? {} : { passwordPrompt }),
  }
}

/** What of a target's settings is kept, or why they are none of its protocol. */
export function desktopOfInput(
  protocol: Protocol,
  given: VerbInput<'target.add'>['desktop'],
): Outcome<string | null> {
  const set = Object.entries(given ?? {}).filter(([, value]) => value !== undefined)
  const fitting: readonly string[] =
    protocol === 'rdp'
      ? ['security', 'keyboard']
      : protocol === 'telnet'
        ? ['userPrompt', 'passwordPrompt']
        : []
  const odd = set.find(([name]) => !fitting.includes(name))
  if (odd !== undefined)
    return refuse(
      'invalid',
      `desktop.${odd[0]}: this is nothing of ${protocol}`,
      'security and keyboard are of RDP, userPrompt and passwordPrompt of Telnet',
    )
  return done(set.length === 0 ? null : canonicalJson(Object.fromEntries(set)))
}

/** What old algorithms a target may be spoken with, by whom, why and until when. */
export type Legacy = {
  readonly algorithms: readonly LegacyAlgorithm[]
  readonly reason: string
  readonly until: Date
  readonly by: string
  readonly at: Date
}

/** The old algorithms that a target's row allows, expired or not. */
export function legacyOf(target: Row<'target'>): Legacy | undefined {
  const { legacy, legacy_reason: reason, legacy_until: until, legacy_by: by, legacy_at: at } = target
  return legacy === null || reason === null || until === null || by === null || at === null
    ? undefined
    : { algorithms: legacy, reason, until, by, at }
}

function showLegacy(legacy: Legacy | undefined, now: Date): TargetView['legacy'] {
  if (legacy === undefined) return null
  const { algorithms, reason, until, by, at } = legacy
  return {
    algorithms,
    reason,
    until: until.toISOString(),
    isExpired: until <= now,
    allowedBy: by,
    allowedAt: at.toISOString(),
  }
}

/** Is this the text of a SHA-256 fingerprint, as OpenSSH prints it? */
export function isFingerprint(text: string): boolean {
  return /^SHA256:[A-Za-z0-9+/]{43}$/.test(text)
}

/** May this be pinned to a target that is spoken with so? */
export function isPin(protocol: Protocol, settings: DesktopSettings | null, text: string): boolean {
  return identityOf(protocol, settings) === 'nothing' ? text === unverified : isFingerprint(text)
}

/** Why a text is no pin of such a target. */
export function notAPin(protocol: Protocol, settings: DesktopSettings | null, field: string): Outcome<never> {
  return opensSessions(protocol) && identityOf(protocol, settings) === 'nothing'
    ? refuse(
        'invalid',
        `${field}: a target of ${unverifiedWords[protocol]} shows nothing that could be pinned`,
        `approve that its identity is unverified: tagout target pin NAME --unverified`,
      )
    : refuse('invalid', `${field}: not a fingerprint of the form SHA256:…`)
}

const unverifiedWords: Readonly<Record<SessionProtocol, string>> = {
  ssh: 'SSH',
  vnc: 'VNC',
  rdp: 'RDP with the security of RDP itself',
  telnet: 'Telnet',
}

/**
 * What a binding binds to: the target's identity (id, protocol, address, pinned keys), how it is logged in to, and the
 * login name there.
 * Another address or key gives another digest, and no release until somebody binds again.
 */
export function bindingDigest(target: Row<'target'>, login: string): Buffer {
  const pins = pinsOf(target)
    .map((pin) => pin.fingerprint)
    .sort()
  return createHash('sha256')
    .update(
      encodeParts(
        'tagout/v1/target-binding',
        target.id,
        target.protocol,
        target.host,
        String(target.port),
        canonicalJson(pins),
        login,
        // As it was before there was any: bindings made then stand.
        ...(target.desktop === null ? [] : [target.desktop]),
      ),
    )
    .digest()
}

/** The target of an id or a name, in any case of letters; a removed one is not found. */
export async function findTarget(
  db: Db,
  checker: Checker,
  reference: string,
  lock: 'read' | 'update' = 'read',
): Promise<Row<'target'> | undefined> {
  const base = db.selectFrom('target').selectAll().where('removed_at', 'is', null)
  const query = isId('tgt', reference)
    ? base.where('id', '=', reference as TargetId)
    : base.where((eb) => eb(eb.fn<string>('lower', ['name']), '=', reference.toLowerCase()))
  return checkedOne(
    checker,
    'target',
    await (lock === 'update' ? query.forNoKeyUpdate() : query).executeTakeFirst(),
  )
}

/** How targets are shown. */
export async function showTargets(
  db: Db,
  checker: Checker,
  targets: readonly Row<'target'>[],
  now: Date,
): Promise<readonly TargetView[]> {
  if (targets.length === 0) return []
  const safes = await db
    .selectFrom('safe')
    .selectAll()
    .where('id', 'in', [...new Set(targets.map((target) => target.safe_id))])
    .execute()
  const names = new Map<SafeId, string>(checked(checker, 'safe', safes).map((safe) => [safe.id, safe.name]))
  return targets.map((target) => ({
    id: target.id,
    name: target.name,
    safe: names.get(target.safe_id) ?? '',
    protocol: target.protocol,
    host: target.host,
    port: target.port,
    pins: pinsOf(target),
    changedKey:
      target.changed_key === null || target.changed_key_at === null
        ? null
        : {
            type: target.changed_key_type ?? '',
            fingerprint: target.changed_key,
            seenAt: target.changed_key_at.toISOString(),
          },
    legacy: showLegacy(legacyOf(target), now),
    desktop: desktopOf(target),
    mask: maskOf(target),
    fileMegabytes: target.file_megabytes,
    tags: target.tags ?? [],
    zone: target.zone,
    createdAt: target.created_at.toISOString(),
  }))
}

export async function showTarget(
  db: Db,
  checker: Checker,
  target: Row<'target'>,
  now: Date,
): Promise<TargetView> {
  const [view] = await showTargets(db, checker, [target], now)
  if (view === undefined) throw new TypeError('a target that was read is shown')
  return view
}
