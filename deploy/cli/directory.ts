import type { Command } from 'commander'
import {
  type DirectoryDetail,
  type DirectoryMapping,
  type DirectoryView,
  type LdapFlavour,
  type LdapSettings,
  mappedRoles,
  type SyncAnswer,
  type SyncChange,
} from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { addOidcCommands, oidcFacts } from './directory-oidc.ts'
import { sealSecretOf } from './directory-secret.ts'
import { when } from './io.ts'
import { confirmed } from './secret-input.ts'
import { collect, examples, facts, type Tools } from './tools.ts'

/** What a group gives, in a few words. */
function mappingText({ roles, policyGroup }: Pick<DirectoryMapping, 'roles' | 'policyGroup'>): string {
  return `${roles.join(', ')}${policyGroup === null ? '' : `; group ${policyGroup}`}`
}

function isSameMapping(now: DirectoryMapping, roles: readonly string[], policyGroup: string | null): boolean {
  return (
    [...now.roles].sort().join() === [...new Set(roles)].sort().join() &&
    now.policyGroup?.toLowerCase() === policyGroup?.toLowerCase()
  )
}

type Options = {
  readonly url?: string
  readonly ca?: string
  readonly base?: string
  readonly bindName?: string
  readonly userFilter?: string
  readonly activeDirectory?: true
  readonly wrongTries?: string
  readonly every?: string
  readonly passwordStdin?: true
}

