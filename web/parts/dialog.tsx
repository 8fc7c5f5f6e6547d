import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { type FormEvent, type ReactNode, useId, useState } from 'react'
import { Problem } from './problem.tsx'
import { type RefusedField, RefusedFieldContext, refusedField } from './refused-field.ts'

/**
 * A dialog that does one thing. `act` runs on the button or Enter; while it runs the dialog stays, and where it is refused the
 * dialog says why, beside the field that it is about where there is one, and keeps what was typed.
 */
export function Dialog(props: {
  readonly title: string
  readonly description?: ReactNode
  /** What the button does; `null` where there is nothing to do yet, or any more. */
  readonly action: string | null
  /** What closes it where all is done, in a word; otherwise it is cancelled. */
  readonly closing?: string
  /** Other ways on, beside the button. */
  readonly aside?: ReactNode
  readonly danger?: boolean
  readonly ready?: boolean
  readonly wide?: boolean
  readonly act: () => Promise<unknown>
  readonly onClose: () => void
  readonly children?: ReactNode
}) {
  const [error, setError] = useState<unknown>(null)
  const [field, setField] = useState<RefusedField | null>(null)
  const [running, setRunning] = useState(false)
  const form = useId()
  const title = useId()
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const { elements } = event.currentTarget
    if (running || props.action === null || props.ready === false) return
    setRunning(true)
    setError(null)
    setField(null)
    try {
      await props.act()
    } catch (refused) {
      const about = refusedField(refused)
      const input = about === null ? null : elements.namedItem(about.name)
      if (input instanceof HTMLElement) {
        setField(about)
        input.focus()
      } else setError(refused)
    } finally {
      setRunning(false)
    }
  }
  return (
    <Modal
      isOpen
      variant={props.wide === true ? 'medium' : 'small'}
      onClose={props.onClose}
      aria-labelledby={title}
    >
      <ModalHeader
        title={props.title}
        labelId={title}
        description={props.description}
        {...(props.danger === true ? { titleIconVariant: 'warning' as const } : {})}
      />
      <ModalBody>
        <Form id={form} onSubmit={submit} noValidate>
          <RefusedFieldContext value={field}>{props.children}</RefusedFieldContext>
          <Problem error={error} />
        </Form>
      </ModalBody>
      <ModalFooter>
        {props.action === null ? null : (
          <Button
            type="submit"
            form={form}
            variant={props.danger === true ? 'danger' : 'primary'}
            isLoading={running}
            isDisabled={running || props.ready === false}
          >
            {props.action}
          </Button>
        )}
        {props.aside}
        <Button variant={props.closing === undefined ? 'link' : 'primary'} onClick={props.onClose}>
          {props.closing ?? 'Cancel'}
        </Button>
      </ModalFooter>
    </Modal>
  )
}
