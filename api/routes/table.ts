import { access } from './access.ts'
import { audit } from './audit.ts'
import { login } from './login.ts'
import { notifications } from './notifications.ts'
import { places } from './places.ts'
import type { Route } from './route.ts'
import { sessions } from './sessions.ts'
import { users } from './users.ts'
import { vendors } from './vendors.ts'

/** Every route that asks a verb. The two others are the console's files and `GET /api/recordings/:recording/content`. */
export const routes: readonly Route[] = [
  ...login,
  ...users,
  ...vendors,
  ...places,
  ...access,
  ...sessions,
  ...audit,
  ...notifications,
]
