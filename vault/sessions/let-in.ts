import { checkedOne, type Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'

/** What a session is found by later, as it is when it opens: from where its user comes, who let them in, for what. */
export async function howLetIn(
  tx: Tx,
  user: Row<'app_user'>,
  grant: Row<'access_grant'>,
  breaksGlass: boolean,
): Promise<Pick<Row<'session'>, 'company_name' | 'let_in_by' | 'work_orders'>> {
  const company_name = await companyOf(tx, user)
  const request = checkedOne(
    tx.guard,
    'access_request',
    await tx.db
      .selectFrom('access_request')
      .selectAll()
      .where('grant_id', '=', grant.id)
      .where('extends_grant', 'is', null)
      .executeTakeFirst(),
  )
  if (request !== undefined)
    return {
      company_name,
      let_in_by: await approversOf(tx, request),
      work_orders: request.work_order === null ? [] : [request.work_order],
    }
  // Whom the policy lets in, and who lets themselves in, nobody has looked at.
  const isGiven = grant.rule === null && !breaksGlass && grant.granted_by !== user.name
  return { company_name, let_in_by: isGiven ? [grant.granted_by] : [], work_orders: [] }
}

async function companyOf(tx: Tx, user: Row<'app_user'>): Promise<string | null> {
  const one = await tx.db
    .selectFrom('representative')
    .innerJoin('company', 'company.id', 'representative.company_id')
    .selectAll('representative')
    .select('company.name as company_name')
    .where('representative.user_id', '=', user.id)
    .executeTakeFirst()
  if (one === undefined) return null
  tx.guard.check('representative', one)
  return one.company_name
}

async function approversOf(tx: Tx, request: Row<'access_request'>): Promise<readonly string[]> {
  const approvals = await tx.db
    .selectFrom('approval')
    .innerJoin('app_user', 'app_user.id', 'approval.user_id')
    .selectAll('approval')
    .select('app_user.name as approver')
    .where('approval.request_id', '=', request.id)
    .where('approval.verdict', '=', 'approve')
    .orderBy('approval.created_at')
    .execute()
  for (const row of approvals) tx.guard.check('approval', row)
  return approvals.map(({ approver }) => approver)
}
