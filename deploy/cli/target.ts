import type { Command } from 'commander'
import {
  type DesktopSettings,
  identityOf,
  keyboards,
  opensSessions,
  rdpSecurities,
  type ScannedKey,
  type TargetView,
  unverified,
  usualFileMegabytes,
} from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { Complaint, misuse } from './complaint.ts'
import { when } from './io.ts'
import { confirmed } from './secret-input.ts'
import { addLegacyCommand, legacyText } from './target-legacy.ts'
import { addMaskCommand, maskText } from './target-mask.ts'
import { examples, facts, type Tools, type Vault } from './tools.ts'

/** Which of several host keys to pin: one that needs nothing old, of the kind that the broker will ask for first. */
const preference = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521']

function bestOf(seen: readonly ScannedKey[]): ScannedKey | undefined {
  const rank = (key: ScannedKey) => {
    const at = preference.indexOf(key.type)
    const kind = at === -1 ? preference.length : at
    return key.needs.length * 100 + (key.type === 'ssh-dss' ? 99 : kind)
  }
  return [...seen].sort((a, b) => rank(a) - rank(b))[0]
}

async function scanned(vault: Vault, target: string): Promise<ScannedKey> {
  // The recorder gives an unreachable target up sooner than this.
  const seen = await vault.ask('target.scan', { target }, undefined, 60_000)
  const best = bestOf(seen)
  if (best === undefined)
    throw new Complaint(
      `${target} showed nothing that could be pinned`,
      `check its address: tagout target show ${target}`,
    )
  return best
}

async function pinNow(tools: Tools, vault: Vault, target: string): Promise<TargetView> {
  const key = await scanned(vault, target)
  noteKey(tools, `${target} shows ${key.type} ${key.fingerprint}, which is pinned now`, key)
  const pinned = await vault.ask('target.pin', { target, fingerprint: key.fingerprint })
  noteNeeds(tools, pinned, key)
  return pinned
}

/** What a certificate says of itself, in one line; undefined for a host key. */
function certificateLine({ certificate }: ScannedKey): string | undefined {
  if (certificate === undefined) return undefined
  const { subject, issuer, notBefore, notAfter } = certificate
  const signed = issuer === subject ? 'signed by itself' : `signed by ${issuer || 'nobody named'}`
  return `${subject || 'no name'}, ${signed}, from ${notBefore.slice(0, 10)} until ${notAfter.slice(0, 10)}`
}

function noteKey(tools: Tools, text: string, key: ScannedKey): void {
  tools.note(text)
  const line = certificateLine(key)
  if (line !== undefined) tools.note(`it says of itself: ${line}`)
}

/** Says what a machine with this key must be allowed before anybody can connect. */
function noteNeeds(tools: Tools, target: TargetView, { needs }: ScannedKey): void {
  const allowed = target.legacy?.isExpired === false ? target.legacy.algorithms : []
  if (needs.every((one) => allowed.includes(one))) return
  tools.note(
    `${target.name} offers only old algorithms: update it, or allow them for a time: ` +
      `tagout target legacy ${target.name} --allow ${needs.join(',')} --for 90d --reason …`,
  )
}

type ChangeOptions = {
  readonly tag?: string[]
  readonly tags: boolean
  readonly zone?: string | boolean
  readonly files?: string
  readonly filesAsUsual?: boolean
}

type DesktopOptions = {
  readonly security?: string
  readonly keyboard?: string
  readonly prompts?: readonly string[]
}

/** The options that say how a machine is logged in to where its protocol leaves that open. */
function withDesktopOptions(command: Command): Command {
  return command
    .option(
      '--security <how>',
      `of RDP: ${rdpSecurities.join(', ')}; nla where it is left out, rdp hides little and shows nobody's identity`,
    )
    .option('--keyboard <layout>', `of RDP: ${keyboards.join(', ')}`)
    .option(
      '--prompts <text...>',
      'of Telnet: how the lines end on which it asks for a name and for a password, in this order',
    )
}

function desktopIn(options: DesktopOptions): DesktopSettings | undefined {
  const [userPrompt, passwordPrompt, more] = options.prompts ?? []
  if (options.prompts !== undefined && (passwordPrompt === undefined || more !== undefined))
    throw misuse('--prompts takes two: for the name and for the password', "--prompts 'login:' 'password:'")
  const security = oneOf('--security', options.security, rdpSecurities)
  const keyboard = oneOf('--keyboard', options.keyboard, keyboards)
  const given = {
    ...(security === undefined ? {} : { security }),
    ...(keyboard === undefined ? {} : { keyboard }),
    ...(userPrompt === undefined ? {} : { userPrompt }),
    ...(passwordPrompt === undefined ? {} : { passwordPrompt }),
  }
  return Object.keys(given).length === 0 ? undefined : given
}

