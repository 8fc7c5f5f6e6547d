import { Checkbox, FormGroup, Label } from '@patternfly/react-core'
import { useState } from 'react'
import type { LegacyAlgorithm, TargetView } from '../../vault/contract.ts'
import { whoText } from '../../vault/kernel/who.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { date, span, visible } from '../parts/wording.ts'
import { useChange } from '../shell/me.ts'

const meanings: Readonly<Record<LegacyAlgorithm, string>> = {
  'group1-sha1': 'key exchange of 1024 bits: can be broken by states',
  'group14-sha1': 'key exchange with SHA-1',
  'gex-sha1': 'key exchange with SHA-1, in a group that the machine chooses',
  'ssh-rsa': 'host key that signs with SHA-1',
  'ssh-dss': 'host key of 1024 bits',
  'aes-cbc': 'cipher whose text can be guessed by who changes packets',
  '3des-cbc': 'cipher of 1998, the same and slower',
  'hmac-sha1': 'integrity by SHA-1',
  'hmac-md5': 'integrity by MD5',
}

const known = Object.keys(meanings) as readonly LegacyAlgorithm[]

const day = 86_400
const spans = [7, 30, 90, 180, 365].map((days) => days * day)

/** The finding beside a target that is spoken with in old algorithms. */
export function OldAlgorithms({ target }: { readonly target: TargetView }) {
  const { legacy } = target
  if (legacy === null) return null
  const list = legacy.algorithms.join(', ')
  return legacy.isExpired ? (
    <Label status="danger" isCompact className="finding" title={`${list}: ${visible(legacy.reason)}`}>
      old algorithms expired: nobody can connect
    </Label>
  ) : (
    <div className="pin">
      <span>
        <Label color="orange" isCompact>
          old algorithms until {date(legacy.until)}
        </Label>
      </span>
      <span className="quiet small">
        {list}, allowed by {whoText(visible(legacy.allowedBy))}: {visible(legacy.reason)}
      </span>
    </div>
  )
}

/** Allows a machine the old algorithms that it has nothing instead of, or takes them back. */
export function AllowOldAlgorithms(props: {
  readonly target: TargetView
  /** What a scan said that it needs. */
  readonly needs: readonly LegacyAlgorithm[]
  readonly onClose: () => void
}) {
  const { target, onClose } = props
  const change = useChange()
  const before = target.legacy?.algorithms ?? []
  const [algorithms, setAlgorithms] = useState<readonly LegacyAlgorithm[]>(
    known.filter((one) => before.includes(one) || props.needs.includes(one)),
  )
  const [reason, setReason] = useState(target.legacy?.reason ?? '')
  const [forSeconds, setForSeconds] = useState(String(90 * day))
  const isEnd = algorithms.length === 0
  return (
    <Dialog
      wide
      title={`Old algorithms for ${target.name}`}
      action={isEnd ? 'Take them back' : 'Allow'}
      danger={!isEnd}
      ready={isEnd ? target.legacy !== null : reason.trim() !== ''}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('PUT', at`/api/targets/${target.id}/legacy`, {
            algorithms,
            ...(isEnd ? {} : { reason: reason.trim(), forSeconds: Number(forSeconds) }),
          }),
        )
        onClose()
      }}
    >
      <Note variant="warning" title="Whoever listens on this machine’s line may read along">
        Allow only what the machine has nothing instead of, and only until it is replaced. Modern algorithms
        are always tried first. Each session says so, and its recording does.
      </Note>
      <FormGroup label="May be spoken" role="group" fieldId="algorithms">
        {known.map((one) => (
          <Checkbox
            key={one}
            id={`old-${one}`}
            label={one}
            description={`${meanings[one]}${props.needs.includes(one) ? '; this machine needs it' : ''}`}
            isChecked={algorithms.includes(one)}
            onChange={(_event, checked) =>
              setAlgorithms(checked ? [...algorithms, one] : algorithms.filter((other) => other !== one))
            }
          />
        ))}
      </FormGroup>
      {isEnd ? null : (
        <>
          <Field
            label="Reason"
            name="reason"
            value={reason}
            onChange={setReason}
            hint="Why it cannot be updated, and what becomes of it"
          />
          <Choice
            label="For"
            name="forSeconds"
            value={forSeconds}
            onChange={setForSeconds}
            options={spans.map((seconds) => ({ value: String(seconds), label: span(seconds) }))}
            hint="From now on; afterwards nobody connects until somebody renews it"
          />
        </>
      )}
    </Dialog>
  )
}
