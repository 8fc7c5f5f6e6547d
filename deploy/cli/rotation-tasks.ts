import type { Command } from 'commander'
import { z } from 'zod'
import type { TaskView } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import { Secret } from '../../vault/kernel/secret.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { askAs, askFreshAs, type Person } from './ask-as.ts'
import { misuse } from './complaint.ts'
import { parseMoment } from './duration.ts'
import { parseGivenId } from './grant.ts'
import { when } from './io.ts'
import { loadSodium } from './sodium.ts'
import { examples, facts, type Tools } from './tools.ts'

type Evidence = {
  readonly note: string
  readonly workOrder?: string
  readonly evidence?: string
  readonly sha256?: string
}
const revealed = z.looseObject({ sealed: z.string(), version: z.int() })
const answersStdin = ['--answers-stdin', 'read your answers from standard input, one a line'] as const

/** `tagout rotation tasks` and `tagout rotation task`: what people do where no machine can. */
export function addTaskCommands(rotation: Command, tools: Tools): void {
  const idOf = (text: string) => parseGivenId('rtk', text, 'tagout rotation tasks')
  const path = (text: string, act: string) => `/api/rotation-tasks/${idOf(text)}/${act}`
  const show = (view: TaskView) => tools.show(view, () => taskText(view))

  rotation
    .command('tasks')
    .description('list what people have to change by hand, the soonest due first')
    .option('--account <account>', 'of this account')
    .option('--all', 'those too that are over')
    .addHelpText('after', examples('tagout rotation tasks', 'tagout rotation tasks --all --json'))
    .action(async (options: { readonly account?: string; readonly all?: boolean }) => {
      const found = await tools.withVault((vault) =>
        vault.ask('task.list', {
          ...(options.account === undefined ? {} : { account: options.account }),
          ...(options.all === true ? { all: true } : {}),
        }),
      )
      tools.list(
        found,
        [
          ['ID', (row) => row.id],
          ['WHAT', (row) => row.place ?? row.account],
          ['STATE', (row) => row.state],
          ['BY', (row) => row.changer ?? '-'],
          ['DUE', (row) => `${when(row.dueAt)}${row.isOverdue ? ' OVERDUE' : ''}`],
          ['NEXT', (row) => row.next ?? ''],
        ],
        options.all === true ? 'there are none' : 'nothing is open',
      )
    })

  const task = rotation
    .command('task')
    .description('a task of people: take it, have it approved, see, set, sign')

  const asPerson = (name: string, about: string, example: string) =>
    task
      .command(`${name} <task>`)
      .description(about)
      .requiredOption('--user <name>', 'you')
      .option(...answersStdin)
      .addHelpText('after', examples(example))

  asPerson(
    'take',
    'have it in hand, in a session of yours that runs now',
    'tagout rotation task take rtk_… --user bob --session ses_…',
  )
    .requiredOption('--session <session>', 'your session on the machine, or where its tool is')
    .action(async (text: string, options: Person & { readonly session: string }) => {
      const session = parseGivenId('ses', options.session, 'tagout session list')
      show(
        (await askAs(tools, options, (client) =>
          client.ask('POST', path(text, 'take'), { session }),
        )) as TaskView,
      )
    })

  asPerson(
    'approve',
    'let whoever has it in hand see the new secret, once',
    'tagout rotation task approve rtk_… --user sue',
  ).action(async (text: string, options: Person) => {
    const after = await askFreshAs(tools, options, async (client, nextCode) =>
      client.ask('POST', path(text, 'approve'), { totpCode: await nextCode() }),
    )
    show(after as TaskView)
  })

  asPerson(
    'reveal',
    'have the new secret shown to you, when somebody has approved it',
    'tagout rotation task reveal rtk_… --user bob',
  ).action(async (text: string, options: Person) => {
    const sodium = await loadSodium()
    await askFreshAs(tools, options, async (client, nextCode) => {
      // SECURITY: the vault seals it to a key that exists for this one answer; the console's server cannot read it.
      const box = sodium.crypto_box_keypair()
      const answer = revealed.parse(
        await client.ask('POST', path(text, 'reveal'), {
          boxKey: toBase64(box.publicKey),
          totpCode: await nextCode(),
        }),
      )
      using secret = new Secret(
        sodium.crypto_box_seal_open(fromBase64(answer.sealed), box.publicKey, box.privateKey),
      )
      sodium.memzero(box.privateKey)
      secret.expose((bytes) => {
        const shown = new TextDecoder().decode(bytes)
        tools.show({ task: text, version: answer.version, secret: shown }, () => shown)
      })
    })
  })

  const withEvidence = (command: Command) =>
    command
      .requiredOption('--note <text>', 'what was done, and how it was seen to work')
      .option('--work-order <text>', 'the work order that it belongs to')
      .option('--evidence <name>', 'the name of a photo or a file that shows it')
      .option('--sha256 <hex>', 'its SHA-256')

  withEvidence(
    asPerson(
      'made',
      'say that it is changed, or that another place has the new secret',
      'tagout rotation task made rtk_… --user bob --note "set in TIA Portal" --work-order WO-17',
    ),
  ).action(async (text: string, options: Person & Evidence) => {
    const after = await askAs(tools, options, (client) =>
      client.ask('POST', path(text, 'make'), evidenceOf(options)),
    )
    show(after as TaskView)
  })

  withEvidence(
    asPerson(
      'sign',
      'say as the second person that it is changed, where no machine can look',
      'tagout rotation task sign rtk_… --user sue --note "logged in at the panel"',
    ),
  ).action(async (text: string, options: Person & Evidence) => {
    const after = await askFreshAs(tools, options, async (client, nextCode) =>
      client.ask('POST', path(text, 'sign'), { ...evidenceOf(options), totpCode: await nextCode() }),
    )
    show(after as TaskView)
  })

  task
    .command('release <task>')
    .description('have whoever has it in hand let go of it; nothing is decided')
    .requiredOption('--reason <text>', 'why')
    .addHelpText('after', examples('tagout rotation task release rtk_… --reason "shift is over"'))
    .action(async (text: string, { reason }: { readonly reason: string }) => {
      show(await tools.withVault((vault) => vault.ask('task.release', { task: idOf(text), reason })))
    })

  task
    .command('drop <task>')
    .description('give it up: the present secret stays')
    .requiredOption('--reason <text>', 'why')
    .addHelpText('after', examples('tagout rotation task drop rtk_… --reason "the line is sold"'))
    .action(async (text: string, { reason }: { readonly reason: string }) => {
      show(await tools.withVault((vault) => vault.ask('task.drop', { task: idOf(text), reason })))
    })

  task
    .command('postpone <task>')
    .description('say when it is due, or that nobody is reminded of it until a day')
    .option('--due <moment>', '2026-12-24 or +14d')
    .option('--pause-until <moment>', '2026-12-24 or +14d; none: from now on again')
    .requiredOption('--reason <text>', 'why')
    .addHelpText(
      'after',
      examples('tagout rotation task postpone rtk_… --due +14d --reason "stop in week 52"'),
    )
    .action(
      async (
        text: string,
        options: { readonly due?: string; readonly pauseUntil?: string; readonly reason: string },
      ) => {
        const { due, pauseUntil, reason } = options
        if (due === undefined && pauseUntil === undefined)
          throw misuse('nothing is set', 'give --due or --pause-until')
        const after = await tools.withVault((vault) =>
          vault.ask('task.postpone', {
            task: idOf(text),
            reason,
            ...(due === undefined ? {} : { dueAt: parseMoment(due) }),
            ...(pauseUntil === undefined
              ? {}
              : { pausedUntil: pauseUntil === 'none' ? null : parseMoment(pauseUntil) }),
          }),
        )
        show(after)
      },
    )
}

