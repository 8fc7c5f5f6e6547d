import { expect, test } from 'vitest'
import { routesBeside } from '../../../api/http/app.ts'
import { routes } from '../../../api/routes/table.ts'
import { table } from '../../support/matrix-table.ts'

// Each row is asked by everybody, of everything, in test/attack/authorisation/matrix.test.ts.
test('the authorisation matrix has a row for every route, and for nothing else', () => {
  const every = [...routes, ...routesBeside].map(({ method, path }) => `${method} ${path}`)
  expect(Object.keys(table).toSorted()).toEqual(every.toSorted())
})
