import { Content, Label } from '@patternfly/react-core'
import { useState } from 'react'
import type { TargetView } from '../../vault/contract.ts'
import { parseRegion, regionsText, regionText } from '../../vault/kernel/mask-region.ts'
import { mostRegions } from '../../vault/contract/words.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Note } from '../parts/note.tsx'
import { visible } from '../parts/wording.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange } from '../shell/me.ts'

/** The finding beside a target of whose screen a part is not recorded. */
export function Masked({ target: { mask } }: { readonly target: TargetView }) {
  if (mask === null) return null
  return (
    <div className="pin">
      <span>
        <Label color="orange" isCompact>
          {mask.regions.length === 1 ? 'a region' : `${mask.regions.length} regions`} not recorded
        </Label>
      </span>
      <span className="quiet small">
        {regionsText(mask.regions)}, said by {whoText(visible(mask.setBy))}: {visible(mask.reason)}
      </span>
    </div>
  )
}

/** Says which regions of a machine's screen are not recorded, or has all of it recorded again. */
export function MaskScreen({
  target,
  onClose,
}: {
  readonly target: TargetView
  readonly onClose: () => void
}) {
  const change = useChange()
  const [text, setText] = useState(target.mask?.regions.map(regionText).join('  ') ?? '')
  const [reason, setReason] = useState(target.mask?.reason ?? '')
  const [code, setCode] = useState('')
  const written = text.split(/\s+/).filter((word) => word !== '')
  const regions = written.map(parseRegion)
  const wrong = written.find((_, index) => regions[index] === undefined)
  const isEnd = written.length === 0
  const isReady = isEnd
    ? target.mask !== null
    : wrong === undefined && written.length <= mostRegions && reason.trim() !== ''
  return (
    <Dialog
      wide
      title={`What is not recorded of ${target.name}`}
      action={isEnd ? 'Record all of it' : 'Mask'}
      danger={!isEnd}
      ready={isReady && isCode(code)}
      onClose={onClose}
      act={async () => {
        const wanted = {
          regions: regions.filter((one) => one !== undefined),
          ...(isEnd ? {} : { reason: reason.trim() }),
        }
        const body = await proven(code, 'target.mask', { target: target.id }, wanted)
        await change(() => ask('PUT', at`/api/targets/${target.id}/mask`, body))
        onClose()
      }}
    >
      <Note variant="warning" title="What is masked is evidence that nobody will ever have">
        Users and those who watch go on seeing it. Recordings from the next session on do not hold it, not
        even sealed, and say so. Whatever the machine shows elsewhere on its screen is recorded.
      </Note>
      <Field
        label="Regions"
        name="regions"
        required={false}
        value={text}
        onChange={setText}
        hint="Left, top, width and height, in pixels of its screen or in per cent: 40,420,300,120 or 0%,90%,50%,10%. Several are separated by spaces. Left empty: all is recorded."
      />
      {wrong === undefined ? null : (
        <Content component="p" className="small">
          {wrong} is no region of a screen: write 40,420,300,120 or 0%,90%,50%,10%
        </Content>
      )}
      {isEnd ? null : (
        <Field
          label="Reason"
          name="reason"
          value={reason}
          onChange={setReason}
          hint="Why it must not be recorded. Every recording says it to the auditor"
        />
      )}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
