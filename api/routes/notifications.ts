import type { Route } from './route.ts'

/** Mail to people and the webhook: what goes out. */
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
]
