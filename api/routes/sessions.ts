import type { Route } from './route.ts'

/** Sessions and recordings. A recording's bytes go by `api/content.ts`. */
export const sessions: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/sessions',
    verb: 'session.list',
    access: 'user',
    query: { live: 'flag', limit: 'int' },
  },
  { method: 'GET', path: '/api/sessions/:session', verb: 'session.show', access: 'user' },
  { method: 'POST', path: '/api/sessions/:session/terminate', verb: 'session.terminate', access: 'user' },
  { method: 'POST', path: '/api/sessions/:session/freeze', verb: 'session.freeze', access: 'user' },
  { method: 'POST', path: '/api/sessions/:session/unfreeze', verb: 'session.unfreeze', access: 'user' },
  { method: 'POST', path: '/api/sessions/:session/message', verb: 'session.message', access: 'user' },
  { method: 'POST', path: '/api/sessions/:session/take', verb: 'session.take', access: 'user' },
  { method: 'POST', path: '/api/sessions/:session/give-back', verb: 'session.giveBack', access: 'user' },
  { method: 'POST', path: '/api/sessions/:session/watch', verb: 'session.watch', access: 'user' },
  { method: 'GET', path: '/api/close-outs', verb: 'closeout.list', access: 'user', query: { open: 'flag' } },
  { method: 'GET', path: '/api/close-outs/:session', verb: 'closeout.show', access: 'user' },
  { method: 'PUT', path: '/api/close-outs/:session', verb: 'closeout.fill', access: 'user' },
  { method: 'GET', path: '/api/holds', verb: 'hold.list', access: 'user' },
  { method: 'DELETE', path: '/api/holds/:hold', verb: 'hold.release', access: 'user' },
  {
    method: 'GET',
    path: '/api/recordings',
    verb: 'recording.list',
    access: 'user',
    query: { limit: 'int' },
  },
  { method: 'GET', path: '/api/recordings/:recording', verb: 'recording.show', access: 'user' },
  {
    method: 'POST',
    path: '/api/recordings/:recording/evidence',
    verb: 'evidence.gather',
    access: 'user',
    timeout: 120_000,
  },
  { method: 'POST', path: '/api/recordings/:recording/signature', verb: 'evidence.sign', access: 'user' },
]
