import { Button, Checkbox, Content, Label } from '@patternfly/react-core'
import { useState } from 'react'
import type { ExposureView } from '../../vault/contract.ts'
import { exposureCsv } from '../../vault/kernel/exposure-csv.ts'
import { ask, at } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { Listing } from '../parts/listing.tsx'
import { Name } from '../parts/name.tsx'
import { Page } from '../parts/page.tsx'
import { Moment } from '../parts/when.tsx'
import { visible } from '../parts/wording.ts'
import { saveFile } from '../sealed/download.ts'
import { hasRole, useChange, useUser } from '../shell/me.ts'
import { useExposures } from './lists.ts'
import { dayOf, endOf } from './vendors.tsx'

/** Who has ever seen which secret, why, and by when it has to be another one. */
export function Exposure() {
  const user = useUser()
  const exposures = useExposures()
  const [overdue, setOverdue] = useState(false)
  const [setting, setSetting] = useState<ExposureView | null>(null)
  const late = exposures.data?.filter(({ isOverdue }) => isOverdue).length ?? 0
  return (
    <Page
      title="Exposure"
      about="Who has ever seen which secret, why, and by when it has to be another one. Nothing is due any more once another version has taken its place."
    >
      <Listing
        name="Exposures"
        query={exposures}
        keyOf={({ id }) => id}
        text={(row) =>
          `${row.user} ${row.company ?? ''} ${row.account} ${row.safe} ${row.cause} ${row.reason}`
        }
        keep={(row) => !overdue || row.isOverdue}
        tools={(rows) => (
          <>
            <Checkbox
              id="overdue"
              label={`Overdue alone (${late})`}
              isChecked={overdue}
              onChange={(_event, checked) => setOverdue(checked)}
            />
            <Button
              variant="secondary"
              size="sm"
              isDisabled={rows.length === 0}
              onClick={() => saveFile('exposure.csv', exposureCsv(rows))}
            >
              Export CSV
            </Button>
          </>
        )}
        empty={{
          title: 'Nobody has seen a secret',
          body: 'Whoever reveals one, or breaks the glass, is written down here for good.',
        }}
        columns={[
          { title: 'When', fit: 'whole', times: true, cell: (row) => <Moment at={row.at} /> },
          {
            title: 'Who',
            cell: (row) => (
              <>
                <Name of={row.user} />
                {row.company === null ? null : <div className="quiet small">{visible(row.company)}</div>}
              </>
            ),
          },
          {
            title: 'Account',
            cell: (row) => (
              <span className="mono">
                <Name of={row.account} /> <span className="quiet">v{row.version}</span>
              </span>
            ),
          },
          {
            title: 'Why',
            fit: 'text',
            cell: (row) => (
              <>
                <Label isCompact color={row.cause === 'reveal' ? 'grey' : 'orange'}>
                  {row.cause}
                </Label>{' '}
                {visible(row.reason)}
              </>
            ),
          },
          { title: 'Rotate by', fit: 'whole', times: true, cell: (row) => <Due row={row} /> },
          ...(hasRole(user, 'admin')
            ? [
                {
                  title: 'Change',
                  actions: true as const,
                  cell: (row: ExposureView) =>
                    row.rotationDueAt === null ? null : (
                      <Button
                        variant="link"
                        size="sm"
                        onClick={() => setSetting(row)}
                        aria-label={`Change the date of ${row.account}, seen by ${row.user}`}
                      >
                        Change the date
                      </Button>
                    ),
                },
              ]
            : []),
        ]}
      />
      {setting === null ? null : <SetDue row={setting} onClose={() => setSetting(null)} />}
    </Page>
  )
}

function Due({ row }: { readonly row: ExposureView }) {
  if (row.rotationDueAt === null)
    return row.rotatedAt === null ? (
      <span className="quiet">nothing to rotate</span>
    ) : (
      <>
        <Label isCompact color="green">
          rotated
        </Label>{' '}
        <Moment at={row.rotatedAt} />
      </>
    )
  return (
    <>
      {row.isOverdue ? (
        <Label isCompact color="red">
          overdue
        </Label>
      ) : null}{' '}
      <Moment at={row.rotationDueAt} />
      {row.dueSet === null ? null : (
        <div className="quiet small">
          set by {visible(row.dueSet.by)}
          {row.dueSet.reason === '' ? '' : `: ${visible(row.dueSet.reason)}`}
        </div>
      )}
    </>
  )
}

function SetDue({ row, onClose }: { readonly row: ExposureView; readonly onClose: () => void }) {
  const change = useChange()
  const before = row.rotationDueAt ?? ''
  const day = dayOf(before)
  const [date, setDate] = useState(day)
  const [reason, setReason] = useState('')
  const isLater = date > day
  return (
    <Dialog
      title={`When is ${visible(row.account)} rotated?`}
      action="Set the date"
      ready={date !== '' && date !== day && (!isLater || reason.trim() !== '')}
      onClose={onClose}
      act={async () => {
        await change(() =>
          ask('PUT', at`/api/exposures/${row.id}/due`, {
            dueAt: endOf(date),
            ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
          }),
        )
        onClose()
      }}
    >
      <Content component="p">
        {visible(row.user)} has seen it. It is due <Moment at={before} />. A later date needs a reason, an
        earlier one does not; both are in the audit log.
      </Content>
      <Field label="By" name="dueAt" type="date" value={date} onChange={setDate} autoFocus />
      <Field
        label="Reason"
        name="reason"
        value={reason}
        onChange={setReason}
        required={isLater}
        hint={isLater ? 'Needed: it is later than before.' : undefined}
      />
    </Dialog>
  )
}