/** `tagout directory`: where people come from who are not this installation's alone. */
export function addDirectoryCommands(root: Command, tools: Tools): void {
  const command = root
    .command('directory')
    .description(
      'directories (Active Directory, LDAP, OpenID Connect): people sign in by what they have there and a code of ours',
    )
    .addHelpText(
      'after',
      `
In this order: add (or add-oidc), test, map its groups, sync --dry-run, sync, and a link for each new person:
tagout user enrol NAME. A policy lets them in by the group that map names. Keep a local administrator.
${examples('tagout directory test corp', 'tagout directory map corp "CN=OT Operators,OU=Groups,DC=plant,DC=example" --role operator --policy-group line-3')}`,
    )

  withSettings(
    command
      .command('add <name>')
      .description('add a directory; asks for the password that it is read with')
      .requiredOption('--url <url>', 'ldaps://host or ldaps://host:636; nothing else is spoken')
      .requiredOption(
        '--ca <file>',
        'certificate of the CA that signed the directory’s, or the directory’s own (PEM)',
      )
      .requiredOption('--base <dn>', 'below which entry people are found')
      .requiredOption('--bind-name <name>', 'who reads it: a DN, or name@domain in Active Directory'),
  )
    .addHelpText(
      'after',
      examples(
        'tagout directory add corp --active-directory --url ldaps://dc1.plant.example --ca ca.pem --base dc=plant,dc=example --bind-name tagout@plant.example',
        "printf %s 'secret' | tagout directory add hall --url ldaps://ldap.plant.example --ca ca.pem --base dc=plant --bind-name cn=tagout,dc=plant --password-stdin",
      ),
    )
    .action(async (name: string, options: Options) => {
      const settings: LdapSettings = {
        kind: 'ldap',
        flavour: options.activeDirectory === true ? 'active-directory' : 'ldap',
        url: options.url ?? '',
        certificates: await tools.readText(options.ca ?? ''),
        base: options.base ?? '',
        userFilter: options.userFilter ?? null,
        bindName: options.bindName ?? '',
        wrongPasswords: numberOf(options.wrongTries, '--wrong-tries') ?? 3,
      }
      const added = await tools.withVault(async (vault) =>
        vault.ask('directory.add', {
          name,
          settings,
          sealedSecret: await sealSecretOf(
            tools,
            vault,
            name,
            settings,
            passwordOf(settings.bindName, options),
          ),
          ...minutesOf(options),
        }),
      )
      tools.show(
        added,
        () =>
          `added the directory ${added.name}; see whether it answers: tagout directory test ${added.name}\n` +
          `then say what its groups give: tagout directory map ${added.name} GROUP --role operator`,
      )
    })

  addOidcCommands(command, tools)

  command
    .command('list')
    .description('list the directories, when each was last read, and what is wrong')
    .addHelpText('after', examples('tagout directory list', 'tagout directory list --json'))
    .action(async () => {
      const rows = await tools.withVault((vault) => vault.ask('directory.list', {}))
      tools.list<DirectoryView>(
        rows,
        [
          ['NAME', (row) => row.name],
          ['AT', (row) => (row.settings.kind === 'ldap' ? row.settings.url : row.settings.issuer)],
          ['USERS', (row) => String(row.people)],
          ['READ', (row) => readText(row)],
          ['EVERY', (row) => (row.settings.kind === 'ldap' ? everyText(row.syncMinutes) : '-')],
          ['FAULT', (row) => row.fault ?? '-'],
        ],
        'there are no directories; add one with: tagout directory add NAME',
      )
    })

  command
    .command('show <directory>')
    .description('show a directory, what its groups give, and its users')
    .addHelpText('after', examples('tagout directory show corp'))
    .action(async (name: string) => {
      const found = await tools.withVault((vault) => vault.ask('directory.show', { directory: name }))
      tools.show(found, () => describe(found))
    })

  withSettings(
    command
      .command('change <directory>')
      .description(
        'change a directory; with another address, certificate or name its password is asked for anew',
      )
      .option('--url <url>', 'ldaps://host or ldaps://host:636')
      .option(
        '--ca <file>',
        'certificate of the CA that signed the directory’s, or the directory’s own (PEM)',
      )
      .option('--base <dn>', 'below which entry people are found')
      .option('--bind-name <name>', 'who reads it'),
  )
    .option('--ask', 'ask for a new one of who reads it, though nothing else changes')
    .addHelpText(
      'after',
      examples('tagout directory change corp --ca new-ca.pem', 'tagout directory change corp --every 5'),
    )
    .action(async (name: string, options: Options & { readonly ask?: true }) => {
      const changed = await tools.withVault(async (vault) => {
        const found = await vault.ask('directory.show', { directory: name })
        if (found.settings.kind !== 'ldap')
          throw misuse(`${found.name} is a provider of OpenID Connect`, 'use: tagout directory change-oidc')
        const settings = await changedSettings(tools, found.settings, options)
        const asks =
          options.ask === true ||
          options.passwordStdin === true ||
          options.url !== undefined ||
          options.ca !== undefined ||
          options.bindName !== undefined
        return vault.ask('directory.change', {
          directory: found.id,
          settings,
          ...minutesOf(options),
          ...(asks
            ? {
                sealedSecret: await sealSecretOf(
                  tools,
                  vault,
                  found.name,
                  settings,
                  passwordOf(settings.bindName, options),
                ),
              }
            : {}),
        })
      })
      tools.show(changed, () => `changed the directory ${changed.name}`)
    })

  command
    .command('map <directory> <group>')
    .description('say what members of a group of the directory are here; they become so when it is next read')
    .option('--role <roles>', `any of ${mappedRoles.join(', ')}`, collect)
    .option('--policy-group <group>', 'the group of the policy that they are in, too')
    .option('--nothing', 'the group gives nothing any more: who is in no other is turned off')
    .option('--yes', 'also where it takes the place of what the group gives now, without being asked')
    .addHelpText(
      'after',
      `
Administrators and auditors are made here, by hand: no directory makes one.
${examples(
  'tagout directory map corp "CN=OT Operators,OU=Groups,DC=plant,DC=example" --role operator --policy-group line-3',
  'tagout directory map corp "CN=Shift Leads,OU=Groups,DC=plant,DC=example" --role operator,approver',
)}`,
    )
    .action(
      async (
        name: string,
        group: string,
        options: {
          readonly role?: readonly string[]
          readonly policyGroup?: string
          readonly nothing?: true
          readonly yes?: true
        },
      ) => {
        if ((options.role === undefined) === (options.nothing !== true))
          throw misuse(
            'say what its members are, by --role, or --nothing',
            `choose from ${mappedRoles.join(', ')}`,
          )
        const roles = (options.role ?? []).map((role) => {
          const known = mappedRoles.find((one) => one === role)
          if (known === undefined)
            throw misuse(`a directory does not make anybody ${role}`, `choose from ${mappedRoles.join(', ')}`)
          return known
        })
        const shown = await tools.withVault((vault) => vault.ask('directory.show', { directory: name }))
        const now = shown.mappings.find((one) => one.group.toLowerCase() === group.toLowerCase())
        const policyGroup = options.policyGroup ?? null
        if (now !== undefined && !isSameMapping(now, roles, policyGroup)) {
          tools.say(`${group} gives now: ${mappingText(now)}`)
          tools.say(`it would give: ${roles.length === 0 ? 'nothing' : mappingText({ roles, policyGroup })}`)
          if (!(await confirmed(tools.io, options.yes === true, 'Put that in its place?')))
            throw misuse('nothing was changed', 'say --yes where it is meant')
        }
        const changed = await tools.withVault((vault) =>
          vault.ask('directory.map', {
            directory: name,
            group,
            roles,
            policyGroup,
          }),
        )
        tools.show(
          changed,
          () =>
            `${changed.name} gives ${options.nothing === true ? 'that group nothing' : 'its members that'} from when it is next read: tagout directory sync ${changed.name} --dry-run`,
        )
      },
    )

  command
    .command('sync <directory>')
    .description('have its users follow it now')
    .option('--dry-run', 'say what it would do, and do nothing')
    .option('--yes', 'also where it turns off more than three and a third of them')
    .addHelpText('after', examples('tagout directory sync corp --dry-run', 'tagout directory sync corp'))
    .action(async (name: string, options: { readonly dryRun?: true; readonly yes?: true }) => {
      const synced = await tools.withVault((vault) =>
        vault.ask('directory.sync', { directory: name, ...options }, undefined, 120_000),
      )
      tools.show(synced, () => syncText(synced))
    })

  command
    .command('test <directory>')
    .description('see whether it answers, whom it finds and who is in its groups; changes nothing')
    .addHelpText('after', examples('tagout directory test corp'))
    .action(async (name: string) => {
      const found = await tools.withVault((vault) =>
        vault.ask('directory.test', { directory: name }, undefined, 90_000),
      )
      tools.show(found, () =>
        facts([
          ['answers', `in ${found.milliseconds} ms`],
          ['people', found.people === null ? 'it does not say' : String(found.people)],
          ...found.groups.map(({ group, members }) => [group, `${members} members`] as const),
          ...found.findings.map(
            ({ about, fine, says }) => [about, fine ? says : `look at it: ${says}`] as const,
          ),
        ]),
      )
    })

  command
    .command('remove <directory>')
    .description('take a directory away')
    .option('--with-people', 'its users are taken off with it')
    .addHelpText('after', examples('tagout directory remove corp'))
    .action(async (name: string, options: { readonly withPeople?: true }) => {
      await tools.withVault((vault) => vault.ask('directory.remove', { directory: name, ...options }))
      tools.show({ removed: name }, () => `took the directory ${name} away`)
    })
}