function oneOf<T extends string>(
  option: string,
  text: string | undefined,
  known: readonly T[],
): T | undefined {
  const found = known.find((one) => one === text)
  if (text !== undefined && found === undefined)
    throw misuse(`${option} ${text} is none that there is`, `give one of: ${known.join(', ')}`)
  return found
}

/** `tagout target`: machines, each with the host key that it must show. */
export function addTargetCommands(root: Command, tools: Tools): void {
  const target = root.command('target').description('targets: the machines that people are let in to')

  withDesktopOptions(target.command('add <name> <address>'))
    .description(
      'add a target; nobody can connect, and nothing is rotated, before its host key or certificate is pinned',
    )
    .requiredOption('--safe <safe>', 'the safe that holds it')
    .option('--pin <fingerprint>', 'the host key, or the certificate, as SHA256:…, known from elsewhere')
    .option('--pin-now', 'fetch the host key or certificate now and pin what the target shows')
    .option('--tag <tag...>', 'what rules of the policy may name it by')
    .option('--zone <zone>', 'the zone that it lies in, as rules of the policy may name it')
    .addHelpText(
      'after',
      examples(
        'tagout target add press-3 ssh://10.0.3.7 --safe line-3 --pin SHA256:4cmU…',
        'tagout target add press-3 ssh://127.0.0.1:2201 --safe line-3 --pin-now',
        'tagout target add dc-1 ldap://10.0.3.2 --safe line-3',
        'tagout target add historian postgresql://10.0.3.4 --safe line-3',
        'tagout target add press-3 ssh://10.0.3.7 --safe line-3 --tag press critical --zone level-2',
        'tagout target add hmi-3 vnc://10.0.3.8 --safe line-3',
        'tagout target add scada-1 rdp://10.0.3.9 --safe line-3 --keyboard de-de-qwertz',
        "tagout target add plc-7 telnet://10.0.3.7 --safe line-3 --prompts 'Benutzer>' 'Kennwort>'",
      ),
    )
    .action(
      async (
        name: string,
        address: string,
        options: {
          safe: string
          pin?: string
          pinNow?: boolean
          tag?: string[]
          zone?: string
        } & DesktopOptions,
      ) => {
        if (options.pin !== undefined && options.pinNow === true)
          throw misuse('--pin and --pin-now exclude each other')
        const desktop = desktopIn(options)
        const added = await tools.withVault(async (vault) => {
          const input = {
            name,
            safe: options.safe,
            address,
            ...(desktop === undefined ? {} : { desktop }),
            ...(options.tag === undefined ? {} : { tags: options.tag }),
            ...(options.zone === undefined ? {} : { zone: options.zone }),
          }
          const made = await vault.ask(
            'target.add',
            options.pin === undefined ? input : { ...input, pin: options.pin },
          )
          if (options.pinNow !== true) return made
          try {
            return await pinNow(tools, vault, made.name)
          } catch (error) {
            // Half an addition would be in the way of the next try.
            await vault.ask('target.remove', { target: made.id })
            throw error
          }
        })
        tools.show(added, () => {
          const pin = added.pins[0]
          return pin === undefined
            ? `added target ${added.name} (${added.id}); ${idle(added)} yet: tagout target pin ${added.name}${isBare(added) ? ' --unverified' : ''}`
            : `added target ${added.name} (${added.id}), pinned to ${pin.fingerprint}`
        })
      },
    )

  target
    .command('list')
    .description('list targets')
    .addHelpText('after', examples('tagout target list', 'tagout target list --json'))
    .action(async () => {
      const targets = await tools.withVault((vault) => vault.ask('target.list', {}))
      tools.list(
        targets,
        [
          ['ID', (row) => row.id],
          ['NAME', (row) => row.name],
          ['ADDRESS', (row) => `${row.protocol}://${row.host}:${row.port}`],
          ['SAFE', (row) => row.safe],
          ['PINNED', (row) => pinText(row)],
          ['TAGS', (row) => row.tags.join(', ')],
          ['ZONE', (row) => row.zone ?? ''],
          ['OLD ALGORITHMS', (row) => legacyText(row)],
        ],
        'there are no targets; add one with: tagout target add',
      )
    })

  target
    .command('show <target>')
    .description('show a target')
    .addHelpText('after', examples('tagout target show press-3'))
    .action(async (name: string) => {
      const found = await tools.withVault((vault) => vault.ask('target.show', { target: name }))
      tools.show(found, () => describe(found))
    })

  target
    .command('scan <target>')
    .description('show the host keys, or the certificate, that the target presents now; nothing is pinned')
    .addHelpText('after', examples('tagout target scan press-3'))
    .action(async (name: string) => {
      const seen = await tools.withVault((vault) =>
        vault.ask('target.scan', { target: name }, undefined, 60_000),
      )
      tools.list(
        seen,
        [
          ['TYPE', (row) => row.type],
          ['FINGERPRINT', (row) => row.fingerprint],
          ['NEEDS', (row) => row.needs.join(',') || 'nothing old'],
          ['CERTIFICATE', (row) => certificateLine(row) ?? ''],
        ],
        `${name} showed nothing that could be pinned`,
      )
    })

  target
    .command('pin <target> [fingerprint]')
    .description('pin the host key, or the certificate, that a target must show; earlier pins end')
    .option('--now', 'pin what the target shows now')
    .option(
      '--unverified',
      'for VNC, Telnet and old RDP: approve that nothing tells who answers at its address',
    )
    .addHelpText(
      'after',
      examples(
        'tagout target pin press-3 SHA256:4cmU…',
        'tagout target pin press-3 --now',
        'tagout target pin hmi-3 --unverified',
      ),
    )
    .action(
      async (
        name: string,
        fingerprint: string | undefined,
        options: { now?: boolean; unverified?: boolean },
      ) => {
        const given = [fingerprint !== undefined, options.now === true, options.unverified === true]
        if (given.filter(Boolean).length > 1)
          throw misuse('give one of: the fingerprint, --now, --unverified')
        const pinned = await tools.withVault(async (vault) => {
          if (fingerprint !== undefined) return vault.ask('target.pin', { target: name, fingerprint })
          if (options.unverified === true)
            return vault.ask('target.pin', { target: name, fingerprint: unverified })
          if (options.now === true) return pinNow(tools, vault, name)
          const key = await scanned(vault, name)
          noteKey(tools, `${name} shows ${key.type} ${key.fingerprint}`, key)
          if (!(await confirmed(tools.io, false, 'Pin it?')))
            throw new Complaint(
              'nothing is pinned',
              `pin it with: tagout target pin ${name} ${key.fingerprint}`,
            )
          const approved = await vault.ask('target.pin', { target: name, fingerprint: key.fingerprint })
          noteNeeds(tools, approved, key)
          return approved
        })
        tools.show(pinned, () => saidOfPin(pinned))
      },
    )

  withDesktopOptions(target.command('address <target> <address>'))
    .description(
      'change where a target is and how it is logged in to; its accounts must be bound to it again',
    )
    .option('--as-usual', 'log in as is usual with its protocol')
    .addHelpText(
      'after',
      examples(
        'tagout target address press-3 ssh://10.0.3.9:22',
        'tagout target address scada-1 rdp://10.0.3.9 --security tls --keyboard de-de-qwertz',
      ),
    )
    .action(async (name: string, address: string, options: { asUsual?: boolean } & DesktopOptions) => {
      const given = desktopIn(options)
      if (given !== undefined && options.asUsual === true)
        throw misuse('--as-usual takes back what the other options set', 'give one or the other')
      const desktop = options.asUsual === true ? {} : given
      const changed = await tools.withVault((vault) =>
        vault.ask('target.address', { target: name, address, ...(desktop === undefined ? {} : { desktop }) }),
      )
      tools.show(changed, () => describe(changed))
    })

  target
    .command('change <target>')
    .description(
      'change what rules of the policy name a target by, which follow at once, and how much files of a session may carry, from the next on',
    )
    .option('--tag <tag...>', 'these tags, in place of what it carries')
    .option('--no-tags', 'no tags any more')
    .option('--zone <zone>', 'this zone')
    .option('--no-zone', 'no zone any more')
    .option(
      '--files <megabytes>',
      `so many MB in the files of one session, both ways together, in place of ${usualFileMegabytes}`,
    )
    .option('--files-as-usual', `${usualFileMegabytes} MB again`)
    .addHelpText(
      'after',
      examples(
        'tagout target change press-3 --tag press critical --zone level-2',
        'tagout target change press-3 --no-tags',
        'tagout target change press-3 --files 200',
      ),
    )
    .action(async (name: string, options: ChangeOptions) => {
      const { tag, zone, files, filesAsUsual } = options
      if (files !== undefined && filesAsUsual === true) throw misuse('give --files or --files-as-usual')
      if (files !== undefined && !/^[1-9]\d{0,7}$/.test(files))
        throw misuse('--files takes a whole number of megabytes', 'as in --files 200')
      if (tag !== undefined && !options.tags) throw misuse('give tags or --no-tags, not both')
      const tags = options.tags ? tag : []
      const changes = {
        ...(tags === undefined ? {} : { tags }),
        ...(typeof zone === 'string' ? { zone } : zone === false ? { zone: null } : {}),
        ...(files === undefined ? {} : { fileMegabytes: Number(files) }),
        ...(filesAsUsual === true ? { fileMegabytes: null } : {}),
      }
      if (Object.keys(changes).length === 0)
        throw misuse(
          'say what to change',
          'give --tag, --no-tags, --zone, --no-zone, --files or --files-as-usual',
        )
      const changed = await tools.withVault((vault) =>
        vault.ask('target.change', { target: name, ...changes }),
      )
      tools.show(changed, () => describe(changed))
    })

  addLegacyCommand(target, tools)
  addMaskCommand(target, tools)

  target
    .command('remove <target>')
    .description('remove a target')
    .addHelpText('after', examples('tagout target remove press-3'))
    .action(async (name: string) => {
      await tools.withVault((vault) => vault.ask('target.remove', { target: name }))
      tools.show({ removed: name }, () => `removed target ${name}`)
    })
}

