import type { Route } from './route.ts'

/** Auditors and the audit log, and sealing the vault. */
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
  { method: 'POST', path: '/api/audit/verify', verb: 'audit.verify', access: 'user', timeout: 120_000 },
  {
    method: 'GET',
    path: '/api/audit/export',
    verb: 'audit.export',
    access: 'user',
    query: { from: 'int', limit: 'int' },
    timeout: 120_000,
  },
  { method: 'POST', path: '/api/vault/seal', verb: 'vault.seal', access: 'user' },
]
