import type { Route } from './route.ts'

/** Companies, their representatives and their terms, and what was ended when somebody was taken off. */
export const vendors: readonly Route[] = [
  { method: 'GET', path: '/api/companies', verb: 'company.list', access: 'user' },
  { method: 'POST', path: '/api/companies', verb: 'company.add', access: 'user' },
  { method: 'GET', path: '/api/companies/:company', verb: 'company.show', access: 'user' },
  { method: 'GET', path: '/api/companies/:company/terms', verb: 'company.terms', access: 'user' },
  { method: 'PUT', path: '/api/companies/:company', verb: 'company.change', access: 'user' },
  {
    method: 'POST',
    path: '/api/companies/:company/representatives',
    verb: 'company.invite',
    access: 'user',
  },
  { method: 'POST', path: '/api/companies/:company/off', verb: 'company.off', access: 'user' },
  { method: 'POST', path: '/api/companies/:company/on', verb: 'company.on', access: 'user' },
  { method: 'POST', path: '/api/users/:user/off', verb: 'user.off', access: 'user' },
  { method: 'GET', path: '/api/offboardings', verb: 'offboarding.list', access: 'user' },
  { method: 'GET', path: '/api/offboardings/:offboarding', verb: 'offboarding.show', access: 'user' },
  { method: 'GET', path: '/api/terms', verb: 'terms.show', access: 'user' },
  { method: 'POST', path: '/api/terms', verb: 'terms.accept', access: 'user' },
]