function evidenceOf({ note, workOrder, evidence: name, sha256 }: Evidence) {
  if (sha256 !== undefined && name === undefined)
    throw misuse('--sha256 is of a file that has a name', 'give --evidence too')
  return {
    note,
    ...(workOrder === undefined ? {} : { workOrder }),
    ...(name === undefined ? {} : { evidence: { name, ...(sha256 === undefined ? {} : { sha256 }) } }),
  }
}

function taskText(task: TaskView): string {
  const { evidence } = task
  return facts([
    ['id', task.id],
    ['account', task.account],
    ...(task.place === null ? [] : [['place', task.place] as const]),
    ['rotation', task.run],
    ['state', task.state],
    ['due', `${when(task.dueAt)}${task.isOverdue ? ' OVERDUE' : ''}`],
    ...(task.pausedUntil === null
      ? []
      : [['quiet until', `${when(task.pausedUntil)}: ${task.pauseReason}`] as const]),
    ...(task.changer === null
      ? []
      : [['in hand of', `${task.changer}, in session ${task.session}`] as const]),
    ...(task.approver === null ? [] : [['let see it by', task.approver] as const]),
    ...(task.madeBy === null
      ? []
      : [['done', `${whoText(task.madeBy)}, ${when(task.madeAt)}: ${task.note}`] as const]),
    ...(task.workOrder === null ? [] : [['work order', task.workOrder] as const]),
    ...(evidence === null
      ? []
      : [['evidence', `${evidence.name}${evidence.sha256 === null ? '' : ` ${evidence.sha256}`}`] as const]),
    ...(task.signer === null
      ? []
      : [['signed', `${task.signer}, ${when(task.signedAt)}: ${task.signNote}`] as const]),
    ...(task.next === null ? [] : [['what to do', task.next] as const]),
  ])
}
