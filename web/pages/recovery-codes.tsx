import { Button, Content, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { UserView } from '../../vault/contract.ts'
import { Dialog } from '../parts/dialog.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { Note } from '../parts/note.tsx'
import { renewCodes } from '../sealed/recovery-codes.ts'

/** Codes that were just made. The vault keeps hashes of them: nobody is shown them again. */
export function CodeSheet({ name, codes }: { readonly name: string; readonly codes: readonly string[] }) {
  const [copied, setCopied] = useState('Copy all')
  const copy = () => {
    // Some browsers keep the clipboard from a page: silence would be taken for a copy.
    const written =
      navigator.clipboard?.writeText(codes.join('\n')) ?? Promise.reject(new Error('no clipboard'))
    written.then(
      () => setCopied('Copied'),
      () => setCopied('Nothing was copied: write them down'),
    )
  }
  const save = () => {
    const text = `Tagout recovery codes of ${name}\n${window.location.origin}\n\n${codes.join('\n')}\n\nEach signs in once, in place of the code of the authenticator.\n`
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
    link.download = 'tagout-recovery-codes.txt'
    link.click()
    URL.revokeObjectURL(link.href)
  }
  return (
    <>
      <Content component="p">
        Each of these signs you in once, in place of the code of your authenticator. Print or write them down,
        and keep them where you keep keys: not beside your password.
      </Content>
      <ol className="code-sheet mono" aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <div className="row">
        <Button variant="secondary" size="sm" onClick={copy}>
          {copied}
        </Button>
        <Button variant="secondary" size="sm" onClick={save}>
          Save as a file
        </Button>
      </div>
      <Note isPlain variant="warning" title="They are not shown again" className="gap-above" />
    </>
  )
}

/** Makes one's recovery codes anew, and shows them. */
export function RenewCodes({ user, onClose }: { readonly user: UserView; readonly onClose: () => void }) {
  const client = useQueryClient()
  const [code, setCode] = useState('')
  const [codes, setCodes] = useState<readonly string[] | null>(null)
  if (codes !== null)
    return (
      <Modal isOpen variant="small" onClose={onClose} aria-labelledby="codes-title">
        <ModalHeader title="Your recovery codes" labelId="codes-title" />
        <ModalBody>
          <CodeSheet name={user.name} codes={codes} />
        </ModalBody>
        <ModalFooter>
          <Button onClick={onClose}>I have kept them</Button>
        </ModalFooter>
      </Modal>
    )
  return (
    <Dialog
      title="Make recovery codes"
      action="Make ten codes"
      ready={isCode(code)}
      onClose={onClose}
      act={async () => {
        setCodes(await renewCodes(code))
        await client.invalidateQueries({ queryKey: ['me'] })
      }}
    >
      {user.recoveryCodes === 0 ? null : (
        <Content component="p">
          {user.recoveryCodes === 1
            ? 'The one code that is left is'
            : `The ${user.recoveryCodes} codes that are left are`}{' '}
          good no longer then.
        </Content>
      )}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}
