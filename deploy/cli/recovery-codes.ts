import type { Command } from 'commander'
import { z } from 'zod'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { Secret } from '../../vault/kernel/secret.ts'
import { askFreshAs, type Person } from './ask-as.ts'
import { loadSodium } from './sodium.ts'
import { examples, type Tools } from './tools.ts'

const renewed = z.looseObject({ sealedRecoveryCodes: z.string() })
const codes = z.array(z.string().max(40)).min(1).max(100)

/** `tagout user recovery-codes`: makes one's own recovery codes anew. Nobody makes them for somebody else. */
export function addRecoveryCodesCommand(user: Command, tools: Tools): void {
  user
    .command('recovery-codes')
    .description('make your recovery codes anew, and print them: once, and those before are good no longer')
    .requiredOption('--user <name>', 'you: nobody makes them for somebody else')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .addHelpText(
      'after',
      `
Each signs you in once, in place of the code of your authenticator. Print or write them down, and keep them where you
keep keys: not beside your password. Who signs in by a provider makes them in the console, under their name.
${examples('tagout user recovery-codes --user bob')}`,
    )
    .action(async (options: Person) => {
      const sodium = await loadSodium()
      const made = await askFreshAs(tools, options, async (client, nextCode) => {
        // SECURITY: the vault seals them to a key that exists for this one answer; the console's server cannot read it.
        const box = sodium.crypto_box_keypair()
        const answer = renewed.parse(
          await client.ask('POST', '/api/recovery-codes', {
            boxKey: toBase64(box.publicKey),
            totpCode: await nextCode(),
          }),
        )
        using text = new Secret(
          sodium.crypto_box_seal_open(fromBase64(answer.sealedRecoveryCodes), box.publicKey, box.privateKey),
        )
        sodium.memzero(box.privateKey)
        return text.expose((bytes) => codes.parse(JSON.parse(new TextDecoder().decode(bytes))))
      })
      tools.show(
        { user: options.user, recoveryCodes: made },
        () => `${made.join('\n')}\nthey are not shown again; those before are good no longer\n`,
      )
    })
}
