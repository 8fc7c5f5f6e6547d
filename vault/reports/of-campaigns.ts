import { campaignList, campaignShow } from '../campaigns/view.ts'
import { type Asking, answered, at, type Contents, share, table, within } from './cells.ts'

/** The report of access reviews: what people decided about who still needs what. */
export async function accessReviews(asking: Asking): Promise<Contents> {
  const all = answered(await campaignList(asking.call, {})).filter(
    (one) => within(asking, one.startedAt) || within(asking, one.signedOff?.at ?? null),
  )
  const shown = []
  for (const { id } of all) shown.push(answered(await campaignShow(asking.call, { campaign: id })))
  const items = shown.flatMap((one) => one.list.map((item) => ({ ...item, of: one.name })))
  return {
    facts: [
      { name: 'access reviews', value: String(all.length) },
      {
        name: 'signed off',
        value: share(all.filter(({ signedOff }) => signedOff !== null).length, all.length),
      },
      {
        name: 'decided',
        value: share(items.filter(({ decision }) => decision !== null).length, items.length),
      },
      {
        name: 'revoked, and holding still',
        value: String(items.filter(({ decision, holds }) => decision === 'revoke' && holds).length),
      },
    ],
    tables: [
      table(
        'Access reviews',
        'Begun or signed off in the time.',
        ['Name', 'Begun', 'By', 'Due', 'Asked', 'Decided', 'Signed off', 'By', 'Note'],
        all.map((one) => [
          one.name,
          at(one.startedAt),
          one.startedBy,
          at(one.dueAt),
          String(one.items),
          String(one.decided),
          at(one.signedOff?.at),
          one.signedOff?.by ?? '',
          one.signedOff?.note ?? '',
        ]),
      ),
      table(
        'Decisions',
        'Each thing that somebody may, whether they keep it, why, and whether it holds now.',
        ['Review', 'Who', 'What', 'Decision', 'Why', 'By', 'At', 'Holds now'],
        items.map((one) => [
          one.of,
          one.user,
          one.what,
          one.decision ?? 'not decided',
          one.reason,
          one.decidedBy ?? '',
          at(one.decidedAt),
          one.holds ? 'yes' : 'no',
        ]),
      ),
    ],
  }
}