function withSettings(command: Command): Command {
  return command
    .option(
      '--user-filter <filter>',
      'who are people (a filter of LDAP); left out: all that the directory calls so',
    )
    .option('--active-directory', 'it is Active Directory, or Samba as one')
    .option(
      '--wrong-tries <number>',
      'how many wrong passwords of one person reach it in half an hour; fewer than lock them there (3)',
    )
    .option('--every <minutes>', 'how often it is read; 0: by hand alone (15)')
    .option('--password-stdin', 'read the password from standard input')
}

async function changedSettings(tools: Tools, before: LdapSettings, options: Options): Promise<LdapSettings> {
  const flavour: LdapFlavour = options.activeDirectory === true ? 'active-directory' : before.flavour
  const wrongPasswords = numberOf(options.wrongTries, '--wrong-tries')
  return {
    ...before,
    flavour,
    ...(options.url === undefined ? {} : { url: options.url }),
    ...(options.ca === undefined ? {} : { certificates: await tools.readText(options.ca) }),
    ...(options.base === undefined ? {} : { base: options.base }),
    ...(options.bindName === undefined ? {} : { bindName: options.bindName }),
    ...(options.userFilter === undefined ? {} : { userFilter: options.userFilter }),
    ...(wrongPasswords === undefined ? {} : { wrongPasswords }),
  }
}

