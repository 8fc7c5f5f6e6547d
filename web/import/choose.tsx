import {
  Button,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  TextArea,
} from '@patternfly/react-core'
import { useId, useRef } from 'react'
import { Note } from '../parts/note.tsx'
import { saveFile } from '../sealed/download.ts'
import type { ExplainedKind } from './kinds.ts'

/** Where a file is chosen, dropped or pasted, and what must stand in it. */
export function Choose(props: {
  readonly kind: string
  readonly explained: ExplainedKind
  readonly onFile: (file: File) => void
  readonly onText: (text: string) => void
}) {
  const { explained } = props
  const input = useRef<HTMLInputElement>(null)
  const columns = useId()
  const paste = useId()
  return (
    <>
      <div className="drop">
        <input
          ref={input}
          type="file"
          hidden
          accept=".csv,.txt,text/csv,text/plain"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0]
            // The same file can be chosen again once it is mended.
            event.currentTarget.value = ''
            if (file !== undefined) props.onFile(file)
          }}
        />
        {/* biome-ignore lint/a11y/noAutofocus: the first thing to do in a dialog that was just asked for */}
        <Button variant="secondary" autoFocus onClick={() => input.current?.click()}>
          Choose a file
        </Button>
        <span className="quiet">or drop it here</span>
      </div>
      <FormGroup label="Or paste the lines" fieldId={paste}>
        <TextArea
          id={paste}
          value=""
          // Nothing is kept in the field: it may hold passwords.
          onChange={(_event, text) => {
            if (text.length > 1) props.onText(text)
          }}
          rows={2}
          spellCheck={false}
          autoComplete="off"
          resizeOrientation="vertical"
          className="mono"
          aria-describedby={`${paste}-hint`}
        />
        <FormHelperText id={`${paste}-hint`}>
          <HelperText>
            <HelperTextItem>What is pasted is read at once, and not shown.</HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      <section aria-labelledby={columns}>
        <div className="split gap-below">
          <strong id={columns}>
            The first line names the columns. Each line after it is one {explained.one}.
          </strong>
          <Button
            variant="link"
            isInline
            onClick={() => saveFile(`${props.kind}-example.csv`, explained.example)}
          >
            Download an example
          </Button>
        </div>
        <dl className="facts">
          {explained.columns.map(({ name, required, text }) => (
            <div key={name} className="facts-row">
              <dt>
                <code>{name}</code>
              </dt>
              <dd>
                {text}
                {required ? '' : ' (optional)'}
              </dd>
            </div>
          ))}
        </dl>
        <p className="quiet small gap-above">
          At most 1,000 lines and 1 MB. What is there already stays as it is, so that a file can be imported
          again.
        </p>
      </section>
      {explained.note === undefined ? null : <Note isPlain variant="info" title={explained.note} />}
    </>
  )
}
