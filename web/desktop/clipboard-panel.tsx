import {
  Badge,
  Button,
  Content,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextArea,
  Title,
} from '@patternfly/react-core'
import { type FormEvent, useEffect, useState, useSyncExternalStore } from 'react'
import { liveBounds } from '../../recorder/live/protocol.ts'
import type { Action } from '../../vault/contract.ts'
import { Note } from '../parts/note.tsx'
import { bytes, visible } from '../parts/wording.ts'
import { judgePaste } from '../terminal/paste.ts'
import { useBack } from '../parts/use-back.ts'
import { type ClipboardRefusal, type MachineClipboard, sizeOf } from './clipboard.ts'

/** So much of a text is shown: a browser stands still over more. */
const mostShown = 20_000

/** Browsers take seconds to paste more than so much into a field, in which the desktop would stand still. */
const mostPasted = 16 * 1024

const sentences: Readonly<Record<ClipboardRefusal, string>> = {
  held: 'It did not go: this session is held. Send it again when it goes on.',
  'too often': 'It did not go: these were many in a short time. Wait a few seconds, then send it again.',
  'too long': 'It did not go: it is too long. Send it in parts.',
  refused: 'It did not go: the gateway takes no such text. Send plain text.',
  over: 'It did not go: the session is over.',
}

/**
 * The clipboard of the desktop, behind a button.
 *
 * SECURITY: texts go over by the user's act alone. The browser's own clipboard is never read, and written by the button
 * that says so; what a hostile machine copied is shown with what cannot be seen in it, and copied without.
 */
export function Clipboard(props: {
  readonly of: MachineClipboard
  readonly actions: readonly Action[]
  /** It is closed: back to the desktop. */
  readonly onClosed: () => void
  /** The machine's clipboard has no other characters. */
  readonly isLatin1: boolean
}) {
  const { of, actions } = props
  const [isOpen, setOpen] = useState(false)
  useBack(isOpen, props.onClosed)
  const copied = useSyncExternalStore(of.listen, of.copied)
  const [seen, setSeen] = useState<string | null>(null)
  const isNew = copied !== null && copied !== seen && !isOpen
  useEffect(() => {
    if (isOpen) setSeen(copied)
  }, [isOpen, copied])
  return (
    <>
      <Button variant="secondary" size="sm" onClick={() => setOpen(true)}>
        Clipboard{isNew ? <Badge className="clipboard-new">new</Badge> : null}
      </Button>
      <span role="status" className="pf-v6-screen-reader">
        {isNew ? 'A text was copied on the machine: it is under Clipboard' : ''}
      </span>
      {isOpen ? (
        <Modal isOpen variant="medium" aria-labelledby="clipboard-title" onClose={() => setOpen(false)}>
          <ModalHeader
            title="Clipboard"
            labelId="clipboard-title"
            description="A text goes over when you say so, and that it did is recorded."
          />
          <ModalBody>
            <ToMachine of={of} may={actions.includes('clipboard-in')} isLatin1={props.isLatin1} />
            <FromMachine of={of} copied={copied} may={actions.includes('clipboard-out')} />
          </ModalBody>
          <ModalFooter>
            <Button variant="primary" onClick={() => setOpen(false)}>
              Back to the desktop
            </Button>
          </ModalFooter>
        </Modal>
      ) : null}
    </>
  )
}

/** What Latin-1 has not. */
const notLatin1 = /[^\u0000-\u00ff]/u

