import type { Route } from './route.ts'

/** Auditors and the audit log, the keys of the vault, and sealing it. */
export const audit: readonly Route[] = [
  { method: 'GET', path: '/api/auditors', verb: 'auditor.lists', access: 'user' },
  { method: 'POST', path: '/api/auditors', verb: 'auditor.append', access: 'user' },
  {
    method: 'GET',
    path: '/api/audit',
    verb: 'audit.list',
    access: 'user',
    query: { from: 'int', limit: 'int', kind: 'text' },
  },
  {
    method: 'GET',
    path: '/api/audit/find',
    verb: 'audit.find',
    access: 'user',
    query: {
      target: 'text',
      account: 'text',
      session: 'text',
      person: 'text',
      company: 'text',
      kinds: 'text',
      since: 'text',
      until: 'text',
      text: 'text',
      after: 'text',
      limit: 'int',
    },
  },
  { method: 'POST', path: '/api/audit/proofs', verb: 'audit.prove', access: 'user' },
  { method: 'POST', path: '/api/audit/reindex', verb: 'audit.reindex', access: 'user' },
  { method: 'POST', path: '/api/audit/verify', verb: 'audit.verify', access: 'user', timeout: 120_000 },
  {
    method: 'GET',
    path: '/api/audit/export',
    verb: 'audit.export',
    access: 'user',
    query: { from: 'int', limit: 'int' },
    timeout: 120_000,
  },
  { method: 'GET', path: '/api/vault/seals', verb: 'seal.list', access: 'user' },
  { method: 'GET', path: '/api/vault/keys', verb: 'keys.status', access: 'user' },
  { method: 'POST', path: '/api/vault/seal', verb: 'vault.seal', access: 'user' },
]
