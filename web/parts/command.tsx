import { ClipboardCopy } from '@patternfly/react-core'

/** A command, link or fingerprint to copy. */
export function Command({ text, label }: { readonly text: string; readonly label?: string }) {
  return (
    <ClipboardCopy
      isReadOnly
      isCode
      hoverTip="Copy"
      clickTip="Copied"
      textAriaLabel={label ?? 'Command'}
      className="command"
      truncation={false}
      variant="inline-compact"
    >
      {text}
    </ClipboardCopy>
  )
}