function ToMachine({
  of,
  may,
  isLatin1,
}: {
  readonly of: MachineClipboard
  readonly may: boolean
  readonly isLatin1: boolean
}) {
  const [text, setText] = useState('')
  const [isSending, setSending] = useState(false)
  const [result, setResult] = useState<ClipboardRefusal | 'there' | null>(null)
  if (!may)
    return (
      <section className="clipboard-part" aria-labelledby="clipboard-in">
        <Title headingLevel="h2" size="md" id="clipboard-in">
          To the machine
        </Title>
        <NotAllowed what="put texts on its clipboard" action="clipboard-in" />
      </section>
    )
  const size = sizeOf(text)
  const isTooLong = size > liveBounds.clipboardBytes
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (isSending || text === '' || isTooLong) return
    setSending(true)
    setResult(null)
    const refusal = await of.put(text)
    setSending(false)
    setResult(refusal ?? 'there')
    // It may be a password: what has gone over does not stay here.
    if (refusal === null) setText('')
  }
  return (
    <section className="clipboard-part" aria-labelledby="clipboard-in">
      <Title headingLevel="h2" size="md" id="clipboard-in">
        To the machine
      </Title>
      <Form onSubmit={submit}>
        <FormGroup label="Text for the machine’s clipboard" fieldId="clipboard-text">
          <TextArea
            id="clipboard-text"
            value={text}
            onChange={(_event, value) => {
              setText(value)
              setResult(null)
            }}
            onPaste={(event) => {
              const pasted = event.clipboardData.getData('text/plain')
              if (pasted.length < mostPasted) return
              event.preventDefault()
              if (pasted.length > liveBounds.clipboardBytes) return setResult('too long')
              const { selectionStart, selectionEnd } = event.currentTarget
              setText(text.slice(0, selectionStart) + pasted + text.slice(selectionEnd))
              setResult(null)
            }}
            rows={4}
            resizeOrientation="vertical"
            validated={isTooLong ? 'error' : 'default'}
            autoComplete="off"
            spellCheck={false}
            aria-describedby="clipboard-size"
          />
          <FormHelperText>
            <HelperText>
              <HelperTextItem id="clipboard-size" variant={isTooLong ? 'error' : 'default'}>
                {isTooLong
                  ? `${bytes(size)}: no more than ${bytes(liveBounds.clipboardBytes)} go at once. Send it in parts`
                  : `Paste it here, send it, then paste it on the desktop. ${bytes(liveBounds.clipboardBytes)} at most`}
              </HelperTextItem>
              {isLatin1 && notLatin1.test(text) ? (
                <HelperTextItem variant="warning">
                  This machine’s clipboard has the letters of Western Europe alone: what else is in it arrives
                  as ?
                </HelperTextItem>
              ) : null}
            </HelperText>
          </FormHelperText>
        </FormGroup>
        <Button
          type="submit"
          variant="secondary"
          className="clipboard-act"
          isLoading={isSending}
          isDisabled={isSending || text === '' || isTooLong}
        >
          Put it on the machine’s clipboard
        </Button>
        <div role="status">
          {result === null ? null : result === 'there' ? (
            <p className="quiet small">It is on the machine’s clipboard: paste it there.</p>
          ) : (
            <Note variant="warning" title={sentences[result]} />
          )}
        </div>
      </Form>
    </section>
  )
}

function FromMachine(props: {
  readonly of: MachineClipboard
  readonly copied: string | null
  readonly may: boolean
}) {
  const { of, copied, may } = props
  const [result, setResult] = useState<{ readonly of: string; readonly isCopied: boolean } | null>(null)
  const head = (
    <Title headingLevel="h2" size="md" id="clipboard-out">
      From the machine
    </Title>
  )
  if (!may)
    return (
      <section className="clipboard-part" aria-labelledby="clipboard-out">
        {head}
        <NotAllowed what="take texts off its clipboard" action="clipboard-out" />
      </section>
    )
  if (copied === null)
    return (
      <section className="clipboard-part" aria-labelledby="clipboard-out">
        {head}
        <p className="quiet">Nothing yet. Copy something on the desktop, and you can take it here.</p>
      </section>
    )
  const { text, controls } = judgePaste(copied)
  const said = result?.of === copied ? result.isCopied : null
  return (
    <section className="clipboard-part" aria-labelledby="clipboard-out">
      {head}
      {controls === 0 ? null : (
        <Note
          variant="warning"
          title={`${controls} control or direction ${controls === 1 ? 'character' : 'characters'} in it`}
        >
          They are shown here, and left out of what you copy.
        </Note>
      )}
      <pre className="paste-text" tabIndex={0} aria-label="The text that was copied on the machine">
        {shown(copied.slice(0, mostShown))}
      </pre>
      <Content component="small">
        {bytes(sizeOf(copied))}
        {copied.length > mostShown ? `, of which ${copied.length - mostShown} characters are not shown` : ''}.
        Look at it before you paste it into a terminal: line ends run what stands before them.
      </Content>
      <div className="row clipboard-act">
        <Button
          variant="secondary"
          onClick={() => {
            // A browser that withholds the clipboard altogether has no such member.
            const copying = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'))
            copying.then(
              () => setResult({ of: copied, isCopied: true }),
              () => setResult({ of: copied, isCopied: false }),
            )
          }}
        >
          Copy it to my clipboard
        </Button>
        <Button variant="link" onClick={() => of.forget()}>
          Forget it
        </Button>
      </div>
      <div role="status">
        {said === null ? null : said ? (
          <p className="quiet small">Copied.</p>
        ) : (
          <Note
            variant="warning"
            title="Nothing was copied: allow this page the clipboard in the browser, or select the text and copy it"
          />
        )}
      </div>
    </section>
  )
}

function NotAllowed({ what, action }: { readonly what: string; readonly action: Action }) {
  return (
    <Note variant="info" title={`Your access does not let you ${what}`}>
      Ask for access that allows <code>{action}</code>: <em>Request access</em> under{' '}
      <a href="/access" target="_blank" rel="noreferrer">
        My access
      </a>{' '}
      (in another tab, so that this session goes on). Then open the desktop again.
    </Note>
  )
}

/** A text with its lines, and everything else that cannot be seen made visible. */
function shown(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .split(/([\n\t])/)
    .map((part) => (part === '\n' || part === '\t' ? part : visible(part)))
    .join('')
}
