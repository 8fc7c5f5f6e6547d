import {
  FormGroup,
  FormHelperText,
  FormSelect,
  FormSelectOption,
  HelperText,
  HelperTextItem,
  TextArea,
  TextInput,
  type TextInputProps,
} from '@patternfly/react-core'
import { type ReactNode, useId } from 'react'
import { useFault } from './refused-field.ts'

type Common = {
  readonly label: string
  /** What the api calls it: a refusal that begins with this name is shown here. */
  readonly name?: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly hint?: ReactNode
  readonly fault?: string | undefined
  readonly required?: boolean
}

/** Most fields must be filled in: the others say that they need not. */
function labelOf({ label, required }: { readonly label: string; readonly required?: boolean }): string {
  return required === false ? `${label} (optional)` : label
}

/** One line of text with its label, a hint and what is wrong with it. */
export function Field(
  props: Common & {
    readonly type?: TextInputProps['type']
    readonly autoComplete?: string
    readonly autoFocus?: boolean
    readonly mono?: boolean
    readonly inputMode?: 'numeric' | 'text'
    readonly placeholder?: string
    readonly list?: readonly string[]
  },
) {
  const id = useId()
  const fault = useFault(props.name) ?? props.fault
  return (
    <FormGroup label={labelOf(props)} fieldId={id}>
      <TextInput
        id={id}
        value={props.value}
        onChange={(_event, value) => props.onChange(value)}
        type={props.type ?? 'text'}
        isRequired={props.required ?? true}
        name={props.name}
        autoComplete={props.autoComplete ?? 'off'}
        autoCapitalize="none"
        spellCheck={false}
        // biome-ignore lint/a11y/noAutofocus: the first field of a dialog that was just asked for
        autoFocus={props.autoFocus ?? false}
        validated={fault === undefined ? 'default' : 'error'}
        className={props.mono === true ? 'mono' : ''}
        aria-describedby={`${id}-hint`}
        {...(props.inputMode === undefined ? {} : { inputMode: props.inputMode })}
        {...(props.placeholder === undefined ? {} : { placeholder: props.placeholder })}
        {...(props.list === undefined ? {} : { list: `${id}-list` })}
      />
      {props.list === undefined ? null : (
        <datalist id={`${id}-list`}>
          {props.list.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
      <Hint id={`${id}-hint`} hint={props.hint} fault={fault} />
    </FormGroup>
  )
}

/** Several lines: a public key, a private key file, a reason. */
export function LongField(
  props: Common & { readonly rows?: number; readonly mono?: boolean; readonly placeholder?: string },
) {
  const id = useId()
  const fault = useFault(props.name) ?? props.fault
  return (
    <FormGroup label={labelOf(props)} fieldId={id}>
      <TextArea
        id={id}
        value={props.value}
        onChange={(_event, value) => props.onChange(value)}
        name={props.name}
        validated={fault === undefined ? 'default' : 'error'}
        rows={props.rows ?? 4}
        spellCheck={false}
        autoComplete="off"
        isRequired={props.required ?? true}
        resizeOrientation="vertical"
        className={props.mono === true ? 'mono' : ''}
        aria-describedby={`${id}-hint`}
        {...(props.placeholder === undefined ? {} : { placeholder: props.placeholder })}
      />
      <Hint id={`${id}-hint`} hint={props.hint} fault={fault} />
    </FormGroup>
  )
}

/** One of a few. */
export function Choice(
  props: Omit<Common, 'fault'> & {
    readonly options: readonly { readonly value: string; readonly label: string }[]
  },
) {
  const id = useId()
  const fault = useFault(props.name)
  return (
    <FormGroup label={labelOf(props)} fieldId={id}>
      <FormSelect
        id={id}
        value={props.value}
        onChange={(_event, value) => props.onChange(value)}
        name={props.name}
        validated={fault === undefined ? 'default' : 'error'}
        aria-describedby={`${id}-hint`}
      >
        {props.options.map(({ value, label }) => (
          <FormSelectOption key={value} value={value} label={label} />
        ))}
      </FormSelect>
      <Hint id={`${id}-hint`} hint={props.hint} fault={fault} />
    </FormGroup>
  )
}

function Hint({
  id,
  hint,
  fault,
}: {
  readonly id: string
  readonly hint: ReactNode
  readonly fault: string | undefined
}) {
  if (hint === undefined && fault === undefined) return null
  return (
    <FormHelperText id={id}>
      <HelperText>
        {fault === undefined ? (
          <HelperTextItem>{hint}</HelperTextItem>
        ) : (
          <HelperTextItem variant="error">{fault}</HelperTextItem>
        )}
      </HelperText>
    </FormHelperText>
  )
}
