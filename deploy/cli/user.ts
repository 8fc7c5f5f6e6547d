import type { Command } from 'commander'
import { type Enrolment, roles as knownRoles, type Role, type UserView } from '../../vault/contract.ts'
import type { Id } from '../../vault/kernel/id.ts'
import { isId } from '../../vault/kernel/id.ts'
import { misuse } from './complaint.ts'
import { parseGivenId } from './grant.ts'
import { readReady } from './installation.ts'
import { when } from './io.ts'
import { reportText, untilEnded } from './offboarding.ts'
import { addRecoveryCodesCommand } from './recovery-codes.ts'
import { collect, examples, facts, type Tools } from './tools.ts'

/** The whole link of an enrolment, where the console's address is known. */
export async function enrolmentLink(tools: Tools, enrolment: Enrolment): Promise<string> {
  try {
    const { console } = await readReady(tools.dataDir())
    return new URL(enrolment.path, console).href
  } catch {
    return enrolment.path
  }
}

export function parseRoles(names: readonly string[]): Role[] {
  return names.map((name) => {
    const found = knownRoles.find((known) => known === name)
    if (found === undefined) throw misuse(`there is no role ${name}`, `choose from ${knownRoles.join(', ')}`)
    return found
  })
}

/** `tagout user`: people, their roles, their SSH keys and their way in. */
export function addUserCommands(root: Command, tools: Tools): void {
  const user = root.command('user').description('users: people who log in to Tagout')

  user
    .command('add <name>')
    .description('add a user; prints a one-time link with which they set password and second factor')
    .requiredOption('--role <roles>', `any of ${knownRoles.join(', ')}`, collect)
    .addHelpText(
      'after',
      examples('tagout user add bob --role operator', 'tagout user add alice --role admin,approver --json'),
    )
    .action(async (name: string, options: { role: readonly string[] }) => {
      const roles = parseRoles(options.role)
      const added = await tools.withVault((vault) => vault.ask('user.add', { name, roles }))
      const link = await enrolmentLink(tools, added.enrolment)
      tools.show(
        { ...added.user, enrolment: { link, expiresAt: added.enrolment.expiresAt } },
        () =>
          `added user ${added.user.name} (${added.user.id})\n` +
          `to set password and second factor, until ${when(added.enrolment.expiresAt)}: ${link}\n`,
      )
    })

  user
    .command('list')
    .description('list users')
    .addHelpText('after', examples('tagout user list', 'tagout user list --json'))
    .action(async () => {
      const users = await tools.withVault((vault) => vault.ask('user.list', {}))
      tools.list(
        users,
        [
          ['ID', (row) => row.id],
          ['NAME', (row) => row.name],
          ['ROLES', (row) => row.roles.join(',')],
          ['STATE', (row) => row.state],
          ['KEYS', (row) => String(row.keys)],
          ['MAIL', (row) => row.mail?.address ?? '-'],
          ['LAST LOGIN', (row) => when(row.lastLoginAt)],
        ],
        'there are no users; add one with: tagout user add NAME --role ROLE',
      )
    })

  user
    .command('show <user>')
    .description('show a user')
    .addHelpText('after', examples('tagout user show bob'))
    .action(async (name: string) => {
      const found = await tools.withVault((vault) => vault.ask('user.show', { user: name }))
      tools.show(found, () => describe(found))
    })

  user
    .command('roles <user> <roles...>')
    .description('set the roles of a user')
    .addHelpText('after', examples('tagout user roles bob operator approver'))
    .action(async (name: string, given: readonly string[]) => {
      const roles = parseRoles(given.flatMap((part) => part.split(',')))
      const changed = await tools.withVault((vault) => vault.ask('user.roles', { user: name, roles }))
      tools.show(changed, () => `${changed.name} is now ${changed.roles.join(', ')}`)
    })

  user
    .command('disable <user>')
    .description('shut a user out: sessions and logins end')
    .option(
      '--even-last',
      'the last active administrator too: nobody administers in the console until you make another',
    )
    .addHelpText('after', examples('tagout user disable bob', 'tagout user disable admin --even-last'))
    .action(async (name: string, options: { evenLast?: true }) => {
      const changed = await tools.withVault((vault) => vault.ask('user.disable', { user: name, ...options }))
      tools.show(changed, () => `${changed.name} is ${changed.state}`)
    })

  user
    .command('enable <user>')
    .description('let a disabled user in again')
    .addHelpText('after', examples('tagout user enable bob'))
    .action(async (name: string) => {
      const changed = await tools.withVault((vault) => vault.ask('user.enable', { user: name }))
      tools.show(changed, () => `${changed.name} is ${changed.state}`)
    })

  user
    .command('off <user>')
    .description(
      'take a user off for good: all that they hold ends, and what they have seen is to be rotated',
    )
    .requiredOption('--reason <text>', 'why; it is in the audit log and in the report')
    .addHelpText(
      'after',
      `
Sessions, logins, grants, requests, leases, memberships of safes and SSH keys end at once. Enabled again
one day, they set up password and second factor anew, and hold nothing. To shut somebody out for a while,
use: tagout user disable
${examples('tagout user off bob --reason "left the plant"')}`,
    )
    .action(async (name: string, options: { reason: string }) => {
      const ended = await tools.withVault(async (vault) =>
        untilEnded(vault, await vault.ask('user.off', { user: name, reason: options.reason })),
      )
      tools.show(ended, () => reportText(ended))
    })

  user
    .command('enrol <user>')
    .description('print a new one-time link; using it resets password and second factor')
    .addHelpText('after', examples('tagout user enrol bob'))
    .action(async (name: string) => {
      const enrolment = await tools.withVault((vault) => vault.ask('user.enrol', { user: name }))
      const link = await enrolmentLink(tools, enrolment)
      tools.show(
        { user: name, link, expiresAt: enrolment.expiresAt },
        () => `until ${when(enrolment.expiresAt)}: ${link}`,
      )
    })

  user
    .command('same-person <user> [other]')
    .description('say that two users are one person: what takes two people takes two persons')
    .option('--nobody', 'they are nobody else')
    .addHelpText(
      'after',
      `
Who is one person with somebody answers none of their requests, counts once where several must approve, and
neither watches, freezes nor takes over their sessions. Users with the same mail address are one person anyway.
${examples('tagout user same-person ann-admin ann', 'tagout user same-person ann-admin --nobody')}`,
    )
    .action(async (name: string, other: string | undefined, options: { nobody?: true }) => {
      if ((other === undefined) === (options.nobody !== true))
        throw misuse('say either another user or --nobody')
      const changed = await tools.withVault((vault) =>
        vault.ask('user.samePerson', { user: name, as: other ?? null }),
      )
      tools.show(changed, () =>
        other === undefined
          ? `${changed.name} is the same person as nobody else`
          : `${changed.name} is the same person as ${other}`,
      )
    })

  addMailCommand(user, tools)
  addKeyCommands(user, tools)
  addPasskeyCommands(user, tools)
  addRecoveryCodesCommand(user, tools)
}

