import { ClipboardCopy, clipboardCopyFunc } from '@patternfly/react-core'
import type { ClipboardEvent, ReactNode } from 'react'

/** A command, link or fingerprint to copy. */
export function Command(props: {
  readonly text: string
  readonly label?: string
  readonly onCopied?: () => void
}) {
  const { text, label } = props
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
      {...(props.onCopied === undefined
        ? {}
        : {
            onCopy: (event: ClipboardEvent<HTMLDivElement>, copied?: ReactNode) => {
              clipboardCopyFunc(event, copied)
              props.onCopied?.()
            },
          })}
    >
      {text}
    </ClipboardCopy>
  )
}
