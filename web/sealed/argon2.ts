import type { Argon2id } from '../../vault/auditors/identity.ts'

/** Argon2id in a worker of its own, which ends with the answer and takes its memory with it. */
export const argon2id: Argon2id = (request) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./argon2.worker.ts', import.meta.url), { type: 'module' })
    worker.onmessage = (event: MessageEvent<{ readonly key: Uint8Array } | { readonly fault: string }>) => {
      worker.terminate()
      if ('key' in event.data) resolve(event.data.key)
      else reject(new Error(event.data.fault))
    }
    worker.onerror = () => {
      worker.terminate()
      reject(new Error('the passphrase could not be worked on in this browser'))
    }
    worker.postMessage(request)
  })
