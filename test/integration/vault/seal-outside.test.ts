import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formsOf } from '../../support/canary.ts'
import type { Outcome } from '../../../vault/kernel/outcome.ts'
import { Secret } from '../../../vault/kernel/secret.ts'
import { noSealers, type SealerSettings } from '../../../vault/keys/sealers.ts'
import { startTestPostgres, type TestPostgres } from '../../support/postgres.ts'
import { type SoftHsm, softHsmModule, startSoftHsm, whyNoSoftHsm } from '../../support/softhsm.ts'
import { newInstallation, somebody, type TestInstallation } from '../../support/vault-keys.ts'

/** What seals the vault outside of it: keys in tokens, and plug-ins. */
let postgres: TestPostgres
let installation: TestInstallation
beforeAll(async () => {
  postgres = await startTestPostgres()
  installation = await newInstallation(postgres)
}, 60_000)
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]()
  await postgres?.stop()
})

const saidOf = (outcome: Outcome<unknown>) =>
  outcome.ok ? '' : [outcome.refusal.message, outcome.refusal.next].filter(Boolean).join(': ')
const pinOf = (text: string) => Secret.fromText(text)

describe('a plug-in (no cloud KMS can be had here: an example in a process of its own stands for one)', () => {
  const plugIn = (mode: string) => ({
    command: [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, '../../support/seal-plug-in.ts'),
      mode,
      keyFile(),
    ],
    env: {},
  })
  const keyFile = () => join(installation.dataDir, 'kms.key')
  const settings = (mode = 'good', secondsToAnswer = 30): SealerSettings => ({
    ...noSealers,
    plugIns: { kms: plugIn(mode) },
    secondsToAnswer,
  })
  const how = { kind: 'plug-in', seal: undefined } as const

  test('opens the vault, follows the root key, and its wrap opens no other installation', async () => {
    writeFileSync(keyFile(), 'a key of the KMS')
    {
      await using vault = await installation.unsealed({ sealers: settings() })
      expect(await vault.seals.rehearseAdding({ kind: 'plug-in', name: 'kms' }, somebody)).toMatchObject({
        ok: true,
      })
      expect((await vault.seals.list()).map(({ kind }) => kind)).not.toContain('plug-in')
      const added = await vault.seals.add({ kind: 'plug-in', name: 'kms' }, somebody, false)
      expect(added).toMatchObject({
        ok: true,
        value: { outside: 'kms', byItself: true, followsRotation: true },
      })
      expect(saidOf(await vault.seals.add({ kind: 'plug-in', name: 'aws' }, somebody, false))).toContain(
        'there is no plug-in aws in tagout.json: there is kms',
      )
      await vault.rotations.start({ what: 'root' }, somebody)
      await vault.rotations.settled()
    }
    await using vault = await installation.open({ sealers: settings() })
    expect(await vault.unseal(how, somebody)).toMatchObject({ ok: true })
    await using other = await newInstallation(postgres)
    const [wrap] = await installation.sql(`select parameters from seal_wrap where kind = 'plug-in'`)
    {
      await using unsealed = await other.unsealed({ sealers: settings() })
      writeFileSync(join(other.dataDir, 'kms.key'), 'a key of the KMS')
      await unsealed.seals.add({ kind: 'plug-in', name: 'kms' }, somebody, false)
    }
    await other.sql(`update seal_wrap set parameters = $1 where kind = 'plug-in'`, [wrap?.['parameters']])
    await using foreign = await other.open({ sealers: settings() })
    expect(saidOf(await foreign.unseal(how, somebody))).toContain('for another installation')
  })

  test.each([
    ['short key', 'the plug-in kms answered a key of 3 bytes, not of 32'],
    ['wrong key', 'that plug-in does not open this vault'],
    ['nonsense', 'the plug-in kms answered something that is no answer'],
    ['no member', 'the plug-in kms answered something that is no answer'],
    ['endless', 'the plug-in kms answered without end'],
    ['silent', 'the plug-in kms did not answer within 3 s'],
    ['crash', 'the plug-in kms ended without an answer (SIGABRT)'],
    ['denied', 'the plug-in kms denies it: it says "no  [31mright  to use the key"'],
  ])('one that is %s is refused in a sentence, and the vault goes on', async (mode, sentence) => {
    await using vault = await installation.open({ sealers: settings(mode, mode === 'silent' ? 3 : 30) })
    expect(saidOf(await vault.unseal(how, somebody))).toContain(sentence)
    expect(vault.isSealed).toBe(true)
    expect(await vault.unseal({ kind: 'stored-key-file' }, somebody)).toMatchObject({ ok: true })
    const added = await vault.seals.add({ kind: 'plug-in', name: 'kms' }, somebody, false)
    expect(added.ok).toBe(false)
  })

  test('one that everybody may write, or put another in place of, is not run', async () => {
    const folder = join(installation.dataDir, 'plug-ins')
    const program = join(folder, 'kms')
    const link = join(installation.dataDir, 'kms-link')
    mkdirSync(folder, { mode: 0o755 })
    writeFileSync(program, `#!/bin/sh\ntouch '${folder}/ran'\necho '{"ok":false,"why":"denied"}'\n`)
    symlinkSync(program, link)
    for (const [path, change, mode, open] of [
      [program, program, 0o757, program],
      [link, program, 0o757, program],
      [program, folder, 0o777, folder],
      [link, folder, 0o777, folder],
    ] as const) {
      chmodSync(folder, 0o755)
      chmodSync(program, 0o755)
      chmodSync(change, mode)
      const sealers = { ...noSealers, plugIns: { kms: { command: [path], env: {} } } }
      await using vault = await installation.unsealed({ sealers })
      const said = saidOf(await vault.seals.add({ kind: 'plug-in', name: 'kms' }, somebody, false))
      expect(said).toContain(`everybody may write ${open}, which the plug-in kms is run from: it is not used`)
      expect(existsSync(join(folder, 'ran'))).toBe(false)
    }
    chmodSync(folder, 0o1777)
    const sealers = { ...noSealers, plugIns: { kms: { command: [program], env: {} } } }
    await using vault = await installation.unsealed({ sealers })
    const said = saidOf(await vault.seals.add({ kind: 'plug-in', name: 'kms' }, somebody, false))
    expect(said).toContain('the plug-in kms denies it')
  })

  test('one that answers the key that it was to wrap, or is not there, is not used', async () => {
    await using plain = await installation.unsealed({ sealers: settings('plain key') })
    const add = { kind: 'plug-in', name: 'kms' } as const
    expect(saidOf(await plain.seals.add(add, somebody, false))).toContain('the very key that it was to wrap')
    await plain.close()
    const missing = { ...noSealers, plugIns: { kms: { command: ['/nowhere/kms'], env: {} } } }
    await using vault = await installation.unsealed({ sealers: missing })
    expect(saidOf(await vault.seals.add(add, somebody, false))).toContain('cannot be started (ENOENT)')
  })
})