/** What does not happen before a target is approved. */
function idle({ protocol }: TargetView): string {
  return opensSessions(protocol) ? 'nobody can connect' : 'nothing is rotated there'
}

/** Has it nothing that could be pinned? */
function isBare({ protocol, desktop }: TargetView): boolean {
  return identityOf(protocol, desktop) === 'nothing'
}

function saidOfPin(target: TargetView): string {
  return target.pins.some(({ fingerprint }) => fingerprint === unverified)
    ? `${target.name} is approved unverified: whoever answers at its address is taken for it`
    : `${target.name} is pinned to ${pinText(target)}`
}

function pinText(target: TargetView): string {
  if (target.changedKey !== null) return `CHANGED: ${target.changedKey.fingerprint}`
  return target.pins.length === 0 ? 'no' : target.pins.map((pin) => pin.fingerprint).join(' ')
}

function desktopText({ security, keyboard, userPrompt, passwordPrompt }: DesktopSettings): string {
  return [
    ...(security === undefined ? [] : [`security ${security}`]),
    ...(keyboard === undefined ? [] : [`keyboard ${keyboard}`]),
    ...(userPrompt === undefined ? [] : [`name after “${userPrompt}”`]),
    ...(passwordPrompt === undefined ? [] : [`password after “${passwordPrompt}”`]),
  ].join(', ')
}

