import type { Command } from 'commander'
import { type ServiceScope, serviceScopes, type TokenView } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { misuse } from './complaint.ts'
import { parseDuration, parseMoment } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { loadSodium } from './sodium.ts'
import { collect, examples, type Tools } from './tools.ts'

const scopeText: Readonly<Record<ServiceScope, string>> = {
  'access.read': 'grants, requests, leases, break-glass, and who has seen which secret',
  'audit.read': 'the audit log, and its export',
  'inventory.read': 'safes, targets, accounts and plant switches; no secrets',
  'policy.read': 'the policy, and what it lets whom do',
  'recordings.read': 'which recordings there are; never what is in them',
  'sessions.read': 'sessions, live and past, and who is kept off',
  'users.read': 'users, their sign-ins, vendors and their contracts',
}
const scopes = serviceScopes.map((scope) => `  ${scope.padEnd(17)} ${scopeText[scope]}\n`).join('')

/** `tagout token`: what services, programs that read, prove themselves with. */
export function addTokenCommands(root: Command, tools: Tools): void {
  const command = root
    .command('token')
    .description('tokens of services: programs that read through the API, and do nothing else')

  command
    .command('add <service>')
    .description('make a token of a service; it is shown this once')
    .requiredOption('--scope <scopes>', 'what it may read, see below; may be given more than once', collect)
    .requiredOption('--expires <when>', 'a duration (90d) or a moment (2027-03-01); a year at most')
    .option('--from <networks>', 'good from these addresses or networks alone: 10.0.3.0/24', collect)
    .addHelpText(
      'after',
      `
Scopes:
${scopes}
The service sends it with each request: Authorization: Bearer tagout_…
To exchange one, make another, give it to the service, and revoke the first.
${examples(
  'tagout token add historian --scope audit.read,sessions.read --expires 90d',
  'tagout token add cmdb --scope inventory.read --expires 1w --from 10.0.3.7 --json',
)}`,
    )
    .action(
      async (
        service: string,
        options: { scope: readonly string[]; expires: string; from?: readonly string[] },
      ) => {
        const sodium = await loadSodium()
        const box = sodium.crypto_box_keypair()
        const added = await tools.withVault((vault) =>
          vault.ask('token.add', {
            service,
            scopes: parseScopes(options.scope),
            expiresAt: parseExpiry(options.expires),
            ...(options.from === undefined ? {} : { networks: [...options.from] }),
            boxKey: toBase64(box.publicKey),
          }),
        )
        const opened = sodium.crypto_box_seal_open(
          fromBase64(added.sealedToken),
          box.publicKey,
          box.privateKey,
        )
        const secret = new TextDecoder().decode(opened)
        sodium.memzero(opened)
        sodium.memzero(box.privateKey)
        tools.show(
          { ...added.token, secret },
          () =>
            `${secret}\n` +
            `the token ${added.token.id} of ${added.token.service}, good until ${when(added.token.expiresAt)}; it is not shown again\n`,
        )
      },
    )

  command
    .command('list')
    .description('list tokens, those that are good no longer too')
    .addHelpText('after', examples('tagout token list', 'tagout token list --json'))
    .action(async () => {
      const rows = await tools.withVault((vault) => vault.ask('token.list', {}))
      tools.list<TokenView>(
        rows,
        [
          ['ID', (row) => row.id],
          ['SERVICE', (row) => row.service],
          ['STATE', (row) => row.state],
          ['SCOPES', (row) => row.scopes.join(',')],
          ['FROM', (row) => (row.networks.length === 0 ? 'everywhere' : row.networks.join(','))],
          ['UNTIL', (row) => when(row.expiresAt)],
          ['LAST USED', (row) => lastUse(row)],
        ],
        'there are no tokens; make one with: tagout token add SERVICE --scope SCOPE --expires 90d',
      )
    })

  command
    .command('revoke <token>')
    .description('take a token back: the next request with it is refused')
    .addHelpText('after', examples('tagout token revoke tok_…'))
    .action(async (text: string) => {
      const id = parseGivenId('tok', text, 'see: tagout token list')
      const revoked = await tools.withVault((vault) => vault.ask('token.revoke', { token: id }))
      tools.show(revoked, () => `revoked the token ${revoked.id} of ${revoked.service}`)
    })
}

function lastUse({ lastUsedAt, lastSource }: TokenView): string {
  return lastUsedAt === null ? 'never' : `${when(lastUsedAt)} from ${lastSource ?? 'unknown'}`
}

function parseScopes(names: readonly string[]): ServiceScope[] {
  return names.map((name) => {
    const found = serviceScopes.find((known) => known === name)
    if (found === undefined)
      throw misuse(`there is no scope ${name}`, `choose from ${serviceScopes.join(', ')}`)
    return found
  })
}

function parseExpiry(text: string): string {
  return /^(\d+[smhdw])+$/.test(text)
    ? new Date(Date.now() + parseDuration(text) * 1000).toISOString()
    : parseMoment(text)
}
