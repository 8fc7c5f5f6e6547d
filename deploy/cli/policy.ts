import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { ReachView } from '../../vault/contract.ts'
import { allowedActions, type RuleAction } from '../../vault/contract/words.ts'
import { Complaint, misuse } from './complaint.ts'
import { parseMoment } from './duration.ts'
import { parseDestination } from './forward-words.ts'
import { when } from './io.ts'
import { writeNewFile } from './new-file.ts'
import { policyText } from '../../vault/policy/file.ts'
import { readPolicyFile } from './policy-file.ts'
import { planText } from './policy-plan.ts'
import { addPolicyRequestCommands, applyPolicyAs, askForPolicyAs } from './policy-requests.ts'
import { confirmed } from './secret-input.ts'
import { examples, facts, type Tools } from './tools.ts'

type ApplyOptions = {
  readonly yes?: boolean
  readonly alone?: boolean
  readonly user?: string
  readonly answersStdin?: boolean
}

const form = `
A policy is a YAML file. Rules with effect allow let people in without a grant; rules with effect limit hold for
whoever comes in, by whatever they were let in. Without any rule, grants alone let in.

  version: 1
  groups:
    ot: [jonas, maya]
    it: [ivan]
  calendars:
    shifts:                       # open when one of these says so
      zone: Europe/Berlin
      weekly:
        - { days: [mon, tue, wed, thu, fri], from: "06:00", to: "22:00" }
      dates:
        - { from: 2026-12-24T06:00, to: 2026-12-24T14:00 }
      except:                     # closed then, whatever else it says; a day begins at 00:00,
        - { from: 2026-12-28, to: 2027-01-02 }   # so that 1 January is the last of these
  rules:
    - name: ot-on-line-3
      effect: allow
      actions: [shell, exec, sftp-read]
      who: { groups: [ot] }       # everyone: true, users, groups, companies, roles
      what: { safes: [line-3] }   # everything: true, safes, targets, accounts, tags, zones, protocols
      during: [shifts]
      networks: [10.20.0.0/16]
      factorWithin: 8h            # the second factor, not longer ago than this
      longest: 2h
      exclusive: true
      contact: the shift leader of line 3, extension 4711
    - name: acme-web-pages
      effect: allow
      actions: [forward]          # shell, exec, sftp-read, sftp-write, forward, elevate, observe, interact,
                                  # type-in, clipboard-in, clipboard-out, reveal, watch
      forwards: [{ host: 10.0.3.20, port: 443 }]
      who: { companies: [acme] }  # their representatives
      what: { tags: [press], zones: [level-2] }   # of targets: tagout target change
    - name: two-for-the-press
      effect: limit
      who: { everyone: true }
      what: { targets: [press-3] }
      approvals: [{ group: ot, count: 1 }, { group: it, count: 1 }]
      workOrder: "WO-####"        # # is a digit, ? any character, * any characters
      supervisors: ot             # somebody of this group must watch: input is held until then

At its top a policy may say contact: whom to call where a rule names nobody; and applyBy: two: to change it takes two
administrators from then on, also to change that. One asks (policy apply), another approves exactly that (policy approve).
Names of rules that let in mean what has them when the policy is applied: plan says where one means another now. A limit
means the machine: by its name, by every record of its address, and by whatever account goes there. A limit that names
actions limits those alone: exec runs any command, and moves files too. A tag or a zone means what carries it: a rule
follows as soon as an administrator gives it to another target.
clipboard-in and clipboard-out are of desktops, and carried where observe and interact are allowed too: in a terminal,
what is pasted is typed. Files beside a desktop are sftp-read and sftp-write, as over SSH.
`

