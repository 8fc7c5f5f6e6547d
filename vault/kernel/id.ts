/** Identifiers. Runs in browsers too: no Node imports here. */

declare const kind: unique symbol

/** A prefixed identifier such as `lse_01j9…`; `Kind` keeps ids of different tables apart. */
export type Id<Kind extends string> = `${Kind}_${string}` & { readonly [kind]: Kind }

export type UserId = Id<'usr'>
export type SafeId = Id<'saf'>
export type TargetId = Id<'tgt'>
export type AccountId = Id<'acc'>
export type CredentialId = Id<'crd'>
export type BindingId = Id<'bnd'>
export type GrantId = Id<'grt'>
export type LeaseId = Id<'lse'>
export type WaitId = Id<'wai'>
export type HandOverId = Id<'hov'>
export type RequestId = Id<'req'>
export type PolicyRequestId = Id<'plr'>
export type ApprovalId = Id<'apr'>
export type SessionId = Id<'ses'>
export type RecordingId = Id<'rec'>
export type NoteId = Id<'nte'>
export type CompanyId = Id<'cmp'>
export type OffboardingId = Id<'off'>
export type HoldId = Id<'hld'>
export type WatchId = Id<'wch'>
export type LoginId = Id<'lgn'>
export type KeyId = Id<'key'>
export type BreakGlassId = Id<'bgl'>
export type NotificationId = Id<'ntf'>
export type SwitchId = Id<'psw'>
export type TokenId = Id<'tok'>
export type DirectoryId = Id<'dir'>
export type AuditorId = Id<'aud'>
export type KitId = Id<'kit'>
export type RecipeId = Id<'rcp'>
export type CampaignId = Id<'cam'>
export type MarkId = Id<'rsk'>
export type LimitId = Id<'rlm'>
export type ReceiverId = Id<'sie'>
export type RotationId = Id<'rot'>
export type TaskId = Id<'rtk'>
export type LegalHoldId = Id<'lho'>
export type DestructionId = Id<'dst'>

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** Encodes bytes in Crockford base32, lower case: 26 characters for 16 bytes. */
function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value & 0x1f) << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(value >>> bits) & 31]
    }
  }
  return bits > 0 ? text + alphabet[(value << (5 - bits)) & 31] : text
}

/** Makes an identifier that sorts by creation time: 48 bits of milliseconds, then 80 random bits. */
export function newId<Kind extends string>(kind: Kind, now: number = Date.now()): Id<Kind> {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, Math.floor(now / 2 ** 32))
  view.setUint32(2, now >>> 0)
  return `${kind}_${base32(bytes)}` as Id<Kind>
}

/** The moment at which an identifier was made, in milliseconds. */
export function idTime(id: string): number {
  const text = id.slice(id.indexOf('_') + 1)
  // Ten characters hold the 48 bits and two more.
  let bits = 0
  for (const char of text.slice(0, 10)) bits = bits * 32 + alphabet.indexOf(char)
  return Math.floor(bits / 4)
}

/** Parses an identifier arriving from outside. Throws `TypeError` when it is not one of `kind`. */
export function parseId<Kind extends string>(kind: Kind, text: string): Id<Kind> {
  if (!isId(kind, text)) throw new TypeError(`not a ${kind} id`)
  return text
}

export function isId<Kind extends string>(kind: Kind, text: string): text is Id<Kind> {
  return text.startsWith(`${kind}_`) && /^[0-9a-z]{26}$/.test(text.slice(kind.length + 1))
}
