import type { Command } from 'commander'
import { inputPolicies, type Permission, permissions, type SafeView } from '../../vault/contract.ts'
import { addSafeCloseOut, closeOutText } from './close-out.ts'
import { Complaint, misuse } from './complaint.ts'
import { parseDuration } from './duration.ts'
import { table, when } from './io.ts'
import { addSafeRetention } from './retention.ts'
import { collect, examples, facts, type Tools } from './tools.ts'

/** `tagout safe`: safes and who may do what with what lies in them. */
export function addSafeCommands(root: Command, tools: Tools): void {
  const safe = root.command('safe').description('safes, which hold targets and accounts')

  safe
    .command('add <name>')
    .description('add a safe')
    .option(
      '--input <policy>',
      `what is recorded of typed input: ${inputPolicies.join(', ')} (default: echoed)`,
    )
    .addHelpText('after', examples('tagout safe add line-3', 'tagout safe add line-4 --input timing_only'))
    .action(async (name: string, options: { input?: string }) => {
      const inputPolicy = inputPolicies.find((known) => known === options.input)
      if (options.input !== undefined && inputPolicy === undefined)
        throw misuse(`there is no input policy ${options.input}`, `choose one of ${inputPolicies.join(', ')}`)
      const added = await tools.withVault((vault) =>
        vault.ask('safe.add', inputPolicy === undefined ? { name } : { name, inputPolicy }),
      )
      tools.show(added, () => `added safe ${added.name} (${added.id})`)
    })

  safe
    .command('list')
    .description('list safes')
    .addHelpText('after', examples('tagout safe list', 'tagout safe list --json'))
    .action(async () => {
      const safes = await tools.withVault((vault) => vault.ask('safe.list', {}))
      tools.list(
        safes,
        [
          ['ID', (row) => row.id],
          ['NAME', (row) => row.name],
          ['INPUT', (row) => row.inputPolicy],
          ['TARGETS', (row) => String(row.targets)],
          ['ACCOUNTS', (row) => String(row.accounts)],
          [
            'MEMBERS',
            (row) => row.members.map((member) => `${member.user}:${member.permissions.join('+')}`).join(' '),
          ],
        ],
        'there are no safes; add one with: tagout safe add NAME',
      )
    })

  safe
    .command('show <safe>')
    .description('show a safe and its members')
    .addHelpText('after', examples('tagout safe show line-3', 'tagout safe show line-3 --json'))
    .action(async (name: string) => {
      const safes = await tools.withVault((vault) => vault.ask('safe.list', {}))
      const found = safes.find((row) => row.id === name || row.name.toLowerCase() === name.toLowerCase())
      if (found === undefined) throw new Complaint(`there is no safe ${name}`, 'tagout safe list')
      tools.show(found, () => describe(found))
    })

  safe
    .command('member <safe> <user>')
    .description('set what a user may do with the accounts of a safe; safe show lists its members')
    .option('--allow <permissions>', `any of ${permissions.join(', ')}`, collect)
    .option('--none', 'take all permissions away')
    .addHelpText(
      'after',
      examples(
        'tagout safe member line-3 alice --allow manage,approve',
        'tagout safe member line-3 alice --none',
      ),
    )
    .action(async (name: string, user: string, options: { allow?: readonly string[]; none?: boolean }) => {
      if ((options.allow === undefined) === (options.none !== true))
        throw misuse('say either --allow PERMISSIONS or --none')
      const given = parsePermissions(options.allow ?? [])
      const changed = await tools.withVault((vault) =>
        vault.ask('safe.member.set', { safe: name, user, permissions: given }),
      )
      tools.show(changed, () => {
        const member = changed.members.find((row) => row.user === user)
        return member === undefined
          ? `${user} is no member of ${changed.name}`
          : `${user} may ${member.permissions.join(', ')} in ${changed.name}`
      })
    })

  addWatchNotice(safe, tools)
  addSafeCloseOut(safe, tools)
  addApprovals(safe, tools)
  addExposure(safe, tools)
  addSafeRetention(safe, tools)
  addNotifications(safe, tools)
  addBreakGlass(safe, tools)
}

