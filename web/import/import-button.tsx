import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import type { ImportKind } from '../../vault/contract.ts'
import { hasRole, useUser } from '../shell/me.ts'
import { ImportDialog } from './import-dialog.tsx'

/** Opens the import of a CSV file; shown to administrators, who alone may import. */
export function ImportButton({ kind }: { readonly kind: ImportKind }) {
  const [open, setOpen] = useState(false)
  if (!hasRole(useUser(), 'admin')) return null
  return (
    <>
      <Button variant="secondary" onClick={() => setOpen(true)}>
        Import CSV
      </Button>
      {open ? <ImportDialog kind={kind} onClose={() => setOpen(false)} /> : null}
    </>
  )
}
