import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { SiemReceiver } from '../contract.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { newId } from '../kernel/id.ts'
import { addressKind, literalAddress } from '../kernel/network.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checkedWhole, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, nameOf, type World } from '../world.ts'

/** Receivers of the log that there are at most. */
const mostReceivers = 5

/** Where the log is sent, and how far each receiver has come. Throws `Fault` where a row was taken away. */
export const siemList: Handler<'siem.list'> = async ({ world }) => {
  const { database, guard } = world.vault
  const rows = checkedWhole(
    guard,
    'siem_receiver',
    await database.selectFrom('siem_receiver').selectAll().orderBy('name').execute(),
  )
  const end = await lastSeq(world)
  return done(rows.filter(({ ended_at }) => ended_at === null).map((row) => view(row, end)))
}

async function lastSeq({ vault }: World): Promise<number> {
  const last = await vault.database
    .selectFrom('audit_leaf')
    .select((eb) => eb.fn.max('seq').as('seq'))
    .executeTakeFirst()
  return last?.seq ?? 0
}

function view(row: Row<'siem_receiver'>, end: number): SiemReceiver {
  return {
    id: row.id,
    name: row.name,
    address: row.address,
    format: row.format,
    ownCertificates: row.certificates !== null,
    setBy: row.set_by,
    setAt: row.set_at.toISOString(),
    toldSeq: row.told_seq,
    toldAt: row.told_at?.toISOString() ?? null,
    waiting: Math.max(0, end - row.through_seq),
    error: row.error,
    failingSince: row.failing_since?.toISOString() ?? null,
    nextAt: row.error === null ? null : row.next_at.toISOString(),
  }
}

/** Has the log sent somewhere. The first that the receiver hears of is that. */
export const siemAdd: Handler<'siem.add'> = async (call, input) => {
  const address = canonicalAddress(input.address)
  if (!address.ok) return address
  if (address.value.startsWith('https:') && !['ocsf', 'json'].includes(input.format))
    return refuse(
      'invalid',
      `format: ${input.format} goes over syslog, not over https`,
      'choose ocsf or json',
    )
  const certificates = input.certificates === undefined ? done(null) : canonicalPem(input.certificates)
  if (!certificates.ok) return certificates
  await call.world.vault.sequenceNow()
  const start = input.fromStart === true ? -1 : await lastSeq(call.world)
  const added = await transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const others = checkedWhole(
      tx.guard,
      'siem_receiver',
      await tx.db.selectFrom('siem_receiver').selectAll().execute(),
    ).filter(({ ended_at }) => ended_at === null)
    if (others.length >= mostReceivers)
      return refuse(
        'conflict',
        `there are ${mostReceivers} receivers already`,
        'take one off: tagout siem remove',
      )
    const row = await insertGuarded(tx, 'siem_receiver', {
      id: newId('sie', tx.now.getTime()),
      name: input.name,
      address: address.value,
      format: input.format,
      certificates: certificates.value,
      set_by: nameOf(call),
      set_at: tx.now,
      ended_at: null,
      ...{ through_seq: start, told_seq: null, told_at: null },
      ...{ attempts: 0, next_at: tx.now, error: null, failing_since: null, is_over: false },
    })
    await tx.audit({
      kind: 'siem.added',
      ...{ receiver: row.id, name: row.name, address: row.address, format: row.format },
      ...by(call),
    })
    return done(row)
  })
  return added.ok ? done(view(added.value, await lastSeq(call.world))) : added
}

/** Takes a receiver off: it is told so, and nothing after that. */
export const siemRemove: Handler<'siem.remove'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const rows = checkedWhole(
      tx.guard,
      'siem_receiver',
      await tx.db.selectFrom('siem_receiver').selectAll().forUpdate().execute(),
    )
    const row = rows.find(
      ({ id, name, ended_at }) =>
        ended_at === null && (id === input.receiver || name.toLowerCase() === input.receiver.toLowerCase()),
    )
    if (row === undefined) return notFound('receiver', input.receiver)
    await updateGuarded(tx, 'siem_receiver', row, { ended_at: tx.now, next_at: tx.now })
    await tx.audit({
      kind: 'siem.removed',
      ...{ receiver: row.id, name: row.name, address: row.address },
      ...by(call),
    })
    return done(null)
  })

/**
 * An address that the log may be sent to. The sender looks again at each address that its name leads to.
 *
 * SECURITY: TLS alone, and no password in it: others would read it here.
 */
function canonicalAddress(text: string): Outcome<string> {
  const example = 'give one such as syslog+tls://siem.plant.example:6514 or https://siem.plant.example/tagout'
  const isSyslog = /^syslog\+tls:\/\//i.test(text)
  const url = URL.canParse(text)
    ? new URL(isSyslog ? text.replace(/^syslog\+tls:/i, 'https:') : text)
    : undefined
  if (url === undefined || url.protocol !== 'https:')
    return refuse('invalid', 'address: the log goes over syslog with TLS, or over https', example)
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    return refuse('invalid', 'address: leave out names, passwords and what follows a #', example)
  const literal = literalAddress(url)
  if (literal !== undefined && addressKind(literal) === 'never')
    return refuse('invalid', `address: nothing is sent to ${literal}`, 'give the address of your receiver')
  if (!isSyslog) return done(url.href)
  if (url.pathname !== '/' || url.search !== '')
    return refuse('invalid', 'address: a receiver of syslog has a host and a port, no path', example)
  const host = isIP(url.hostname) === 6 ? `[${url.hostname}]` : url.hostname
  return done(`syslog+tls://${host}:${url.port === '' ? '6514' : url.port}`)
}

function canonicalPem(text: string): Outcome<string> {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const next = 'give the file of your authority, in PEM: -----BEGIN CERTIFICATE-----'
  if (found.length === 0) return refuse('invalid', 'certificates: there is none in it', next)
  if (/PRIVATE KEY/.test(text))
    return refuse('invalid', 'certificates: there is a private key in it, which was not kept', next)
  try {
    return done(found.map((one) => new X509Certificate(one).toString()).join(''))
  } catch {
    return refuse('invalid', 'certificates: one of them cannot be read', next)
  }
}
