import type { Command } from 'commander'
import type { NotificationView, VerbAnswer } from '../../vault/contract.ts'
import { Complaint, misuse } from './complaint.ts'
import { table, when } from './io.ts'
import { examples, facts, type Tools, type Vault } from './tools.ts'

/** Milliseconds for a test to arrive at the mail server, or the webhook. */
const patience = 60_000
const lookEvery = 500

/** `tagout notify`: whether people are written to, and the webhook. */
export function addNotifyCommands(root: Command, tools: Tools): void {
  const notify = root
    .command('notify')
    .description('mail to people and a webhook: what goes out, what waits, and whether it arrives')

  notify
    .command('status')
    .description('show what is set up, what waits, and what became of the latest')
    .option('--all', 'all of the latest, not only what waits or went wrong')
    .addHelpText('after', examples('tagout notify status', 'tagout notify status --json'))
    .action(async (options: { all?: boolean }) => {
      const status = await tools.withVault((vault) => vault.ask('notification.status', {}))
      tools.show(status, () => describe(status, options.all === true))
    })

  notify
    .command('test <user>')
    .description('write to a user, and wait until their mail server has taken it')
    .addHelpText('after', examples('tagout notify test alice'))
    .action(async (user: string) => {
      const sent = await tools.withVault(async (vault) => {
        const { notification } = await vault.ask('notification.test', { user })
        return outcomeOf(vault, notification)
      })
      tools.show(sent, () => `the mail server took a mail to ${sent.user}`)
    })

  notify
    .command('test-webhook')
    .description('tell the webhook something, and wait for its answer')
    .addHelpText('after', examples('tagout notify test-webhook'))
    .action(async () => {
      const sent = await tools.withVault(async (vault) => {
        const { notification } = await vault.ask('notification.testWebhook', {})
        return outcomeOf(vault, notification)
      })
      tools.show(sent, () => 'the webhook took it')
    })

  notify
    .command('webhook [url]')
    .description('set the https address that is told of everything; see docs/webhooks.md')
    .option('--none', 'take it away')
    .addHelpText(
      'after',
      examples('tagout notify webhook https://soc.plant.example/tagout', 'tagout notify webhook --none'),
    )
    .action(async (url: string | undefined, options: { none?: true }) => {
      if ((url === undefined) === (options.none !== true)) throw misuse('say either a URL or --none')
      const { key } = await tools.withVault((vault) => vault.ask('webhook.set', { url: url ?? null }))
      tools.show({ url: url ?? null, key }, () =>
        url === undefined
          ? 'there is no webhook any more'
          : `the webhook is ${url}\nits receiver checks signatures with the key ${key}\n`,
      )
    })
}

/** Waits for what became of a test. Throws a `Complaint` where it went wrong. */
async function outcomeOf(vault: Vault, id: NotificationView['id']): Promise<NotificationView> {
  for (const until = Date.now() + patience; ; ) {
    const { latest, senderSeenAt } = await vault.ask('notification.status', {})
    const found = latest.find((one) => one.id === id)
    if (found?.state === 'sent') return found
    const error = found?.error ?? null
    if (error !== null)
      throw new Complaint(
        error,
        found?.state === 'waiting' ? 'correct that; it is tried again by itself' : undefined,
      )
    if (Date.now() > until)
      throw new Complaint(
        senderSeenAt === null ? 'nobody sends: the api does not run' : 'nothing became of it within a minute',
        'tagout notify status, tagout doctor',
      )
    await new Promise((resolve) => setTimeout(resolve, lookEvery))
  }
}

function describe(status: VerbAnswer<'notification.status'>, all: boolean): string {
  const { mail, webhook, waiting, latest } = status
  const waits = ({ count, since }: (typeof waiting)['mail']) =>
    count === 0 ? 'nothing waits' : `${count} ${count === 1 ? 'waits' : 'wait'}, since ${when(since)}`
  const about = facts([
    [
      'mail',
      mail === null
        ? 'not set up: notify.smtp in tagout.json (docs/admin.md)'
        : `from ${mail.from}, by ${mail.server}; ${waits(waiting.mail)}`,
    ],
    ...(mail === null && waiting.mail.count > 0 ? [['', waits(waiting.mail)] as const] : []),
    [
      'webhook',
      webhook === null ? 'none: tagout notify webhook URL' : `${webhook.url}; ${waits(waiting.webhook)}`,
    ],
    ['webhook key', status.webhookKey],
    ['sender', status.senderSeenAt === null ? 'has not asked yet' : `asked ${when(status.senderSeenAt)}`],
  ])
  const rows = all ? latest : latest.filter(({ state, error }) => state !== 'sent' && error !== null)
  if (rows.length === 0) return about
  return `${about}\n${table(
    ['MADE', 'TO', 'STATE', 'TRIED', 'NEXT', 'WHAT', 'WENT WRONG'],
    rows.map((row) => [
      when(row.createdAt),
      row.user ?? 'webhook',
      row.state,
      String(row.attempts),
      when(row.nextAt),
      row.text,
      row.error ?? '',
    ]),
  )}`
}
