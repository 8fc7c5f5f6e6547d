import type { DesktopSettings } from '../../vault/contract.ts'
import { keyboards, type Protocol, rdpSecurities, type RdpSecurity } from '../../vault/contract/words.ts'
import { Choice, Field } from '../parts/field.tsx'

const securityText: Readonly<Record<RdpSecurity, string>> = {
  nla: 'NLA: logs in before the desktop is shown',
  tls: 'TLS: the machine shows its own login screen where the password is wrong',
  rdp: 'RDP’s own, from before 2003: hides little, and shows nobody’s identity',
}

/** How a machine is logged in to where its protocol leaves that open: nothing for SSH and VNC. */
export function DesktopFields(props: {
  readonly protocol: Protocol
  readonly settings: DesktopSettings
  readonly onChange: (settings: DesktopSettings) => void
}) {
  const { protocol, settings, onChange } = props
  if (protocol === 'rdp')
    return (
      <>
        <Choice
          label="Security"
          name="security"
          value={settings.security ?? 'nla'}
          onChange={(security) => onChange({ ...settings, security: security as RdpSecurity })}
          options={rdpSecurities.map((value) => ({ value, label: securityText[value] }))}
        />
        <Choice
          label="Keyboard"
          name="keyboard"
          value={settings.keyboard ?? 'en-us-qwerty'}
          onChange={(keyboard) => onChange({ ...settings, keyboard: keyboard as (typeof keyboards)[number] })}
          options={keyboards.map((value) => ({ value, label: value }))}
          hint="The one that the machine itself is set to."
        />
      </>
    )
  if (protocol === 'telnet')
    return (
      <>
        <Field
          label="Asks for a name with"
          name="user-prompt"
          required={false}
          value={settings.userPrompt ?? ''}
          onChange={(userPrompt) => onChange({ ...settings, userPrompt })}
          hint="How the line ends. Left out: login:, user name: and the like"
        />
        <Field
          label="Asks for a password with"
          name="password-prompt"
          required={false}
          value={settings.passwordPrompt ?? ''}
          onChange={(passwordPrompt) => onChange({ ...settings, passwordPrompt })}
          hint="How the line ends. Left out: password: and the like"
        />
      </>
    )
  return null
}

/** What of the fields is said to the vault: what is of the protocol, and not as usual. */
export function settingsIn(
  protocol: Protocol,
  { security, keyboard, userPrompt = '', passwordPrompt = '' }: DesktopSettings,
): { readonly desktop?: DesktopSettings } {
  const desktop: DesktopSettings =
    protocol === 'rdp'
      ? {
          ...(security === undefined || security === 'nla' ? {} : { security }),
          ...(keyboard === undefined || keyboard === 'en-us-qwerty' ? {} : { keyboard }),
        }
      : protocol === 'telnet'
        ? {
            ...(userPrompt.trim() === '' ? {} : { userPrompt: userPrompt.trim() }),
            ...(passwordPrompt.trim() === '' ? {} : { passwordPrompt: passwordPrompt.trim() }),
          }
        : {}
  return Object.keys(desktop).length === 0 ? {} : { desktop }
}