function passwordOf(bindName: string, options: { readonly passwordStdin?: true }) {
  return {
    what: `password of ${bindName}`,
    fromStdin: options.passwordStdin === true,
    option: '--password-stdin',
  }
}

function numberOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,4}$/.test(text)) throw misuse(`${option} takes a whole number`)
  return Number(text)
}

function minutesOf(options: Options): { readonly syncMinutes?: number } {
  const syncMinutes = numberOf(options.every, '--every')
  return syncMinutes === undefined ? {} : { syncMinutes }
}

/** A provider is not read: it says who somebody is when they sign in. */
function readText({ settings, lastSyncAt }: DirectoryView): string {
  if (settings.kind === 'oidc') return 'at sign-ins'
  return lastSyncAt === null ? 'not yet' : when(lastSyncAt)
}

function everyText(minutes: number): string {
  return minutes === 0 ? 'by hand' : `${minutes} min`
}

const acts: Readonly<Record<SyncChange['does'], string>> = {
  add: 'added',
  change: 'changed',
  off: 'turned off',
  back: 'back',
  renamed: 'renamed',
  skip: 'left as is',
}

function syncText({ applied, people, changes }: SyncAnswer): string {
  const lines = changes.map(({ does, user, what }) => `${acts[does].padEnd(11)} ${user}: ${what}\n`)
  const added = changes.filter(({ does }) => does === 'add').map(({ user }) => user)
  const links =
    applied && added.length > 0
      ? `each who was added needs a link from you: tagout user enrol ${added.length === 1 ? added[0] : 'NAME'}\n`
      : ''
  const sum = `${people} people in its groups; ${changes.length === 0 ? 'nothing changes' : applied ? 'done' : 'nothing was changed: this is what a synchronisation would do'}\n`
  return lines.join('') + sum + links
}

function describe(directory: DirectoryDetail): string {
  const { settings } = directory
  const mapped = directory.mappings.map((mapping) => `  ${mapping.group}: ${mappingText(mapping)}\n`)
  const users = directory.users.map(
    (user) =>
      `  ${user.user}${user.login === user.user ? '' : ` (${user.login} there)`}: ${user.roles.join(', ') || 'no role'}, ${user.state}${user.entry === 'present' ? '' : `, ${user.entry} there`}\n`,
  )
  const unknown =
    directory.unknownPolicyGroups.length === 0
      ? ''
      : `the policy has no group ${directory.unknownPolicyGroups.join(', ')} yet: write it there, without members if they all come from here\n`
  return (
    facts([
      ['directory', directory.name],
      ...(settings.kind === 'oidc'
        ? oidcFacts(settings)
        : ([
            ['at', settings.url],
            ['kind', settings.flavour === 'active-directory' ? 'Active Directory' : 'LDAP'],
            ['base', settings.base],
            ['read as', settings.bindName],
            ['wrong passwords', `${settings.wrongPasswords} of one person in half an hour`],
            ['read', everyText(directory.syncMinutes)],
            ['last read', when(directory.lastSyncAt)],
          ] as const)),
      ...(directory.fault === null ? [] : [['fault', directory.fault] as const]),
    ]) +
    `groups:\n${mapped.join('') || '  none gives anything yet\n'}users:\n${users.join('') || '  none yet\n'}${unknown}`
  )
}