function addExposure(safe: Command, tools: Tools): void {
  safe
    .command('exposure <safe> <days>')
    .description('say within how many days a secret that somebody has seen is rotated: 1 to 366')
    .option('--reason <text>', 'why they are more than now; it is in the audit log')
    .addHelpText(
      'after',
      examples(
        'tagout safe exposure line-3 14',
        'tagout safe exposure line-3 60 --reason "rotated in the yearly stop"',
      ),
    )
    .action(async (name: string, days: string, { reason }: { readonly reason?: string }) => {
      if (!/^[1-9]\d{0,2}$/.test(days)) throw misuse(`${JSON.stringify(days)} is no number of days`)
      const changed = await tools.withVault((vault) =>
        vault.ask('safe.exposure', {
          safe: name,
          days: Number(days),
          ...(reason === undefined ? {} : { reason }),
        }),
      )
      tools.show(
        changed,
        () => `secrets of ${changed.name} that somebody has seen are due within ${changed.exposureDays} days`,
      )
    })
}

function addApprovals(safe: Command, tools: Tools): void {
  safe
    .command('approvals <safe> <people>')
    .description('say how many people must approve a request for one of its accounts: 1 to 5')
    .addHelpText('after', examples('tagout safe approvals line-3 2'))
    .action(async (name: string, people: string) => {
      if (!/^[1-5]$/.test(people)) throw misuse(`${JSON.stringify(people)} is no number from 1 to 5`)
      const changed = await tools.withVault((vault) =>
        vault.ask('safe.approvals', { safe: name, approvals: Number(people) }),
      )
      tools.show(changed, () => `requests in ${changed.name} are approved by ${inPeople(changed.approvals)}`)
    })
}

function addBreakGlass(safe: Command, tools: Tools): void {
  safe
    .command('break-glass <safe>')
    .description('say for how long members with break-glass may let themselves in, and whom that alarms')
    .option('--for <duration>', 'how long: 4h, 30m')
    .option('--alarm <users>', 'who is alarmed, beside the administrators: two at least', collect)
    .option('--off', 'nobody lets themselves in any more')
    .addHelpText(
      'after',
      examples(
        'tagout safe break-glass line-3 --for 4h --alarm alice,sue',
        'tagout safe member line-3 bob --allow use,break-glass',
        'tagout safe break-glass line-3 --off',
      ),
    )
    .action(async (name: string, options: { for?: string; alarm?: readonly string[]; off?: true }) => {
      const { for: duration, alarm, off } = options
      const isGiven = duration !== undefined && alarm !== undefined
      if (off === true ? duration !== undefined || alarm !== undefined : !isGiven)
        throw misuse('say either --for and --alarm, or --off')
      const minutes = duration === undefined ? null : minutesOf(duration)
      const { changed, isTold } = await tools.withVault(async (vault) => {
        const safe = await vault.ask('safe.breakGlass', {
          safe: name,
          minutes,
          ...(alarm === undefined ? {} : { alarms: [...alarm] }),
        })
        const { mail, webhook } = await vault.ask('notification.status', {})
        return { changed: safe, isTold: mail !== null || webhook !== null }
      })
      tools.show(changed, () => `${changed.name}: ${breakGlassText(changed)}`)
      if (changed.breakGlass !== null && !isTold)
        tools.note(
          'Nobody is alarmed but by the console: name a mail server in tagout.json (notify), or set a webhook with tagout notify webhook.',
        )
    })
}

function breakGlassText({ breakGlass }: SafeView): string {
  return breakGlass === null
    ? 'nobody breaks the glass'
    : `for ${breakGlass.minutes} min, alarms ${breakGlass.alarms.join(', ')} and administrators`
}

