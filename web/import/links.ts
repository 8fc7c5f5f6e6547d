import type { Enrolment } from '../../vault/contract.ts'

/** A link by which somebody whom an import added sets their password. */
export type ImportedLink = { readonly name: string; readonly link: string; readonly expiresAt: string }

/** The link of an enrolment, at this console. */
export function linkOf(name: string, enrolment: Enrolment, origin: string): ImportedLink {
  return { name, link: `${origin}/enrol#${enrolment.token}`, expiresAt: enrolment.expiresAt }
}

/** The links as a CSV file. Names of users hold nothing that a spreadsheet would reckon with. */
export function linksAsCsv(links: readonly ImportedLink[]): string {
  const rows = links.map(({ name, link, expiresAt }) => [name, link, expiresAt].map(quoted).join(','))
  return `${['name,link,expires_at', ...rows].join('\r\n')}\r\n`
}

function quoted(cell: string): string {
  return `"${cell.replaceAll('"', '""')}"`
}
