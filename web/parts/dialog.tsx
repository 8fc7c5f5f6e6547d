import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { type FormEvent, type ReactNode, useId, useState } from 'react'
import { Problem } from './problem.tsx'

/**
 * A dialog that does one thing. `act` runs on the button or Enter; while it runs the dialog stays, and where it is refused the
 * dialog says why and keeps what was typed.
 */
export function Dialog(props: {
  readonly title: string
  readonly description?: ReactNode
  readonly action: string
  readonly danger?: boolean
  readonly ready?: boolean
  readonly wide?: boolean
  readonly act: () => Promise<unknown>
  readonly onClose: () => void
  readonly children?: ReactNode
}) {
  const [error, setError] = useState<unknown>(null)
  const [running, setRunning] = useState(false)
  const form = useId()
  const title = useId()
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (running || props.ready === false) return
    setRunning(true)
    setError(null)
    try {
      await props.act()
    } catch (refused) {
      setError(refused)
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
          {props.children}
          <Problem error={error} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button
          type="submit"
          form={form}
          variant={props.danger === true ? 'danger' : 'primary'}
          isLoading={running}
          isDisabled={running || props.ready === false}
        >
          {props.action}
        </Button>
        <Button variant="link" onClick={props.onClose}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}
