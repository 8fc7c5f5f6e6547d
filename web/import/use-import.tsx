import { Button } from '@patternfly/react-core'
import { type ReactNode, useState } from 'react'
import type { ImportKind } from '../../vault/contract.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { ImportDialog } from './import-dialog.tsx'

/**
 * The import of a CSV file for a page: a button, for administrators, who alone may import, and the dialog, which stands apart
 * so that it outlives a button that goes away with an empty list.
 */
export function useImport(kind: ImportKind): { readonly button: ReactNode; readonly dialog: ReactNode } {
  const [open, setOpen] = useState(false)
  if (!hasRole(useUser(), 'admin')) return { button: null, dialog: null }
  return {
    button: (
      <Button variant="secondary" onClick={() => setOpen(true)}>
        Import CSV
      </Button>
    ),
    dialog: open ? <ImportDialog kind={kind} onClose={() => setOpen(false)} /> : null,
  }
}
