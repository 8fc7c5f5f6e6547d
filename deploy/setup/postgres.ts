import { findPostgresPackage, makeLibraryLinks } from '../supervisor/postgres-programs.ts'

/** Makes the links of the embedded PostgreSQL's libraries: packages are installed without running their scripts. */
export function setUpPostgres(say: (line: string) => void): void {
  const found = findPostgresPackage()
  if (found === undefined)
    return say('no embedded PostgreSQL for this platform; set DATABASE_URL before npm start')
  const made = makeLibraryLinks(found.programs)
  if (made > 0) say(`made ${made} links to PostgreSQL's libraries`)
}
