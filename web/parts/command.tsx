import { ClipboardCopyButton } from '@patternfly/react-core'
import { useId, useState } from 'react'
import { wordsOf } from './command-words.ts'

/** A command, link or fingerprint to copy, as ClipboardCopy shows it: that one lets lines end within an option. */
export function Command(props: {
  readonly text: string
  /** What it is, for who hears the button alone. */
  readonly label?: string
  readonly onCopied?: () => void
}) {
  const { text, label, onCopied } = props
  const [copied, setCopied] = useState(false)
  const [failed, setFailed] = useState(false)
  const id = useId()
  const copy = () => {
    // Some browsers keep the clipboard from a page: silence would be taken for a copy.
    const written = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'))
    written.then(
      () => {
        setCopied(true)
        setFailed(false)
        onCopied?.()
      },
      () => setFailed(true),
    )
  }
  return (
    <div className="pf-v6-c-clipboard-copy pf-m-inline command">
      <span hidden id={`${id}-what`}>
        {label ?? text}
      </span>
      <code className="pf-v6-c-clipboard-copy__text pf-m-code">
        {wordsOf(text).map(({ word, isWhole, at }) =>
          isWhole ? (
            <span key={at} className="command-word">
              {word}
            </span>
          ) : (
            word
          ),
        )}
      </code>
      <span className="pf-v6-c-clipboard-copy__actions">
        <span className="pf-v6-c-clipboard-copy__actions-item">
          <ClipboardCopyButton
            id={id}
            variant="plain"
            hasNoPadding
            aria-label="Copy"
            aria-describedby={`${id}-what`}
            onClick={copy}
            exitDelay={1500}
            onTooltipHidden={() => setCopied(false)}
          >
            {copied ? 'Copied' : 'Copy'}
          </ClipboardCopyButton>
        </span>
      </span>
      {failed ? (
        <span role="alert" className="small command-failed">
          {' Nothing was copied: select it, and copy it by hand.'}
        </span>
      ) : null}
    </div>
  )
}
