import { Checkbox } from '@patternfly/react-core'
import type { TermsView } from '../../vault/contract.ts'
import { visible } from './wording.ts'

/** A text of several lines that somebody else wrote. It is scrolled by the keyboard too. */
export function TermsText({ text }: { readonly text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
    <div className="terms" tabIndex={0} role="group" aria-label="Text of the terms">
      {text.split(/\r?\n/).map(visible).join('\n')}
    </div>
  )
}

/** What a representative has to accept: the whole text, and the box that says so. */
export function Terms(props: {
  readonly terms: TermsView
  readonly accepted: boolean
  readonly onChange: (accepted: boolean) => void
}) {
  return (
    <section aria-label={`Terms of ${visible(props.terms.company)}`}>
      <p className="terms-title">Terms of {visible(props.terms.company)}</p>
      <TermsText text={props.terms.text} />
      <Checkbox
        id="accept-terms"
        label="I have read these terms and accept them"
        isChecked={props.accepted}
        onChange={(_event, checked) => props.onChange(checked)}
      />
    </section>
  )
}
