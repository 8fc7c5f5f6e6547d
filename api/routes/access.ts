import type { Route } from './route.ts'

/** Grants, requests, the policy, leases, tickets, and what one may use oneself. */
export const access: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/grants',
    verb: 'grant.list',
    access: 'user',
    query: { user: 'text', account: 'text' },
  },
  { method: 'POST', path: '/api/grants', verb: 'grant.add', access: 'user' },
  { method: 'POST', path: '/api/grants/:grant/revoke', verb: 'grant.revoke', access: 'user' },
  {
    method: 'GET',
    path: '/api/requests',
    verb: 'request.list',
    access: 'user',
    query: { state: 'text' },
  },
  { method: 'POST', path: '/api/requests', verb: 'request.add', access: 'user' },
  { method: 'GET', path: '/api/requests/:request', verb: 'request.show', access: 'user' },
  { method: 'POST', path: '/api/requests/:request/withdraw', verb: 'request.withdraw', access: 'user' },
  { method: 'POST', path: '/api/requests/:request/decide', verb: 'request.decide', access: 'user' },
  { method: 'GET', path: '/api/policy', verb: 'policy.show', access: 'user' },
  { method: 'PUT', path: '/api/policy', verb: 'policy.apply', access: 'user' },
  { method: 'POST', path: '/api/policy/plan', verb: 'policy.plan', access: 'user' },
  { method: 'POST', path: '/api/policy/explain', verb: 'policy.explain', access: 'user' },
  { method: 'POST', path: '/api/policy/reach', verb: 'policy.reach', access: 'user' },
  { method: 'POST', path: '/api/notifications/open', verb: 'notification.open', access: 'user' },
  { method: 'GET', path: '/api/leases', verb: 'lease.list', access: 'user' },
  { method: 'POST', path: '/api/leases', verb: 'lease.checkOut', access: 'user' },
  { method: 'DELETE', path: '/api/leases/:lease', verb: 'lease.checkIn', access: 'user' },
  { method: 'GET', path: '/api/access', verb: 'access.list', access: 'user' },
  { method: 'PUT', path: '/api/favourites', verb: 'favourite.set', access: 'user' },
  { method: 'POST', path: '/api/tickets', verb: 'ticket.issue', access: 'user' },
]
