import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { checked, checkedWhole, type Row } from '../rows.ts'
import { isDatabaseAway } from '../transact.ts'
import type { World } from '../world.ts'
import { readKit } from './kit-file.ts'
import { heldBy, heldDigest, makeKit } from './write.ts'

const lookEveryMs = 15_000

/**
 * Keeps a copy of each safe's emergency kit in the data folder, `vault/kits/<safe>.kit`, written anew whenever a secret
 * of the safe has changed: whatever copies that folder away has the kit of today. What is there opens nothing by itself.
 */
export function startKeepingKits(
  world: World,
  dataDir: string,
): AsyncDisposable & { readonly look: () => Promise<void> } {
  const folder = join(dataDir, 'vault', 'kits')
  let running: Promise<void> | undefined
  const look = () =>
    (running ??= keepAll(world, folder)
      .catch((error: unknown) => {
        if (!isDatabaseAway(error)) world.onFault('emergency kits', error)
      })
      .finally(() => {
        running = undefined
      }))
  const timer = setInterval(() => void look(), lookEveryMs)
  return {
    look,
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}

async function keepAll(world: World, folder: string): Promise<void> {
  if (world.vault.isSealed) return
  const { database, guard } = world.vault
  // SECURITY: a kit whose row was taken away is missed: what is kept of it is not deleted.
  const all = checkedWhole(
    guard,
    'emergency_kit',
    await database.selectFrom('emergency_kit').selectAll().execute(),
  )
  const kits = all.filter(({ confirmed_at, ended_at }) => confirmed_at !== null && ended_at === null)
  // SECURITY: a name becomes that of a file: only the one that the vault gave.
  const safes = checked(guard, 'safe', await database.selectFrom('safe').selectAll().execute())
  const nameOf = new Map<string, string>(safes.map(({ id, name }) => [id, name]))
  const wanted = new Set(kits.map(({ safe_id }) => `${nameOf.get(safe_id)}.kit`))
  // Those of kits that are over, and drafts of a process that was killed.
  for (const name of await readdir(folder).catch(() => []))
    if (!wanted.has(name)) await unlink(join(folder, name))
  for (const kit of kits)
    try {
      await keep(world, folder, kit, nameOf.get(kit.safe_id) ?? '')
    } catch (error) {
      // SECURITY: each by itself: what somebody forged in one safe leaves the kits of the others as they should be.
      if (isDatabaseAway(error)) throw error
      world.onFault(`the emergency kit of ${nameOf.get(kit.safe_id)}`, error)
    }
}

async function keep(world: World, folder: string, kit: Row<'emergency_kit'>, safe: string): Promise<void> {
  const path = join(folder, `${safe}.kit`)
  const kept = await readFile(path, 'utf8').then(readKit, () => undefined)
  const isOurs = kept?.ok === true && kept.value.header.kit === kit.id
  if (isOurs && heldDigest(await heldBy(world, kit.safe_id)) === kept.value.header.holds) return
  const { file } = await makeKit(world, { id: kit.safe_id, name: safe }, kit)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await replaceFile(path, file)
}

async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.draft`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}
