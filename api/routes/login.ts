import type { Route } from './route.ts'

/** Signing in and out, and the first link. */
export const login: readonly Route[] = [
  { method: 'GET', path: '/api/status', verb: 'status', access: 'anyone' },
  {
    method: 'POST',
    path: '/api/login',
    verb: 'login.start',
    access: 'anyone',
    source: true,
    login: 'starts',
  },
  { method: 'POST', path: '/api/login/challenge', verb: 'login.challenge', access: 'anyone' },
  {
    method: 'POST',
    path: '/api/login/passkey',
    verb: 'login.passkey',
    access: 'anyone',
    source: true,
    login: 'starts',
  },
  { method: 'GET', path: '/api/login', verb: 'login.who', access: 'either' },
  { method: 'DELETE', path: '/api/login', verb: 'login.end', access: 'user', login: 'ends' },
  { method: 'GET', path: '/api/logins', verb: 'login.list', access: 'user' },
  { method: 'DELETE', path: '/api/logins/:login', verb: 'login.revoke', access: 'user' },
  { method: 'POST', path: '/api/enrolment/begin', verb: 'enrolment.begin', access: 'anyone' },
  {
    method: 'POST',
    path: '/api/enrolment/finish',
    verb: 'enrolment.finish',
    access: 'anyone',
    source: true,
    login: 'starts',
  },
]
