import {
  Button,
  Checkbox,
  Content,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
} from '@patternfly/react-core'
import { useState } from 'react'
import {
  fingerprint,
  forget,
  makeIdentity,
  writeIdentity,
  writePublic,
} from '../../vault/auditors/identity.ts'
import { Command } from '../parts/command.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Field } from '../parts/field.tsx'
import { Note } from '../parts/note.tsx'
import { argon2id } from '../sealed/argon2.ts'
import { saveFile } from '../sealed/download.ts'
import { keep } from '../sealed/kept-file.ts'
import { loadSodium } from '../sealed/sodium.ts'
import { passwordAdvice } from './password-advice.ts'

type Made = { readonly file: string; readonly publicFile: string; readonly fingerprint: string }

/** Makes an auditor's key in this browser, has her save it, and says who must do what next. */
export function MakeAuditorKey(props: {
  readonly name: string
  readonly first: boolean
  readonly onClose: () => void
}) {
  const { name, first, onClose } = props
  const [passphrase, setPassphrase] = useState('')
  const [again, setAgain] = useState('')
  const [stay, setStay] = useState(true)
  const [made, setMade] = useState<Made | null>(null)
  if (made !== null) return <KeyMade name={name} first={first} made={made} onClose={onClose} />
  const advice = passwordAdvice(passphrase, name)
  return (
    <Dialog
      wide
      title="Make your auditor key"
      action="Make the key"
      ready={advice.good && again === passphrase}
      onClose={onClose}
      act={async () => {
        const result = await makeKey(name, passphrase)
        if (stay) await keep('auditor-keys', name, result.file)
        setMade(result)
      }}
    >
      <Content component="p">
        This key opens every recording. It is made here, and the server never sees it. Whoever has the file
        and the passphrase can replay; whoever has lost either cannot.
      </Content>
      <Field
        label="Passphrase"
        type="password"
        value={passphrase}
        onChange={setPassphrase}
        autoComplete="new-password"
        autoFocus
        hint={<span className={`advice advice-${advice.level}`}>{advice.sentence}</span>}
      />
      <Field
        label="Passphrase again"
        type="password"
        value={again}
        onChange={setAgain}
        autoComplete="new-password"
        fault={again !== '' && again !== passphrase ? 'The two passphrases differ.' : undefined}
      />
      <Checkbox
        id="keep-key"
        label="Keep the key file in this browser too"
        description="Sealed under the passphrase. Leave it off on a machine that others use."
        isChecked={stay}
        onChange={(_event, checked) => setStay(checked)}
      />
    </Dialog>
  )
}

async function makeKey(name: string, passphrase: string): Promise<Made> {
  const sodium = await loadSodium()
  const identity = makeIdentity(sodium, name)
  try {
    return {
      file: await writeIdentity(sodium, argon2id, identity, passphrase),
      publicFile: await writePublic(identity),
      fingerprint: await fingerprint(identity),
    }
  } finally {
    forget(sodium, identity)
  }
}

function KeyMade(props: {
  readonly name: string
  readonly first: boolean
  readonly made: Made
  readonly onClose: () => void
}) {
  const { name, first, made, onClose } = props
  const [saved, setSaved] = useState(false)
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="made-title">
      <ModalHeader title="Your key is made" labelId="made-title" description="Three things are left to do." />
      <ModalBody>
        <List component="ol" className="steps">
          <ListItem>
            <Content component="p">
              Save the key file where you keep what you must not lose, away from this installation&apos;s
              servers.
            </Content>
            <Button
              variant={saved ? 'secondary' : 'primary'}
              onClick={() => {
                saveFile('auditor.key', made.file)
                setSaved(true)
              }}
            >
              Save auditor.key
            </Button>
          </ListItem>
          <ListItem>
            <Content component="p">
              Save the public file and give it to{' '}
              {first ? 'the machine administrator' : 'an auditor who is on the list'}.
            </Content>
            <Button variant="secondary" onClick={() => saveFile('auditor.key.pub', made.publicFile)}>
              Save auditor.key.pub
            </Button>
          </ListItem>
          <ListItem>
            <Content component="p">
              {first
                ? 'On the machine, the administrator runs this, and puts the recordings recovery key away offline:'
                : 'Under Auditors, that auditor opens their key, chooses Add an auditor, and gives the file.'}
            </Content>
            {first ? (
              <Command
                text={`tagout auditor add ${name} auditor.key.pub --recovery-out recordings-recovery.key`}
                label="Command for the machine administrator"
              />
            ) : null}
            <Content component="p" className="gap-above">
              Read this to them over another way than the file took (in person, by phone). They must see the
              same:
            </Content>
            <Command text={made.fingerprint} label="Fingerprint of your key" />
          </ListItem>
        </List>
        {saved ? null : (
          <Note isPlain variant="warning" title="The key file has not been saved yet" className="gap-above" />
        )}
      </ModalBody>
      <ModalFooter>
        <Button variant="secondary" onClick={onClose} isDisabled={!saved}>
          Done
        </Button>
      </ModalFooter>
    </Modal>
  )
}
