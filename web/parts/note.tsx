import { Alert, type AlertProps } from '@patternfly/react-core'

/** An alert in the page. Its title is no heading: it stands wherever it is needed, not in the order of the page. */
export function Note(props: AlertProps) {
  return <Alert component="p" isInline {...props} />
}