/** `tagout policy`: the rules of who may use what, as a file. */
export function addPolicyCommands(root: Command, tools: Tools): void {
  const policy = root
    .command('policy')
    .description('policy: who may use what, and under which conditions anybody may; kept in a file')
    .addHelpText('after', form)

  policy
    .command('export [file]')
    .description('write the policy in force to a new file, or to standard output')
    .addHelpText('after', examples('tagout policy export policy.yaml'))
    .action(async (file: string | undefined) => {
      const view = await tools.withVault((vault) => vault.ask('policy.show', {}))
      if (file === undefined || tools.json()) return tools.show(view, () => policyText(view.document))
      await writeNewFile(resolve(tools.io.cwd, file), policyText(view.document), { mode: 0o644 })
      tools.say(`${file} holds the policy in force, version ${view.version}`)
    })

  policy
    .command('plan <file>')
    .description('show what the policy of a file would change, and for whom')
    .addHelpText('after', examples('tagout policy plan policy.yaml'))
    .action(async (file: string) => {
      const document = await readPolicyFile(tools, file)
      const { present, plan } = await tools.withVault(async (vault) => ({
        present: (await vault.ask('policy.show', {})).document,
        plan: await vault.ask('policy.plan', { document }),
      }))
      tools.show(plan, () => planText(present, document, plan))
    })

  policy
    .command('apply <file>')
    .description(
      'put the policy of a file in force, whole, or ask for it where that takes two; shows what it changes',
    )
    .option('--yes', 'do it without being asked')
    .option('--alone', 'where it takes two and there is no second administrator')
    .option('--user <name>', 'do it as yourself, an administrator: your name is in the audit log')
    .option('--answers-stdin', 'with --user: read three lines: password, present code, and the one after it')
    .addHelpText(
      'after',
      examples(
        'tagout policy apply policy.yaml',
        'tagout policy apply policy.yaml --yes',
        'tagout policy apply policy.yaml --user ann',
      ),
    )
    .action(async (file: string, options: ApplyOptions) => {
      const { user, answersStdin } = options
      if (user === undefined && answersStdin === true)
        throw misuse('--answers-stdin goes with --user', 'say who you are: --user NAME')
      if (user !== undefined && options.alone === true)
        throw misuse('--alone is the machine administrator’s', 'leave out --user, or --alone')
      const document = await readPolicyFile(tools, file)
      const { present, plan } = await tools.withVault(async (vault) => ({
        present: (await vault.ask('policy.show', {})).document,
        plan: await vault.ask('policy.plan', { document }),
      }))
      if (plan.changes.length === 0)
        return tools.show(plan, () => 'the policy of this file is in force already')
      if (!tools.json()) tools.io.err(planText(present, document, plan))
      const asks = present.applyBy === 'two' && options.alone !== true
      if (!(await confirmed(tools.io, options.yes === true, asks ? 'Ask for it?' : 'Put it in force?')))
        throw new Complaint('nothing was changed', `${asks ? 'ask for it' : 'put it in force'} with --yes`)
      const person =
        user === undefined ? undefined : { user, ...(answersStdin === undefined ? {} : { answersStdin }) }
      if (asks) {
        const body = { document, expected: plan.from ?? '' }
        const asked =
          person === undefined
            ? await tools.withVault((vault) => vault.ask('policy.ask', body))
            : await askForPolicyAs(tools, person, body)
        return tools.show(
          asked,
          () =>
            `asked for (${asked.id}): another administrator approves it until ${when(asked.expiresAt)}, on the page Policy or with tagout policy approve ${asked.id} --user NAME`,
        )
      }
      const body = { document, expected: plan.from }
      const applied =
        person === undefined
          ? await tools.withVault((vault) => vault.ask('policy.apply', body))
          : await applyPolicyAs(tools, person, body)
      tools.show(applied, () => `version ${applied.version} of the policy is in force`)
    })

  addPolicyRequestCommands(policy, tools)

  policy
    .command('explain <user> <account>')
    .description('say whether somebody may use an account, and everything that decides it')
    .addOption(
      new Option('--action <action>', 'what they want to do').choices(allowedActions).default('shell'),
    )
    .option('--to <host:port>', 'with --action forward: where to')
    .option('--on <target>', 'where the account is used; left out, at its own target')
    .option('--at <moment>', 'at this moment instead of now', (text) => parseMoment(text))
    .option('--from <address>', 'coming from this address; left out, from where the rules want')
    .addHelpText(
      'after',
      examples(
        'tagout policy explain bob press-3/engineer',
        'tagout policy explain bob press-3/engineer --at 2026-12-06T03:00 --from 10.20.1.7',
      ),
    )
    .action(
      async (
        user: string,
        account: string,
        options: {
          action: RuleAction
          to?: string
          on?: string
          at?: string
          from?: string
        },
      ) => {
        const forward = options.to === undefined ? undefined : parseDestination('--to', options.to)
        if ((options.action === 'forward') !== (forward !== undefined))
          throw misuse('a destination goes with --action forward', 'give --action forward --to host:port')
        const answer = await tools.withVault((vault) =>
          vault.ask('policy.explain', {
            user,
            account,
            action: options.action,
            ...(forward === undefined ? {} : { forward }),
            ...(options.on === undefined ? {} : { target: options.on }),
            ...(options.at === undefined ? {} : { at: options.at }),
            ...(options.from === undefined ? {} : { source: options.from }),
          }),
        )
        tools.show(answer, () =>
          facts([
            ['allowed', answer.allowed ? 'yes' : 'no'],
            ['because', answer.sentence],
            ...(answer.next === null ? [] : [['next', answer.next] as const]),
            ...(answer.endsAt === null ? [] : [['ends', `${when(answer.endsAt)} at the latest`] as const]),
            ...(answer.exclusive ? [['holds', 'the account alone'] as const] : []),
            ...answer.steps.map(
              ({ what, effect, holds, text }) =>
                [
                  what,
                  `${effect === 'nothing' ? '' : `${effect}, ${holds ? 'holds' : 'does not hold'}: `}${text}`,
                ] as const,
            ),
          ]),
        )
      },
    )

  policy
    .command('reach')
    .description('list who could use what at a moment, by grants, rules and break-glass')
    .option('--user <user>', 'what this user could use')
    .option('--company <company>', 'what the people of this vendor could use')
    .option('--account <account>', 'who could use this account')
    .option('--target <target>', 'who could reach this target')
    .option('--safe <safe>', 'who could use accounts of this safe')
    .option('--at <moment>', 'at this moment instead of now', (text) => parseMoment(text))
    .addHelpText(
      'after',
      examples(
        'tagout policy reach --target press-3 --at 2026-12-06T23:00',
        'tagout policy reach --user priya',
        'tagout policy reach --company press-works',
      ),
    )
    .action(
      async (options: {
        user?: string
        company?: string
        account?: string
        target?: string
        safe?: string
        at?: string
      }) => {
        const { at, ...chosen } = options
        if (Object.keys(chosen).length === 0)
          throw misuse('say of whom or of what', 'give --user, --company, --account, --target or --safe')
        const rows = await tools.withVault((vault) =>
          vault.ask('policy.reach', { ...chosen, ...(at === undefined ? {} : { at }) }),
        )
        tools.list<ReachView>(
          rows,
          [
            ['USER', (row) => row.user],
            ['ACCOUNT', (row) => row.account],
            ['ON', (row) => row.target],
            ['MAY', (row) => row.actions.join(', ')],
            ['BY', (row) => row.by.join(', ')],
            ['CONDITIONS', (row) => row.conditions.join('; ')],
            ['A SESSION ENDS BY', (row) => when(row.until)],
          ],
          'nobody could',
        )
      },
    )
}
