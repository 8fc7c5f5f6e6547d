import type { Kysely } from 'kysely'
import type { Role } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import type { UserId } from '../kernel/id.ts'
import type { Subject } from '../policy/access-rule.ts'
import { type Checker, checked } from '../rows.ts'

type Person = { readonly id: UserId; readonly roles: readonly Role[] }

/**
 * Finds out who people are to the rules: their roles, and the company that they speak for. Only who holds the role
 * vendor speaks for one.
 *
 * SECURITY: a row that is missing although the vault wrote it is a fault: without it no limit of the company would hold.
 */
export async function readSubjects(
  db: Kysely<Database>,
  checker: Checker,
  people: readonly Person[],
): Promise<(person: Person) => Subject> {
  const vendors = [...new Set(people.filter(isVendor).map(({ id }) => id))]
  const members =
    vendors.length === 0
      ? []
      : checked(
          checker,
          'representative',
          await db.selectFrom('representative').selectAll().where('user_id', 'in', vendors).execute(),
        )
  const among = [...new Set(members.map((row) => row.company_id))]
  const companies =
    among.length === 0
      ? []
      : checked(
          checker,
          'company',
          await db.selectFrom('company').selectAll().where('id', 'in', among).execute(),
        )
  const names = new Map(companies.map((row) => [row.id, row.name]))
  const found = new Map(members.map((row) => [row.user_id, row.company_id]))
  for (const user of vendors) if (!found.has(user)) checker.checkAbsent('representative', { user_id: user })
  return ({ id, roles }) => {
    const company = roles.includes('vendor') ? found.get(id) : undefined
    if (company === undefined) return { user: id, roles, company: null }
    const name = names.get(company)
    if (name === undefined) throw new TypeError('a representative is of a company')
    return { user: id, roles, company: { id: company, name } }
  }
}

/** Who one person is to the rules. */
export async function readSubject(db: Kysely<Database>, checker: Checker, person: Person): Promise<Subject> {
  return (await readSubjects(db, checker, [person]))(person)
}

function isVendor({ roles }: Person): boolean {
  return roles.includes('vendor')
}
