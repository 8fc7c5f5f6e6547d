/**
 * What this browser keeps between visits, in IndexedDB: the auditor's own key file where she asked for it (its private halves
 * are still sealed under her passphrase), and what it remembers of the chain of auditor lists.
 */
type Store = 'auditor-keys' | 'chain-pins'

const stores: readonly Store[] = ['auditor-keys', 'chain-pins']

function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('tagout', 1)
    request.onupgradeneeded = () => {
      for (const store of stores) request.result.createObjectStore(store)
    }
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(new Error('this browser keeps nothing for the console'))
  })
}

async function run<Result>(
  store: Store,
  mode: IDBTransactionMode,
  act: (objects: IDBObjectStore) => IDBRequest<Result>,
): Promise<Result> {
  const database = await openDatabase()
  try {
    return await new Promise((resolve, reject) => {
      const request = act(database.transaction(store, mode).objectStore(store))
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(new Error('this browser keeps nothing for the console'))
    })
  } finally {
    database.close()
  }
}

export async function readKept<Value>(store: Store, name: string): Promise<Value | undefined> {
  return run<Value | undefined>(store, 'readonly', (objects) => objects.get(name)).catch(() => undefined)
}

export async function keep(store: Store, name: string, value: unknown): Promise<void> {
  await run(store, 'readwrite', (objects) => objects.put(value, name))
}

export async function forgetKept(store: Store, name: string): Promise<void> {
  await run(store, 'readwrite', (objects) => objects.delete(name))
}