function addNotifications(safe: Command, tools: Tools): void {
  safe
    .command('notify <safe>')
    .description('say who is written to about the safe, beside its approvers and who asks')
    .option('--unanswered <duration>', 'remind people of a request that nobody answered: 30m; or never')
    .option('--escalate-to <user>', 'who is told then, beside the approvers; or admins')
    .option('--sessions <told>', 'write to the approvers when sessions begin and end: on, or off')
    .addHelpText(
      'after',
      examples(
        'tagout safe notify line-3 --unanswered 30m --escalate-to alice',
        'tagout safe notify line-3 --unanswered never --sessions on',
      ),
    )
    .action(
      async (name: string, options: { unanswered?: string; escalateTo?: string; sessions?: string }) => {
        const { unanswered, escalateTo, sessions } = options
        if (unanswered === undefined && escalateTo === undefined && sessions === undefined)
          throw misuse('say what: --unanswered, --escalate-to or --sessions')
        if (sessions !== undefined && sessions !== 'on' && sessions !== 'off')
          throw misuse(`${JSON.stringify(sessions)} is neither on nor off`)
        const changed = await tools.withVault((vault) =>
          vault.ask('safe.notifications', {
            safe: name,
            ...(unanswered === undefined ? {} : { unansweredMinutes: minutesOf(unanswered) }),
            ...(escalateTo === undefined ? {} : { escalateTo: escalateTo === 'admins' ? null : escalateTo }),
            ...(sessions === undefined ? {} : { sessions: sessions === 'on' }),
          }),
        )
        tools.show(changed, () => notificationsText(changed))
      },
    )
}

function minutesOf(text: string): number | null {
  if (text === 'never') return null
  const minutes = parseDuration(text) / 60
  if (!Number.isInteger(minutes)) throw misuse(`${JSON.stringify(text)} is no whole number of minutes`)
  return minutes
}

function notificationsText({ notifications }: SafeView): string {
  const { unansweredMinutes, escalateTo, sessions } = notifications
  return `${
    unansweredMinutes === null
      ? 'nobody is reminded of unanswered requests'
      : `approvers and ${escalateTo ?? 'administrators'} are reminded of requests unanswered for ${unansweredMinutes} min`
  }; approvers are ${sessions ? '' : 'not '}written to about sessions`
}

function inPeople(number: number): string {
  return number === 1 ? 'one person' : `${number} people`
}

function addWatchNotice(safe: Command, tools: Tools): void {
  safe
    .command('watch-notice <safe> <told>')
    .description(
      'say whether users are told who watches their sessions: on, or off; the log says it either way',
    )
    .addHelpText(
      'after',
      examples('tagout safe watch-notice line-3 off', 'tagout safe watch-notice line-3 on'),
    )
    .action(async (name: string, told: string) => {
      if (told !== 'on' && told !== 'off') throw misuse(`${JSON.stringify(told)} is neither on nor off`)
      const changed = await tools.withVault((vault) =>
        vault.ask('safe.watchNotice', { safe: name, shown: told === 'on' }),
      )
      tools.show(changed, () =>
        changed.watchNotice
          ? `who is watched in ${changed.name} is told`
          : `who is watched in ${changed.name} is not told`,
      )
    })
}

function describe(safe: SafeView): string {
  const about = facts([
    ['id', safe.id],
    ['name', safe.name],
    ['typed input', safe.inputPolicy],
    ['who is watched', safe.watchNotice ? 'is told' : 'is not told'],
    ['requests', `approved by ${inPeople(safe.approvals)}`],
    ['close-out', closeOutText(safe.closeOut)],
    ['mail', notificationsText(safe)],
    ['break-glass', breakGlassText(safe)],
    ['seen secrets', `rotated within ${safe.exposureDays} days`],
    ['targets', String(safe.targets)],
    ['accounts', String(safe.accounts)],
    ['added', when(safe.createdAt)],
  ])
  const members = safe.members.map((member) => [member.user, member.permissions.join(', ')])
  return `${about}\n${members.length === 0 ? 'it has no members\n' : table(['MEMBER', 'MAY'], members)}`
}

function parsePermissions(names: readonly string[]): Permission[] {
  return names.map((name) => {
    const found = permissions.find((known) => known === name)
    if (found === undefined)
      throw misuse(`there is no permission ${name}`, `choose from ${permissions.join(', ')}`)
    return found
  })
}
