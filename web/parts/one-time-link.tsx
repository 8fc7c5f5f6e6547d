import { Button, Content, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import type { Enrolment } from '../../vault/contract.ts'
import { Command } from './command.tsx'
import { Note } from './note.tsx'
import { zonedMoment } from './wording.ts'

/** A link by which somebody sets their password. Shown once: the vault keeps a hash of it. */
export function OneTimeLink(props: {
  readonly name: string
  readonly enrolment: Enrolment
  readonly onClose: () => void
}) {
  const { name, enrolment, onClose } = props
  const link = `${window.location.origin}/enrol#${enrolment.token}`
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="link-title">
      <ModalHeader title={`A link for ${name}`} labelId="link-title" />
      <ModalBody>
        <Content component="p">
          Give it to {name} in person, or by a way that only {name} reads. It works once, until{' '}
          {zonedMoment(enrolment.expiresAt)}, and sets the password and the second factor.
        </Content>
        <Command text={link} label="One-time link" />
        <Note isInline isPlain variant="warning" title="It is not shown again" className="gap-above" />
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>Done</Button>
      </ModalFooter>
    </Modal>
  )
}
