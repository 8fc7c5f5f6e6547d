import { Content } from '@patternfly/react-core'
import { Dialog } from '../parts/dialog.tsx'
import { Note } from '../parts/note.tsx'
import type { Paste } from './paste.ts'

/** Shows what would be pasted, before it is. */
export function PasteDialog(props: {
  readonly paste: Paste
  readonly onPaste: (text: string) => void
  readonly onClose: () => void
}) {
  const { text, lines, controls } = props.paste
  return (
    <Dialog
      title={lines > 0 ? `Paste ${lines + 1} lines?` : 'Paste this text?'}
      description="Each line end counts as Enter: what stands before it may run at once."
      action="Paste"
      wide
      act={async () => props.onPaste(text)}
      onClose={props.onClose}
    >
      {controls === 0 ? null : (
        <Note
          variant="warning"
          title={`${controls} control or direction ${controls === 1 ? 'character is' : 'characters are'} left out`}
        >
          They could end the paste early, or make the text read like another.
        </Note>
      )}
      <pre className="paste-text" tabIndex={0} aria-label="The text that is pasted">
        {text.slice(0, 20_000)}
      </pre>
      {text.length > 20_000 ? (
        <Content component="small">{text.length - 20_000} characters more are not shown.</Content>
      ) : null}
    </Dialog>
  )
}