function addMailCommand(user: Command, tools: Tools): void {
  user
    .command('mail <user> [address]')
    .description('set the mail address that a user is written to')
    .option('--none', 'take the address away')
    .option('--only-security', 'write of what concerns security alone')
    .option('--all', 'write of everything that concerns them (as it is until somebody says otherwise)')
    .addHelpText(
      'after',
      examples(
        'tagout user mail bob bob@plant.example',
        'tagout user mail sue sue@plant.example --only-security',
        'tagout user mail bob --none',
      ),
    )
    .action(
      async (
        name: string,
        address: string | undefined,
        options: { none?: true; onlySecurity?: true; all?: true },
      ) => {
        if ((address === undefined) === (options.none !== true))
          throw misuse('say either an address or --none')
        if (options.onlySecurity === true && options.all === true)
          throw misuse('say either --only-security or --all')
        const notices = options.onlySecurity ? 'security' : options.all ? 'all' : undefined
        const changed = await tools.withVault((vault) =>
          vault.ask('user.mail', {
            user: name,
            address: address ?? null,
            ...(notices === undefined ? {} : { notices }),
          }),
        )
        tools.show(changed, () =>
          changed.mail === null
            ? `${changed.name} is written to no more`
            : `${changed.name} is written to at ${mailText(changed.mail)}`,
        )
      },
    )
}

function mailText(mail: UserView['mail']): string {
  if (mail === null) return '-'
  return mail.notices === 'security' ? `${mail.address}, of what concerns security` : mail.address
}

