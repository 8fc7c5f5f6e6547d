import sodium from 'libsodium-wrappers'
import { beforeAll, expect, test } from 'vitest'
import {
  type AuditorChain,
  addAuditor,
  makeFirstList,
  makeIdentity,
  pinOf,
  removeAuditor,
  rotateGroupKey,
  verifyChain,
} from '../../vault/auditors/index.ts'
import { type ListBody, signList } from '../../vault/auditors/list.ts'
import type { AuditorListLink } from '../../vault/contract.ts'
import { fromBase64, toBase64 } from '../../vault/kernel/encoding.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'

const now = () => new Date('2026-11-24T08:00:00.000Z')
beforeAll(() => sodium.ready)

function value<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(outcome.refusal.message)
  return outcome.value
}
const verified = async (links: readonly AuditorListLink[]) => value(await verifyChain(sodium, links))
async function refused(links: readonly AuditorListLink[], pin?: Parameters<typeof verifyChain>[2]) {
  const outcome = await verifyChain(sodium, links, pin)
  if (outcome.ok) throw new Error('the chain was accepted')
  return outcome.refusal.message
}

async function twoAuditors() {
  const ingrid = makeIdentity(sodium, 'ingrid')
  const otto = makeIdentity(sodium, 'otto')
  const { link } = await makeFirstList(sodium, ingrid, now)
  const links = [link]
  links.push(value(await addAuditor(sodium, ingrid, await verified(links), otto, now)))
  return { ingrid, otto, links, chain: await verified(links) }
}

/** The next body as somebody would write it who does not use our client. */
function forged({ current }: AuditorChain, change: Partial<ListBody>): ListBody {
  return {
    ...current,
    version: current.version + 1,
    previous: current.hash,
    signer: { kind: 'auditor', name: 'ingrid' },
    ...change,
  }
}

test('a server that makes a list of its own is refused by whoever has a pin', async () => {
  const { chain } = await twoAuditors()
  const mallory = await makeFirstList(sodium, makeIdentity(sodium, 'ingrid'), now)
  expect(await refused([mallory.link], pinOf(chain))).toContain('ends before')
  expect(
    await refused(
      [mallory.link],
      pinOf(await verified([mallory.link])).version === 1
        ? { version: 1, hash: chain.lists[0]?.hash ?? new Uint8Array(32) }
        : undefined,
    ),
  ).toContain('forks')
})

test('two lists that continue the same list are a fork, whichever came second', async () => {
  const { ingrid, otto, links, chain } = await twoAuditors()
  const one = [...links, value(await rotateGroupKey(sodium, ingrid, chain, now))]
  const other = [...links, value(await removeAuditor(sodium, otto, chain, 'ingrid', now))]
  expect(await refused(other, pinOf(await verified(one)))).toContain('forks')
  expect(await refused(one, pinOf(await verified(other)))).toContain('forks')
  expect(await refused(links, pinOf(await verified(one)))).toContain('ends before')
})

test('a list signed by a key that is not on the list before is refused', async () => {
  const { chain, links } = await twoAuditors()
  const mallory = makeIdentity(sodium, 'mallory')
  for (const signer of [
    { kind: 'auditor', name: 'ingrid' },
    { kind: 'auditor', name: 'mallory' },
    { kind: 'recovery' },
    { kind: 'ceremony', key: mallory.signKey },
  ] as const)
    expect(
      await refused([...links, signList(sodium, forged(chain, { signer }), mallory.signPrivate)]),
    ).toMatch(/signature|signer/)
})

test('an auditor who was removed signs nothing any more', async () => {
  const { ingrid, otto, links, chain } = await twoAuditors()
  links.push(value(await removeAuditor(sodium, ingrid, chain, 'otto', now)))
  const after = await verified(links)
  const body = forged(after, { signer: { kind: 'auditor', name: 'otto' } })
  expect(await refused([...links, signList(sodium, body, otto.signPrivate)])).toContain('signer')
})

test('links left out, repeated or exchanged are refused', async () => {
  const { ingrid, links, chain } = await twoAuditors()
  links.push(value(await rotateGroupKey(sodium, ingrid, chain, now)))
  const [a, b, c] = links as [AuditorListLink, AuditorListLink, AuditorListLink]
  for (const order of [
    [b, c],
    [a, c],
    [a, b, b, c],
    [a, c, b],
    [b, a, c],
    [a, a, b, c],
  ])
    await refused(order)
  expect(await verifyChain(sodium, [])).toMatchObject({ refusal: { code: 'no_auditors' } })
})

test('even an auditor cannot drop earlier keys, keep a removed one in the group, or replace the recovery key', async () => {
  const { ingrid, links, chain } = await twoAuditors()
  const other = makeIdentity(sodium, 'x')
  const sign = (change: Partial<ListBody>) => [
    ...links,
    signList(sodium, forged(chain, change), ingrid.signPrivate),
  ]
  expect(await refused(sign({ groupKey: other.boxKey }))).toContain('earlier group keys')
  expect(await refused(sign({ auditors: chain.current.auditors.slice(0, 1) }))).toContain(
    'keeps the group key',
  )
  expect(await refused(sign({ recovery: { ...chain.current.recovery, boxKey: other.boxKey } }))).toContain(
    'recovery',
  )
  expect(await refused(sign({ auditors: [] }))).toContain('no auditor')
  expect(
    await refused(
      sign({ auditors: chain.current.auditors.map((auditor) => ({ ...auditor, name: 'ingrid' })) }),
    ),
  ).toContain('twice')
})

test('every byte of every link counts', async () => {
  const { links } = await twoAuditors()
  for (const [at, link] of links.entries())
    for (const part of ['body', 'signature'] as const) {
      const bytes = fromBase64(link[part])
      for (let byte = 0; byte < bytes.length; byte += part === 'body' ? 7 : 1) {
        const changed = bytes.slice()
        changed[byte] = (changed[byte] as number) ^ 1
        await refused(links.with(at, { ...link, [part]: toBase64(changed) }))
      }
    }
})

test('another spelling of the same body is refused, though its signature is good', async () => {
  const { ingrid, chain, links } = await twoAuditors()
  const link = signList(sodium, forged(chain, {}), ingrid.signPrivate)
  await verified([...links, link])
  const { signedBytes } = await import('../../vault/auditors/list.ts')
  const spaced = new TextEncoder().encode(` ${new TextDecoder().decode(fromBase64(link.body))}`)
  const signature = toBase64(sodium.crypto_sign_detached(signedBytes(spaced), ingrid.signPrivate))
  expect(await refused([...links, { ...link, body: toBase64(spaced), signature }])).toContain('canonical')
})

test('hostile links are refused in words', async () => {
  const { links } = await twoAuditors()
  const text = (body: string) => toBase64(new TextEncoder().encode(body))
  for (const body of [
    '',
    '!!',
    text('null'),
    text('[]'),
    text('{}'),
    text('{"__proto__":{}}'),
    text('['.repeat(5000)),
    text('"\\ud800"'),
  ])
    expect(await refused([...links, { version: 3, body, signature: '' }])).toContain('auditor list 3')
})
