import { Button, SearchInput } from '@patternfly/react-core'
import { type RefObject, useState } from 'react'
import type { LiveScreen } from './screen.ts'

/** Finds text in what the terminal has shown. Whoever opens it gives the keyboard to `field` at once. */
export function SearchBar({
  screen,
  field,
  onClose,
}: {
  readonly screen: LiveScreen
  readonly field: RefObject<HTMLInputElement | null>
  readonly onClose: () => void
}) {
  const [text, setText] = useState('')
  const [missing, setMissing] = useState(false)
  const find = (direction: 1 | -1, wanted = text) => {
    if (wanted === '') screen.clearSearch()
    setMissing(wanted !== '' && !screen.find(wanted, direction))
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: a search within the page, not a landmark
    <div
      role="search"
      className="row terminal-search"
      onKeyDown={(event) => {
        if (event.key === 'Enter' && event.target instanceof HTMLInputElement) find(event.shiftKey ? 1 : -1)
        if (event.key === 'Escape') {
          event.preventDefault()
          onClose()
        }
      }}
    >
      <SearchInput
        ref={field}
        aria-label="Search in the terminal"
        value={text}
        onChange={(_event, value) => {
          setText(value)
          find(-1, value)
        }}
        onClear={() => {
          setText('')
          find(-1, '')
        }}
      />
      <Button variant="secondary" size="sm" onClick={() => find(-1)}>
        Earlier
      </Button>
      <Button variant="secondary" size="sm" onClick={() => find(1)}>
        Later
      </Button>
      <Button variant="link" size="sm" onClick={onClose}>
        Done
      </Button>
      <span role="status" className="small">
        {missing ? 'Not found' : ''}
      </span>
    </div>
  )
}
