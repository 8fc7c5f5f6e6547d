import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import pg from 'pg'

/** The planes' roles. Each plane logs in as its own and owns nothing. */
export const roles = {
  vault: 'tagout_vault',
  recorder: 'tagout_recorder',
  rotation: 'tagout_rotation',
  api: 'tagout_api',
} as const

export type PlanePasswords = Readonly<Record<keyof typeof roles, string>>

/**
 * Makes the planes' roles where they are missing, and gives them these passwords. Safe to repeat. `ownerUrl` must be
 * of a role that may create roles.
 */
export async function ensureRoles(ownerUrl: string, passwords: PlanePasswords): Promise<void> {
  await withClient(ownerUrl, async (client) => {
    for (const plane of ['vault', 'recorder', 'rotation', 'api'] as const) {
      await createRole(client, roles[plane])
      // SECURITY: only the SCRAM verifier is sent, so that no statement log can hold the password.
      const verifier = client.escapeLiteral(scramVerifier(passwords[plane]))
      await retried(() =>
        client.query(
          `alter role ${roles[plane]} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password ${verifier}`,
        ),
      )
    }
  })
}

/** Makes the planes' roles, without a way to log in, where they are missing: migrations grant to them. */
export async function ensureRoleNames(client: pg.Client): Promise<void> {
  for (const role of Object.values(roles)) await createRole(client, role)
}

async function createRole(client: pg.Client, role: string): Promise<void> {
  const known = await client.query('select 1 from pg_roles where rolname = $1', [role])
  if (known.rowCount !== 0) return
  try {
    await client.query(`create role ${role} nologin`)
  } catch (error) {
    // Roles belong to the cluster: somebody setting up another database of it may have been quicker.
    if (!hasCode(error, '42710') && !hasCode(error, '23505')) throw error
  }
}

/** Roles are rows of the whole cluster; two at once make PostgreSQL say `tuple concurrently updated`. */
async function retried(act: () => Promise<unknown>): Promise<void> {
  for (let left = 10; ; left -= 1) {
    try {
      await act()
      return
    } catch (error) {
      if (!hasCode(error, 'XX000') || left === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** What PostgreSQL stores of a password under SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): the server can check, not log in. */
function scramVerifier(password: string): string {
  const iterations = 4096
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`
}

/** Runs `act` with a connection that is closed afterwards. */
export async function withClient<T>(url: string, act: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'tagout-migrate' })
  client.on('error', () => {})
  await client.connect()
  try {
    return await act(client)
  } finally {
    await client.end()
  }
}