const why = whyNoSoftHsm()
if (why !== undefined) console.log(`tokens are left out: ${why}`)
const hasCompiler = spawnSync('cc', ['--version']).status === 0
if (!hasCompiler) console.log('no C compiler: libraries that misbehave are left out')

describe.skipIf(why !== undefined)('a token', () => {
  let hsm: SoftHsm
  let settings: SealerSettings
  const pin = 'canary-pin-72931'
  const place = { kind: 'pkcs11', module: 'soft', token: 'plant', key: 'tagout', pinFile: undefined } as const
  beforeAll(async () => {
    hsm = await startSoftHsm()
    hsm.addToken('plant', pin)
    settings = { ...noSealers, modules: { soft: { path: softHsmModule, env: hsm.env } }, secondsToAnswer: 60 }
  })
  afterAll(() => hsm?.[Symbol.asyncDispose]())
  const unsealBy = async (text: string | undefined, sealers = settings) => {
    await using vault = await installation.open({ sealers })
    const given = text === undefined ? undefined : pinOf(text)
    return await vault.unseal({ kind: 'pkcs11', pin: given, seal: undefined }, somebody)
  }

  test('gets a key that cannot leave it, which opens the vault; the PIN rests nowhere', async () => {
    await using vault = await installation.unsealed({ sealers: settings })
    const provider = { ...place, pin: pinOf(pin) }
    expect(await vault.seals.rehearseAdding(provider, somebody)).toMatchObject({ ok: true })
    const added = await vault.seals.add(provider, somebody, false)
    expect(added).toMatchObject({ ok: true, value: { outside: 'plant (soft), key tagout', byItself: false } })
    expect(saidOf(await vault.seals.add({ ...place, pin: pinOf(pin) }, somebody, false))).toContain(
      'the token plant has a key tagout already',
    )
    expect(
      saidOf(await vault.seals.add({ ...place, module: 'evil', pin: pinOf(pin) }, somebody, false)),
    ).toContain('there is no module evil in tagout.json')
    const rehearsed = await vault.seals.rehearse(
      { kind: 'pkcs11', pin: pinOf(pin), seal: undefined },
      somebody,
    )
    expect(rehearsed).toMatchObject({ ok: true })
    await vault.rotations.start({ what: 'root' }, somebody)
    await vault.rotations.settled()
    await vault.close()
    expect(await unsealBy(pin)).toMatchObject({ ok: true })
    const dump = JSON.stringify([
      await installation.sql('select * from seal_wrap'),
      await installation.sql('select * from audit_entry'),
    ])
    for (const { name, bytes } of formsOf(Buffer.from(pin)))
      expect(dump.includes(bytes.toString('latin1')), name).toBe(false)
    expect(installation.faults.map(String).join()).not.toContain(pin)
  })

  test('a wrong PIN, a token that is not there and another one of its name are each said', async () => {
    expect(saidOf(await unsealBy('wrong-one'))).toContain(
      'the PIN of the token plant is wrong: a few wrong ones',
    )
    // SoftHSM marks that a wrong one was given: a stored PIN is not tried then, a typed one is.
    const tokens = join(hsm.folder, 'tokens')
    const kept = join(hsm.folder, 'kept')
    cpSync(tokens, kept, { recursive: true })
    hsm.removeToken('plant')
    expect(saidOf(await unsealBy(pin))).toContain('there is no token plant')
    hsm.addToken('plant', pin)
    expect(saidOf(await unsealBy(pin))).toContain(
      'is another one than this vault was sealed by, of the same name',
    )
    rmSync(tokens, { recursive: true })
    cpSync(kept, tokens, { recursive: true })
    expect(await unsealBy(pin)).toMatchObject({ ok: true })
  })

  test('a PIN file opens it without a person, unless others may read it', async () => {
    const pinFile = join(installation.dataDir, 'pin')
    writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 })
    await using vault = await installation.unsealed({ sealers: settings })
    const [first] = (await vault.seals.list()).filter(({ kind }) => kind === 'pkcs11')
    await vault.seals.remove(first?.id ?? '', somebody, false)
    const added = await vault.seals.add({ ...place, key: 'second', pin: undefined, pinFile }, somebody, false)
    expect(added).toMatchObject({ ok: true, value: { byItself: true } })
    await vault.close()
    expect(await unsealBy(undefined)).toMatchObject({ ok: true })
    // Somebody mistyped: restarts alone would use up the tries that are left.
    expect(saidOf(await unsealBy('wrong-one'))).toContain('is wrong')
    for (let start = 0; start < 3; start += 1)
      expect(saidOf(await unsealBy(undefined))).toContain(
        'a wrong PIN was given to the token plant before: the stored one is not tried',
      )
    expect(await unsealBy(pin)).toMatchObject({ ok: true })
    expect(await unsealBy(undefined)).toMatchObject({ ok: true })
    chmodSync(pinFile, 0o644)
    expect(saidOf(await unsealBy(undefined))).toContain(`others may read the PIN file ${pinFile}: chmod 600`)
    chmodSync(pinFile, 0o600)
  })

  test.skipIf(!hasCompiler).each([
    ['return 0xA4;', 'the PIN of the token plant is locked after too many wrong ones'],
    ['abort(); return 0;', 'the token plant ended without an answer (SIGABRT)'],
    ['for (;;) pause(); return 0;', 'the token plant did not answer within 4 s'],
    ['return 0x30;', 'the token plant does not work: it says "CKR_DEVICE_ERROR'],
  ])('a library whose login does `%s` takes its own process down only', async (body, sentence) => {
    const source = join(hsm.folder, 'module.c')
    const path = join(hsm.folder, `module-${body.length}.so`)
    writeFileSync(
      source,
      `#include <dlfcn.h>
       #include <stdlib.h>
       #include <string.h>
       #include <unistd.h>
       static struct { unsigned char version[8]; void *functions[68]; } ours;
       static unsigned long login(unsigned long a, unsigned long b, void *c, unsigned long d) { ${body} }
       unsigned long C_GetFunctionList(void **list) {
         void *real = dlopen("${softHsmModule}", RTLD_NOW);
         unsigned long (*get)(void **) = (unsigned long (*)(void **))dlsym(real, "C_GetFunctionList");
         void *theirs;
         unsigned long code = get(&theirs);
         memcpy(&ours, theirs, sizeof ours);
         ours.functions[18] = (void *)login;
         *list = &ours;
         return code;
       }`,
    )
    execFileSync('cc', ['-shared', '-fPIC', '-o', path, source, '-ldl'])
    const modules = { soft: { path, env: hsm.env } }
    const bad = { ...settings, modules, secondsToAnswer: body.includes('pause') ? 4 : 60 }
    expect(saidOf(await unsealBy(pin, bad))).toContain(sentence)
    expect(await unsealBy(pin)).toMatchObject({ ok: true })
  })
})
