import { useState } from 'react'
import type { CloseOutWanted, SafeView } from '../../vault/contract.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/field.tsx'
import { useChange } from '../shell/me.ts'

const wanted: readonly { readonly value: CloseOutWanted; readonly label: string }[] = [
  { value: 'none', label: 'Nobody is asked' },
  { value: 'asked', label: 'Asked: they may leave it' },
  { value: 'required', label: 'Required: before they check anything more out in this safe' },
]

/** Whether users say what they did, after a check-out in a safe. */
export function SafeCloseOut({ safe, onClose }: { readonly safe: SafeView; readonly onClose: () => void }) {
  const change = useChange()
  const [closeOut, setCloseOut] = useState<CloseOutWanted>(safe.closeOut)
  return (
    <Dialog
      title={`Close-out in ${safe.name}`}
      action="Save"
      onClose={onClose}
      act={async () => {
        await change(() => ask('PUT', at`/api/safes/${safe.name}/close-out`, { closeOut }))
        onClose()
      }}
    >
      <Choice
        label="Users say what they did"
        name="closeOut"
        value={closeOut}
        onChange={(value) => setCloseOut(wanted.find((one) => one.value === value)?.value ?? 'none')}
        options={wanted}
        hint="Asked when a session ends, once for each check-out. Nobody who breaks the glass is kept waiting by it."
      />
    </Dialog>
  )
}
