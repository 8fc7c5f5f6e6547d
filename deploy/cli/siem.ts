import type { Command } from 'commander'
import { type SiemFormat, siemFormats, type SiemReceiver } from '../../vault/contract.ts'
import { Complaint, misuse } from './complaint.ts'
import { when } from './io.ts'
import { examples, type Tools } from './tools.ts'

/** Milliseconds for a new receiver to take its first entry. */
const patience = 30_000
const lookEvery = 500

/** `tagout siem`: where the audit log is sent. */
export function addSiemCommands(root: Command, tools: Tools): void {
  const siem = root
    .command('siem')
    .description('send the audit log to a SIEM or a log server, each entry as it is made; see docs/siem.md')

  siem
    .command('list')
    .description('show where the log is sent, how far each receiver has come, and what went wrong')
    .addHelpText('after', examples('tagout siem list', 'tagout siem list --json'))
    .action(async () => {
      const receivers = await tools.withVault((vault) => vault.ask('siem.list', {}))
      tools.list<SiemReceiver>(
        receivers,
        [
          ['NAME', ({ name }) => name],
          ['ADDRESS', ({ address }) => address],
          ['AS', ({ format }) => format],
          ['LAST', ({ toldSeq }) => (toldSeq === null ? 'none yet' : String(toldSeq))],
          ['TOLD', ({ toldAt }) => when(toldAt)],
          ['WAITING', ({ waiting }) => String(waiting)],
          ['WENT WRONG', ({ error, nextAt }) => (error === null ? '' : `${error}; again ${when(nextAt)}`)],
        ],
        'the log is sent nowhere: tagout siem add NAME ADDRESS',
      )
    })

  siem
    .command('add <name> <address>')
    .description(
      'send the log to syslog+tls://HOST:PORT or https://…, and wait until the first entry is taken',
    )
    .option('--format <format>', `${siemFormats.join(', ')}; over https ocsf or json`)
    .option('--ca <file>', 'PEM of the authority that vouches for the receiver; otherwise public ones')
    .option('--from-start', 'all of the log, from its first entry on')
    .option('--no-wait', 'do not wait until it takes something')
    .addHelpText(
      'after',
      examples(
        'tagout siem add soc syslog+tls://siem.plant.example:6514 --format cef --ca plant-ca.pem',
        'tagout siem add lake https://lake.plant.example/tagout --format ocsf',
      ),
    )
    .action(
      async (
        name: string,
        address: string,
        options: { format?: string; ca?: string; fromStart?: true; wait: boolean },
      ) => {
        const format = formatOf(options.format, address)
        const certificates = options.ca === undefined ? undefined : await tools.readText(options.ca)
        const receiver = await tools.withVault(async (vault) => {
          const added = await vault.ask('siem.add', {
            ...{ name, address, format },
            ...(certificates === undefined ? {} : { certificates }),
            ...(options.fromStart === undefined ? {} : { fromStart: true }),
          })
          return options.wait ? firstTold(added, () => vault.ask('siem.list', {})) : added
        })
        tools.show(receiver, () =>
          receiver.toldSeq === null
            ? `the log is sent to ${receiver.address}`
            : `the log is sent to ${receiver.address}, which has taken the entries up to ${receiver.toldSeq}`,
        )
      },
    )

  siem
    .command('remove <receiver>')
    .description('send the log there no more; the receiver is told so')
    .addHelpText('after', examples('tagout siem remove soc'))
    .action(async (receiver: string) => {
      await tools.withVault((vault) => vault.ask('siem.remove', { receiver }))
      tools.show({ receiver }, () => `the log is not sent to ${receiver} any more; it is told so`)
    })
}

function formatOf(text: string | undefined, address: string): SiemFormat {
  if (text === undefined) return /^https:/i.test(address) ? 'json' : 'rfc5424'
  const format = siemFormats.find((known) => known === text.toLowerCase())
  if (format === undefined) throw misuse(`--format takes ${siemFormats.join(', ')}`)
  return format
}

/** Waits until a receiver has taken something. Throws a `Complaint` where it could not be told. */
async function firstTold(
  added: SiemReceiver,
  list: () => Promise<readonly SiemReceiver[]>,
): Promise<SiemReceiver> {
  for (const until = Date.now() + patience; ; ) {
    const found = (await list()).find(({ id }) => id === added.id) ?? added
    if (found.toldSeq !== null) return found
    if (found.error !== null)
      throw new Complaint(
        found.error,
        `correct that: it is tried again by itself; or take it off: tagout siem remove ${added.name}`,
      )
    if (Date.now() > until)
      throw new Complaint(
        'nobody has sent it anything within half a minute',
        'tagout siem list, tagout doctor',
      )
    await new Promise((resolve) => setTimeout(resolve, lookEvery))
  }
}
