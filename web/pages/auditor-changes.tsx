import { Checkbox, Content, FileUpload, FormGroup } from '@patternfly/react-core'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { addAuditor, removeAuditor } from '../../vault/auditors/ceremony.ts'
import { type AuditorPublic, fingerprint, readPublic } from '../../vault/auditors/identity.ts'
import type { AuditorListLink, Enrolment, VerbAnswer } from '../../vault/contract.ts'
import type { Outcome } from '../../vault/kernel/outcome.ts'
import { ask, Refused } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { fetchChain } from '../sealed/chain.ts'
import { type Keyring, refreshKeyring, touchKeyring, useKeyring } from '../sealed/keyring.ts'
import { loadSodium } from '../sealed/sodium.ts'

type Read = { readonly auditor: AuditorPublic; readonly fingerprint: string }

/** Adds an auditor: this browser wraps the group key to theirs and signs the new list with yours. */
export function AddAuditor(props: {
  readonly onClose: () => void
  readonly onAdded: (name: string, enrolment: Enrolment | null) => void
}) {
  const client = useQueryClient()
  const keyring = useKeyring()
  const [file, setFile] = useState({ name: '', text: '' })
  const [read, setRead] = useState<Read | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [same, setSame] = useState(false)
  useEffect(() => {
    setRead(null)
    setSame(false)
    setError(null)
    if (file.text === '') return
    readPublic(file.text)
      .then(async (auditor) => setRead({ auditor, fingerprint: await fingerprint(auditor) }))
      .catch(setError)
  }, [file.text])
  return (
    <Dialog
      wide
      title="Add an auditor"
      action="Sign and add"
      ready={read !== null && same && keyring !== null}
      onClose={props.onClose}
      act={async () => {
        if (read === null || keyring === null) return
        const link = await changeList(keyring, (sodium, chain) =>
          addAuditor(sodium, keyring.identity, chain, read.auditor, () => new Date()),
        )
        const answer = await send(link, read.auditor.name)
        await refreshKeyring()
        await client.invalidateQueries()
        props.onAdded(read.auditor.name, answer.enrolment)
      }}
    >
      <Content component="p">
        The new auditor can open every recording, also those made before. Take only a fingerprint that they
        told you themselves.
      </Content>
      <FormGroup label="Public file" fieldId="public-file" isRequired>
        <FileUpload
          id="public-file"
          type="text"
          value={file.text}
          filename={file.name}
          filenamePlaceholder="auditor.key.pub"
          browseButtonText="Choose"
          hideDefaultPreview
          onFileInputChange={(_event, picked) => setFile({ name: picked.name, text: '' })}
          onDataChange={(_event, text) => setFile((before) => ({ ...before, text }))}
          onClearClick={() => setFile({ name: '', text: '' })}
        />
      </FormGroup>
      <Problem error={error} />
      {read === null ? null : (
        <>
          <dl className="facts">
            <dt>Name</dt>
            <dd>{read.auditor.name}</dd>
            <dt>Fingerprint</dt>
            <dd className="mono small">{read.fingerprint}</dd>
          </dl>
          <Checkbox
            id="same-fingerprint"
            label={`${read.auditor.name} told me this fingerprint`}
            isChecked={same}
            onChange={(_event, checked) => setSame(checked)}
          />
        </>
      )}
    </Dialog>
  )
}

/** Removes an auditor: the group key changes, and recordings from now on are closed to them. */
export function RemoveAuditor({ name, onClose }: { readonly name: string; readonly onClose: () => void }) {
  const client = useQueryClient()
  const keyring = useKeyring()
  return (
    <Dialog
      title={`Remove ${name}?`}
      action="Sign and remove"
      danger
      ready={keyring !== null}
      onClose={onClose}
      act={async () => {
        if (keyring === null) return
        const link = await changeList(keyring, (sodium, chain) =>
          removeAuditor(sodium, keyring.identity, chain, name, () => new Date()),
        )
        await send(link)
        await refreshKeyring()
        await client.invalidateQueries()
        onClose()
      }}
    >
      <Note variant="warning" title="The past is not taken back">
        Recordings from now on are sealed to a new key that {name} does not get. What {name} could open
        before, a kept copy of it can still be opened.
      </Note>
    </Dialog>
  )
}

async function changeList(
  keyring: Keyring,
  make: (
    sodium: Awaited<ReturnType<typeof loadSodium>>,
    chain: NonNullable<Awaited<ReturnType<typeof fetchChain>>>,
  ) => Promise<Outcome<AuditorListLink>>,
): Promise<AuditorListLink> {
  touchKeyring()
  const [sodium, chain] = await Promise.all([loadSodium(), fetchChain()])
  if (chain === null)
    throw new Refused({ status: 412, code: 'no_auditors', title: 'there is no list to change' })
  const outcome = await make(sodium, chain)
  if (outcome.ok) return outcome.value
  const { code, message, next } = outcome.refusal
  throw new Refused({ status: 409, code, title: message, detail: next })
}

function send(link: AuditorListLink, newAuditorUser?: string): Promise<VerbAnswer<'auditor.append'>> {
  const { body, signature } = link
  return ask(
    'POST',
    '/api/auditors',
    newAuditorUser === undefined ? { body, signature } : { body, signature, newAuditorUser },
  )
}
