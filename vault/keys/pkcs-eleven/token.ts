import { randomBytes } from 'node:crypto'
import pkcs11 from 'pkcs11js'
import type { SealerWhy } from '../sealer-process.ts'
import type { TokenRequest } from './main.ts'

/** The token said no, or is not the one that was meant. */
export class Refused extends Error {
  readonly why: SealerWhy

  constructor(why: SealerWhy, message = '') {
    super(message)
    this.why = why
  }
}

const flags = { countLow: 0x0001_0000, finalTry: 0x0002_0000, locked: 0x0004_0000 }
const codes: Readonly<Record<number, SealerWhy>> = {
  0x32: 'no-token', // CKR_DEVICE_REMOVED
  0xa0: 'wrong-pin', // CKR_PIN_INCORRECT
  0xa2: 'wrong-pin', // CKR_PIN_LEN_RANGE
  0xa4: 'pin-locked', // CKR_PIN_LOCKED
  0xe0: 'no-token', // CKR_TOKEN_NOT_PRESENT
  0x03: 'no-token', // CKR_SLOT_ID_INVALID
}
const ivBytes = 12

type Session = {
  readonly module: pkcs11.PKCS11
  readonly handle: Buffer
  readonly token: string
  readonly serial: string
}

/** Does one act with a token: finds it, gives the PIN, and makes or uses the key. */
export function run(request: TokenRequest): object {
  const module = new pkcs11.PKCS11()
  module.load(request.token.path)
  module.C_Initialize()
  const session = open(module, request)
  switch (request.do) {
    case 'examine':
      requireNoKey(session, request.token.key)
      return {}
    case 'generate':
      requireNoKey(session, request.token.key)
      generate(session, request)
      return { token: session.token, serial: session.serial }
    case 'wrap': {
      const iv = randomBytes(ivBytes)
      const secret = Buffer.from(request.secret ?? '', 'base64')
      module.C_EncryptInit(session.handle, gcm(iv, request.context), findKey(session, request))
      const sealed = module.C_Encrypt(session.handle, secret, Buffer.alloc(secret.length + 32))
      secret.fill(0)
      return { wrapped: Buffer.concat([iv, sealed]).toString('base64') }
    }
    case 'unwrap': {
      const wrapped = Buffer.from(request.wrapped ?? '', 'base64')
      const key = findKey(session, request)
      module.C_DecryptInit(session.handle, gcm(wrapped.subarray(0, ivBytes), request.context), key)
      try {
        const secret = module.C_Decrypt(
          session.handle,
          wrapped.subarray(ivBytes),
          Buffer.alloc(wrapped.length),
        )
        return { secret: secret.toString('base64') }
      } catch (error) {
        // Tokens do not agree on what they call a tag that does not fit.
        if (codeOf(error) !== undefined) throw new Refused('other-key', String(codeOf(error)))
        throw error
      }
    }
  }
}

function gcm(iv: Buffer, context: string): pkcs11.Mechanism {
  return {
    mechanism: pkcs11.CKM_AES_GCM,
    parameter: {
      type: pkcs11.CK_PARAMS_AES_GCM,
      iv,
      ivBits: ivBytes * 8,
      aad: Buffer.from(context),
      tagBits: 128,
    } as pkcs11.GcmParams,
  }
}

function open(module: pkcs11.PKCS11, { token: wanted, pin, unattended }: TokenRequest): Session {
  const slots = module.C_GetSlotList(true).map((slot) => ({ slot, info: module.C_GetTokenInfo(slot) }))
  const named = slots.filter(({ slot, info }) =>
    wanted.token === undefined ? slotNumber(slot) === wanted.slot : info.label.trimEnd() === wanted.token,
  )
  if (named.length === 0) throw new Refused('no-token')
  const found =
    wanted.serial === undefined
      ? named[0]
      : named.find(({ info }) => info.serialNumber.trimEnd() === wanted.serial)
  if (found === undefined) throw new Refused('other-token')
  if (wanted.serial === undefined && named.length > 1)
    throw new Refused('unusable', 'several tokens have this name; name its slot')
  const { slot, info } = found
  if ((info.flags & flags.locked) !== 0) throw new Refused('pin-locked')
  // SECURITY: a stored PIN that is wrong would lock the token by restarts alone.
  if (unattended === true && (info.flags & (flags.countLow | flags.finalTry)) !== 0)
    throw new Refused('pin-at-risk')
  if (!module.C_GetMechanismList(slot).includes(pkcs11.CKM_AES_GCM)) throw new Refused('no-mechanism')
  try {
    const handle = module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
    module.C_Login(handle, pkcs11.CKU_USER, pin)
    return { module, handle, token: info.label.trimEnd(), serial: info.serialNumber.trimEnd() }
  } catch (error) {
    const why = codes[codeOf(error) ?? -1]
    throw why === undefined ? error : new Refused(why)
  }
}

function generate({ module, handle }: Session, { token }: TokenRequest): void {
  const key = module.C_GenerateKey(
    handle,
    { mechanism: pkcs11.CKM_AES_KEY_GEN, parameter: undefined as never },
    [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
      { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_AES },
      { type: pkcs11.CKA_VALUE_LEN, value: 32 },
      { type: pkcs11.CKA_LABEL, value: token.key },
      { type: pkcs11.CKA_ID, value: Buffer.from(token.keyId ?? '', 'hex') },
      { type: pkcs11.CKA_TOKEN, value: true },
      { type: pkcs11.CKA_PRIVATE, value: true },
      { type: pkcs11.CKA_SENSITIVE, value: true },
      { type: pkcs11.CKA_EXTRACTABLE, value: false },
      { type: pkcs11.CKA_ENCRYPT, value: true },
      { type: pkcs11.CKA_DECRYPT, value: true },
      { type: pkcs11.CKA_WRAP, value: false },
      { type: pkcs11.CKA_UNWRAP, value: false },
    ],
  )
  // SECURITY: asked of the token itself: one that ignores what it was told keeps no key of ours.
  const kept = module.C_GetAttributeValue(handle, key, [
    { type: pkcs11.CKA_SENSITIVE },
    { type: pkcs11.CKA_EXTRACTABLE },
    { type: pkcs11.CKA_LOCAL },
  ])
  const [sensitive, extractable, local] = kept.map(({ value }) => Buffer.from(value as Buffer)[0] === 1)
  if (sensitive === true && extractable === false && local === true) return
  module.C_DestroyObject(handle, key)
  throw new Refused('unusable', 'the token made a key that could be taken out of it')
}

function requireNoKey(session: Session, label: string): void {
  if (find(session, [{ type: pkcs11.CKA_LABEL, value: label }]) !== undefined) throw new Refused('key-exists')
}

function findKey(session: Session, { token }: TokenRequest): Buffer {
  const byId = [
    { type: pkcs11.CKA_LABEL, value: token.key },
    { type: pkcs11.CKA_ID, value: Buffer.from(token.keyId ?? '', 'hex') },
  ]
  const key = find(session, byId)
  if (key !== undefined) return key
  const alike = find(session, byId.slice(0, 1))
  throw new Refused(alike === undefined ? 'no-key' : 'other-key')
}

function find({ module, handle }: Session, by: pkcs11.Template): Buffer | undefined {
  module.C_FindObjectsInit(handle, [{ type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY }, ...by])
  const [found] = module.C_FindObjects(handle, 1)
  module.C_FindObjectsFinal(handle)
  return found
}

function slotNumber(slot: Buffer): number {
  return Number(slot.readBigUInt64LE(0))
}

function codeOf(error: unknown): number | undefined {
  return error instanceof pkcs11.Pkcs11Error ? error.code : undefined
}