function addPasskeyCommands(user: Command, tools: Tools): void {
  const passkey = user
    .command('passkey')
    .description(
      'the passkeys by which a user signs in and proves themself; people add theirs in the console',
    )

  passkey
    .command('list <user>')
    .description('list the passkeys of a user')
    .addHelpText('after', examples('tagout user passkey list bob'))
    .action(async (name: string) => {
      const passkeys = await tools.withVault((vault) => vault.ask('passkey.list', { user: name }))
      tools.list(
        passkeys,
        [
          ['ID', (row) => row.id],
          ['NAME', (row) => row.name],
          ['GOOD AT', (row) => row.site],
          ['ADDED', (row) => when(row.createdAt)],
          ['LAST USED', (row) => when(row.lastUsedAt)],
        ],
        `${name} has no passkeys; people add theirs in the console, under their name`,
      )
    })

  passkey
    .command('remove <user> <passkey>')
    .description('remove a passkey of a user')
    .addHelpText('after', examples('tagout user passkey remove bob pky_…'))
    .action(async (name: string, text: string) => {
      const id = parseGivenId('pky', text, `tagout user passkey list ${name}`)
      await tools.withVault((vault) => vault.ask('passkey.remove', { user: name, passkey: id }))
      tools.show({ removed: id }, () => `removed ${id}`)
    })
}

function addKeyCommands(user: Command, tools: Tools): void {
  const key = user.command('key').description('the SSH public keys by which a user proves themself')

  key
    .command('add <user> <file>')
    .description('register a public key (a .pub file)')
    .addHelpText('after', examples('tagout user key add bob ~/.ssh/id_ed25519.pub'))
    .action(async (name: string, file: string) => {
      const text = (await tools.readText(file)).trim()
      // SECURITY: a private key is refused here, before it goes anywhere.
      if (/PRIVATE KEY/.test(text))
        throw misuse(`${file} is a private key`, `give the public one: ${file}.pub`)
      const added = await tools.withVault((vault) =>
        vault.ask('user.key.add', { user: name, publicKey: text }),
      )
      tools.show(added, () => `${name} may log in with ${added.type} ${added.fingerprint} (${added.id})`)
    })

  key
    .command('list <user>')
    .description("list a user's keys")
    .addHelpText('after', examples('tagout user key list bob --json'))
    .action(async (name: string) => {
      const keys = await tools.withVault((vault) => vault.ask('user.key.list', { user: name }))
      tools.list(
        keys,
        [
          ['ID', (row) => row.id],
          ['TYPE', (row) => row.type],
          ['FINGERPRINT', (row) => row.fingerprint],
          ['COMMENT', (row) => row.comment],
          ['ADDED', (row) => when(row.createdAt)],
        ],
        `${name} has no keys; add one with: tagout user key add ${name} FILE.pub`,
      )
    })

  key
    .command('remove <user> <key>')
    .description('remove a key, by its id or fingerprint')
    .addHelpText('after', examples('tagout user key remove bob SHA256:q3F…'))
    .action(async (name: string, which: string) => {
      await tools.withVault(async (vault) => {
        await vault.ask('user.key.remove', { user: name, key: await keyId(which) })

        async function keyId(text: string): Promise<Id<'key'>> {
          if (isId('key', text)) return text
          const keys = await vault.ask('user.key.list', { user: name })
          const found = keys.find((row) => row.fingerprint === text)
          if (found === undefined) throw misuse(`${name} has no key ${text}`, `tagout user key list ${name}`)
          return found.id
        }
      })
      tools.show({ user: name, removed: which }, () => `removed the key ${which} of ${name}`)
    })
}

function describe(user: UserView): string {
  return facts([
    ['id', user.id],
    ['name', user.name],
    ['roles', user.roles.join(', ')],
    ['state', user.state],
    ...(user.company === undefined
      ? []
      : [['represents', `${user.company}, contract until ${when(user.contractEndsAt)}`] as const]),
    ...(user.state === 'enrolling'
      ? [['way in', `the link that was made; a new one: tagout user enrol ${user.name}`] as const]
      : []),
    ['password', user.hasPassword ? 'set' : 'not set'],
    ['second factor', user.hasTotp ? 'set' : 'not set'],
    ['recovery codes', user.hasTotp ? `${user.recoveryCodes} left` : '-'],
    ['passkeys', String(user.passkeys)],
    ['keys', String(user.keys)],
    ['mail', mailText(user.mail)],
    ...(user.alsoIs ?? []).map(({ user: other, why }) => ['also is', `${other}: ${why}`] as const),
    ['added', when(user.createdAt)],
    ['last login', when(user.lastLoginAt)],
  ])
}