function describe(target: TargetView): string {
  return facts([
    ['id', target.id],
    ['name', target.name],
    ['address', `${target.protocol}://${target.host}:${target.port}`],
    ['safe', target.safe],
    ...(target.desktop === null ? [] : [['login', desktopText(target.desktop)] as const]),
    ...(target.mask === null ? [] : [['masked', maskText(target.mask)] as const]),
    ...(target.fileMegabytes === null
      ? []
      : [['files of a session', `${target.fileMegabytes} MB at most`] as const]),
    ...(target.tags.length === 0 ? [] : [['tags', target.tags.join(', ')] as const]),
    ...(target.zone === null ? [] : [['zone', target.zone] as const]),
    ...target.pins.map(
      (pin) => ['pinned', `${pin.type} ${pin.fingerprint}, by ${whoText(pin.approvedBy)}`] as const,
    ),
    ...(target.pins.length === 0 ? [['pinned', `nothing: ${idle(target)}`] as const] : []),
    ...(target.changedKey === null
      ? []
      : [
          [
            'refused',
            `${target.changedKey.type} ${target.changedKey.fingerprint}, seen ${when(target.changedKey.seenAt)}`,
          ] as const,
        ]),
    ...(target.legacy === null
      ? []
      : [
          ['old', legacyText(target)] as const,
          ['', `allowed by ${target.legacy.allowedBy}: ${target.legacy.reason}`] as const,
        ]),
    ['added', when(target.createdAt)],
  ])
}
