import type { Route } from './route.ts'

/** Mail to people, the webhook, and receivers of the log: what goes out. */
export const notifications: readonly Route[] = [
  { method: 'GET', path: '/api/notifications', verb: 'notification.status', access: 'user' },
  { method: 'POST', path: '/api/notifications/test', verb: 'notification.test', access: 'user' },
  {
    method: 'POST',
    path: '/api/notifications/test-webhook',
    verb: 'notification.testWebhook',
    access: 'user',
  },
  { method: 'PUT', path: '/api/webhook', verb: 'webhook.set', access: 'user' },
  { method: 'GET', path: '/api/siem', verb: 'siem.list', access: 'user' },
  { method: 'POST', path: '/api/siem', verb: 'siem.add', access: 'user' },
  { method: 'POST', path: '/api/siem/:receiver/remove', verb: 'siem.remove', access: 'user' },
]
