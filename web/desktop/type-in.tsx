import { Button, Checkbox, Content } from '@patternfly/react-core'
import { useState } from 'react'
import type { Started } from '../terminal/connection.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice } from '../parts/field.tsx'
import { visible } from '../parts/wording.ts'
import { useBack } from '../parts/use-back.ts'

type Linked = NonNullable<Started['typeIns']>

/** Has the password of a linked account typed where the desktop's cursor is, which the user looks at first. */
export function TypeIn(props: {
  readonly linked: Linked
  readonly type: (account: Linked[number]['account'], withEnter: boolean) => void
  /** It is closed: back to the desktop. */
  readonly onClosed: () => void
}) {
  const [isOpen, setOpen] = useState(false)
  useBack(isOpen, props.onClosed)
  const [first] = props.linked
  const [account, setAccount] = useState(first?.account)
  const [withEnter, setWithEnter] = useState(false)
  const chosen = props.linked.find((one) => one.account === account) ?? first
  if (chosen === undefined) return null
  return (
    <>
      <Button variant="secondary" size="sm" onClick={() => setOpen(true)}>
        Type a password
      </Button>
      {isOpen ? (
        <Dialog
          title="Type a password into the desktop"
          action="The cursor is there: type it"
          onClose={() => setOpen(false)}
          act={async () => {
            props.type(chosen.account, withEnter)
            setOpen(false)
          }}
        >
          <Content component="p">
            Click into the password field on the desktop before. The keys go where its cursor is now: in any
            other place the password can be read on the screen, and on the recording. It counts as seen by you
            until it is changed.
          </Content>
          <Choice
            label="Password of"
            name="linked"
            value={chosen.account}
            onChange={(value) => setAccount(props.linked.find((one) => one.account === value)?.account)}
            options={props.linked.map((one) => ({ value: one.account, label: visible(one.name) }))}
          />
          <Checkbox
            id="type-in-enter"
            label="Press Enter afterwards"
            isChecked={withEnter}
            onChange={(_event, checked) => setWithEnter(checked)}
          />
        </Dialog>
      ) : null}
    </>
  )
}
