import { Button, List, ListItem, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useEffect, useState } from 'react'
import type { AccountView } from '../../vault/contract.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Note } from '../parts/note.tsx'
import { visible } from '../parts/wording.ts'
import { revealSecret } from '../sealed/reveal.ts'
import { useChange } from '../shell/me.ts'

/** Seconds for which a secret is on the screen. */
const shownSeconds = 30

export type Shown = { readonly secret: Uint8Array; readonly version: number }

/** Shows a secret once, after saying what follows from it. */
export function Reveal({
  account,
  onClose,
}: {
  readonly account: AccountView
  readonly onClose: () => void
}) {
  const change = useChange()
  const [reason, setReason] = useState('')
  const [code, setCode] = useState('')
  const [shown, setShown] = useState<Shown | null>(null)
  if (shown !== null) return <ShownSecret account={account.name} shown={shown} onClose={onClose} />
  return (
    <Dialog
      wide
      title={`Reveal the secret of ${account.name}?`}
      action="Reveal it"
      danger
      ready={reason.trim() !== '' && isCode(code)}
      onClose={onClose}
      act={async () => setShown(await change(() => revealSecret(account.id, code, reason.trim())))}
    >
      <Note variant="warning" title="Before you do">
        <List>
          <ListItem>You are written into the exposure ledger of this account, with the reason.</ListItem>
          <ListItem>
            What is done with a secret that you know can no longer be told from what you do.
          </ListItem>
          <ListItem>
            It counts as known to you until the account is given a new one; only that makes it secret again.
          </ListItem>
          <ListItem>It is on the screen once, for {shownSeconds} seconds.</ListItem>
          <ListItem>Connecting through the gateway needs no secret: a grant is enough.</ListItem>
        </List>
      </Note>
      <Field
        label="Reason"
        name="reason"
        value={reason}
        onChange={setReason}
        autoFocus
        hint="Work order, or what it is needed for"
      />
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

/** A secret on the screen, for a short time. */
export function ShownSecret(props: {
  readonly account: string
  readonly shown: Shown
  readonly onClose: () => void
}) {
  const { account, shown, onClose } = props
  const [left, setLeft] = useState(shownSeconds)
  const [copied, setCopied] = useState<boolean | null>(null)
  useEffect(() => {
    const tick = setInterval(() => setLeft((seconds) => seconds - 1), 1000)
    return () => {
      clearInterval(tick)
      shown.secret.fill(0)
    }
  }, [shown])
  useEffect(() => {
    if (left <= 0) onClose()
  }, [left, onClose])
  const text = left > 0 ? new TextDecoder().decode(shown.secret) : ''
  const lines = text.includes('\n')
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="secret-title">
      <ModalHeader
        title={`Secret of ${visible(account)}, version ${shown.version}`}
        labelId="secret-title"
        description={`Shown once. Gone in ${Math.max(0, left)} seconds.`}
      />
      <ModalBody>
        {lines ? (
          <pre className="secret" data-testid="secret">
            {text}
          </pre>
        ) : (
          <output className="secret" data-testid="secret">
            {visible(text)}
          </output>
        )}
        <div role="status">
          {copied === null ? null : copied ? (
            <p className="quiet small gap-above">Copied.</p>
          ) : (
            <Note
              className="gap-above"
              variant="warning"
              title="Nothing was copied: allow this page the clipboard in the browser, or select the secret and copy it"
            />
          )}
        </div>
      </ModalBody>
      <ModalFooter>
        <Button
          variant="secondary"
          onClick={() => {
            // A browser that withholds the clipboard altogether has no such member.
            const copying = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'))
            copying.then(
              () => setCopied(true),
              () => setCopied(false),
            )
          }}
        >
          Copy
        </Button>
        <Button onClick={onClose}>Done, wipe it</Button>
      </ModalFooter>
    </Modal>
  )
}
