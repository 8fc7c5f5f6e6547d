import type { Command } from 'commander'
import { z } from 'zod'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { Secret } from '../../vault/kernel/secret.ts'
import { asPerson } from './console-login.ts'
import { readThreeAnswers } from './person-answers.ts'
import { loadSodium } from './sodium.ts'
import { examples, type Tools } from './tools.ts'
import { pinnedIntakeKey } from './vault-pin.ts'

const revealed = z.looseObject({ sealed: z.string(), version: z.int() })

type RevealOptions = { readonly user: string; readonly reason: string; readonly answersStdin?: boolean }
/** `tagout account reveal`: shows a secret to a user who may see it, and says so in the exposure ledger. */
export function addRevealCommand(account: Command, tools: Tools): void {
  account
    .command('reveal <account>')
    .description('show the secret of an account to you, a user with the permission to reveal')
    .requiredOption('--user <name>', 'you: the machine’s administrator reveals nothing')
    .requiredOption('--reason <text>', 'why; it is written in the exposure ledger')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .addHelpText(
      'after',
      examples('tagout account reveal press-3/engineer --user alice --reason "panel has no network"'),
    )
    .action(async (name: string, options: RevealOptions) => {
      const sodium = await loadSodium()
      const { intakeKey, account: found } = await tools.withVault(async (vault) => ({
        intakeKey: await pinnedIntakeKey(tools, vault),
        account: await vault.ask('account.show', { account: name }),
      }))
      const answers = await readThreeAnswers(tools.io, options)
      using password = answers.password
      const person = { name: options.user, password, code: answers.code, intakeKey }
      await asPerson(tools, person, async (client) => {
        // SECURITY: the vault seals the secret to a key that exists for this one answer; the console's server cannot read it.
        const box = sodium.crypto_box_keypair()
        const answer = revealed.parse(
          await client.ask('POST', `/api/accounts/${encodeURIComponent(found.id)}/reveal`, {
            boxKey: toBase64(box.publicKey),
            totpCode: await answers.nextCode(),
            reason: options.reason,
          }),
        )
        using secret = new Secret(
          sodium.crypto_box_seal_open(fromBase64(answer.sealed), box.publicKey, box.privateKey),
        )
        sodium.memzero(box.privateKey)
        secret.expose((bytes) => {
          const text = new TextDecoder().decode(bytes)
          tools.show({ account: found.name, version: answer.version, secret: text }, () => text)
        })
      })
    })
}
