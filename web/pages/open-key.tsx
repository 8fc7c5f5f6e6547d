import { Button, Checkbox, Content, FileUpload, FormGroup } from '@patternfly/react-core'
import { useEffect, useState } from 'react'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { forgetKept, keep, readKept } from '../sealed/kept-file.ts'
import { openKeyring } from '../sealed/keyring.ts'

/** Opens the auditor's key with its passphrase: from this browser where she keeps it, or from a file. */
export function OpenKey(props: {
  readonly name: string
  readonly onClose: () => void
  readonly onOpen: () => void
}) {
  const { name } = props
  const [kept, setKept] = useState<string | undefined>(undefined)
  const [chosen, setChosen] = useState({ name: '', text: '' })
  const [passphrase, setPassphrase] = useState('')
  const [stay, setStay] = useState(false)
  useEffect(() => {
    void readKept<string>('auditor-keys', name).then(setKept)
  }, [name])
  const file = chosen.text === '' ? (kept ?? '') : chosen.text
  return (
    <Dialog
      title="Open your auditor key"
      action="Open"
      ready={file !== '' && passphrase !== ''}
      onClose={props.onClose}
      act={async () => {
        await openKeyring(file, passphrase)
        if (stay && chosen.text !== '') await keep('auditor-keys', name, chosen.text)
        props.onOpen()
      }}
    >
      <Content component="p">
        It stays open in this tab until you lock it, sign out, or leave it alone for half an hour.
      </Content>
      {kept !== undefined && chosen.text === '' ? (
        <Content component="p" className="quiet">
          The key file is kept in this browser.{' '}
          <Button
            variant="link"
            isInline
            isDanger
            onClick={() => {
              void forgetKept('auditor-keys', name)
              setKept(undefined)
            }}
          >
            Forget it
          </Button>
        </Content>
      ) : (
        <>
          <FormGroup label="Key file" fieldId="key-file" isRequired>
            <FileUpload
              id="key-file"
              type="text"
              value={chosen.text}
              filename={chosen.name}
              filenamePlaceholder="auditor.key"
              browseButtonText="Choose"
              hideDefaultPreview
              onFileInputChange={(_event, picked) => setChosen({ name: picked.name, text: '' })}
              onDataChange={(_event, text) => setChosen((before) => ({ ...before, text }))}
              onClearClick={() => setChosen({ name: '', text: '' })}
            />
          </FormGroup>
          <Checkbox
            id="keep-opened"
            label="Keep the key file in this browser"
            isChecked={stay}
            onChange={(_event, checked) => setStay(checked)}
          />
        </>
      )}
      <Field
        label="Passphrase"
        type="password"
        value={passphrase}
        onChange={setPassphrase}
        autoComplete="off"
        autoFocus
        hint="Working it out takes a few seconds: that is what protects the file."
      />
    </Dialog>
  )
}
