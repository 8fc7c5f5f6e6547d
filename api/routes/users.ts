import type { Route } from './route.ts'

export const users: readonly Route[] = [
  { method: 'GET', path: '/api/users', verb: 'user.list', access: 'user' },
  { method: 'POST', path: '/api/users', verb: 'user.add', access: 'user' },
  { method: 'GET', path: '/api/users/:user', verb: 'user.show', access: 'user' },
  { method: 'PUT', path: '/api/users/:user/roles', verb: 'user.roles', access: 'user' },
  { method: 'POST', path: '/api/users/:user/disable', verb: 'user.disable', access: 'user' },
  { method: 'POST', path: '/api/users/:user/enable', verb: 'user.enable', access: 'user' },
  { method: 'POST', path: '/api/users/:user/enrol', verb: 'user.enrol', access: 'user' },
  { method: 'GET', path: '/api/users/:user/passkeys', verb: 'passkey.list', access: 'user' },
  { method: 'DELETE', path: '/api/users/:user/passkeys/:passkey', verb: 'passkey.remove', access: 'user' },
  { method: 'POST', path: '/api/passkeys/challenge', verb: 'passkey.challenge', access: 'user' },
  { method: 'POST', path: '/api/passkeys/begin', verb: 'passkey.begin', access: 'user' },
  { method: 'POST', path: '/api/passkeys', verb: 'passkey.add', access: 'user' },
  { method: 'POST', path: '/api/recovery-codes', verb: 'user.renewCodes', access: 'user' },
  { method: 'DELETE', path: '/api/users/:user/logins', verb: 'login.revokeAll', access: 'user' },
  { method: 'PUT', path: '/api/users/:user/mail', verb: 'user.mail', access: 'user' },
  { method: 'GET', path: '/api/users/:user/keys', verb: 'user.key.list', access: 'user' },
  { method: 'POST', path: '/api/users/:user/keys', verb: 'user.key.add', access: 'user' },
  { method: 'DELETE', path: '/api/users/:user/keys/:key', verb: 'user.key.remove', access: 'user' },
]
