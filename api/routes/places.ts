import type { Route } from './route.ts'

/**
 * A file of 1 MiB whose passwords came sealed: base64 twice of each (16/9 of 1 MiB), 400 bytes around each seal, 250 of
 * names and punctuation around each row, 1,000 rows.
 */
const importLimit = 3 * 1024 * 1024

/** Safes, targets and accounts, and what is added of them and others from a file. */
export const places: readonly Route[] = [
  { method: 'GET', path: '/api/safes', verb: 'safe.list', access: 'user' },
  { method: 'POST', path: '/api/safes', verb: 'safe.add', access: 'user' },
  { method: 'PUT', path: '/api/safes/:safe/watch-notice', verb: 'safe.watchNotice', access: 'user' },
  { method: 'PUT', path: '/api/safes/:safe/close-out', verb: 'safe.closeOut', access: 'user' },
  { method: 'PUT', path: '/api/safes/:safe/approvals', verb: 'safe.approvals', access: 'user' },
  { method: 'PUT', path: '/api/safes/:safe/notifications', verb: 'safe.notifications', access: 'user' },
  { method: 'PUT', path: '/api/safes/:safe/break-glass', verb: 'safe.breakGlass', access: 'user' },
  { method: 'PUT', path: '/api/safes/:safe/exposure', verb: 'safe.exposure', access: 'user' },
  { method: 'PUT', path: '/api/safes/:safe/members/:user', verb: 'safe.member.set', access: 'user' },

  { method: 'GET', path: '/api/switches', verb: 'switch.list', access: 'user' },
  { method: 'POST', path: '/api/switches', verb: 'switch.add', access: 'user' },
  { method: 'PUT', path: '/api/switches/:switch', verb: 'switch.change', access: 'user' },
  { method: 'POST', path: '/api/switches/test', verb: 'switch.test', access: 'user' },
  { method: 'POST', path: '/api/switches/:switch/remove', verb: 'switch.remove', access: 'user' },
  { method: 'POST', path: '/api/switches/:switch/call', verb: 'switch.call', access: 'anyone', source: true },

  { method: 'GET', path: '/api/directories', verb: 'directory.list', access: 'user' },
  { method: 'POST', path: '/api/directories', verb: 'directory.add', access: 'user' },
  { method: 'GET', path: '/api/directories/:directory', verb: 'directory.show', access: 'user' },
  { method: 'PUT', path: '/api/directories/:directory', verb: 'directory.change', access: 'user' },
  { method: 'PUT', path: '/api/directories/:directory/groups', verb: 'directory.map', access: 'user' },
  { method: 'POST', path: '/api/directories/:directory/remove', verb: 'directory.remove', access: 'user' },
  {
    method: 'POST',
    path: '/api/directories/:directory/sync',
    verb: 'directory.sync',
    access: 'user',
    timeout: 120_000,
  },
  {
    method: 'POST',
    path: '/api/directories/:directory/test',
    verb: 'directory.test',
    access: 'user',
    timeout: 90_000,
  },

  { method: 'GET', path: '/api/targets', verb: 'target.list', access: 'user' },
  { method: 'POST', path: '/api/targets', verb: 'target.add', access: 'user' },
  { method: 'GET', path: '/api/targets/:target', verb: 'target.show', access: 'user' },
  { method: 'PUT', path: '/api/targets/:target/marks', verb: 'target.change', access: 'user' },
  { method: 'PUT', path: '/api/targets/:target/address', verb: 'target.address', access: 'user' },
  { method: 'POST', path: '/api/targets/:target/scan', verb: 'target.scan', access: 'user', timeout: 45_000 },
  { method: 'PUT', path: '/api/targets/:target/pin', verb: 'target.pin', access: 'user', timeout: 45_000 },
  { method: 'PUT', path: '/api/targets/:target/legacy', verb: 'target.legacy', access: 'user' },
  { method: 'PUT', path: '/api/targets/:target/mask', verb: 'target.mask', access: 'user' },
  { method: 'DELETE', path: '/api/targets/:target', verb: 'target.remove', access: 'user' },

  { method: 'GET', path: '/api/accounts', verb: 'account.list', access: 'user' },
  { method: 'POST', path: '/api/accounts', verb: 'account.add', access: 'user' },
  { method: 'GET', path: '/api/accounts/:account', verb: 'account.show', access: 'user' },
  { method: 'PUT', path: '/api/accounts/:account/secret', verb: 'account.secret', access: 'user' },
  { method: 'PUT', path: '/api/accounts/:account/elevation', verb: 'account.elevation', access: 'user' },
  { method: 'PUT', path: '/api/accounts/:account/type-ins', verb: 'account.type-ins', access: 'user' },
  { method: 'POST', path: '/api/accounts/:account/bind', verb: 'account.bind', access: 'user' },
  { method: 'POST', path: '/api/accounts/:account/reveal', verb: 'account.reveal', access: 'user' },
  { method: 'GET', path: '/api/accounts/:account/rotation', verb: 'rotation.settings', access: 'user' },
  { method: 'PUT', path: '/api/accounts/:account/rotation', verb: 'rotation.set', access: 'user' },
  { method: 'GET', path: '/api/accounts/:account/rotation/plan', verb: 'rotation.plan', access: 'user' },
  { method: 'POST', path: '/api/accounts/:account/rotate', verb: 'rotation.start', access: 'user' },
  { method: 'POST', path: '/api/accounts/:account/verify', verb: 'rotation.verify', access: 'user' },
  { method: 'GET', path: '/api/rotation-accounts', verb: 'rotation.accounts', access: 'user' },
  { method: 'GET', path: '/api/connectors', verb: 'rotation.connectors', access: 'user' },
  {
    method: 'GET',
    path: '/api/rotations',
    verb: 'rotation.list',
    access: 'user',
    query: { account: 'text', open: 'flag' },
  },
  { method: 'POST', path: '/api/rotations', verb: 'rotation.batch', access: 'user' },
  { method: 'GET', path: '/api/rotations/:run', verb: 'rotation.show', access: 'user' },
  { method: 'POST', path: '/api/rotations/:run/cancel', verb: 'rotation.cancel', access: 'user' },
  { method: 'POST', path: '/api/rotations/:run/retry', verb: 'rotation.retry', access: 'user' },
  { method: 'GET', path: '/api/rotation-holds', verb: 'rotation.holds', access: 'user' },
  { method: 'PUT', path: '/api/safes/:safe/rotation-hold', verb: 'rotation.hold', access: 'user' },
  { method: 'DELETE', path: '/api/safes/:safe/rotation-hold', verb: 'rotation.unhold', access: 'user' },
  { method: 'DELETE', path: '/api/accounts/:account', verb: 'account.remove', access: 'user' },
  {
    method: 'GET',
    path: '/api/exposures',
    verb: 'exposure.list',
    access: 'user',
    query: { account: 'text', user: 'text', company: 'text' },
  },
  { method: 'PUT', path: '/api/exposures/:exposure/due', verb: 'exposure.due', access: 'user' },

  {
    method: 'POST',
    path: '/api/import',
    verb: 'import',
    access: 'user',
    timeout: 120_000,
    bodyLimit: importLimit,
  },
]
