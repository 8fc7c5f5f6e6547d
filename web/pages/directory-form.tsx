import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import type { DirectorySettings, DirectoryView, LdapSettings, OidcSettings } from '../../vault/contract.ts'
import { ask, at, Refused } from '../api.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Choice, Field, LongField } from '../parts/field.tsx'
import { FreshCode, isCode } from '../parts/fresh-code.tsx'
import { visible } from '../parts/wording.ts'
import { sealDirectorySecret } from '../sealed/intake.ts'
import { proven } from '../sealed/passkeys.ts'
import { useChange } from '../shell/me.ts'

type Kind = 'active-directory' | 'ldap' | 'oidc'
/** What is typed, each under the name that the api calls it by. */
type Texts = Readonly<Record<string, string>>

const usual: Texts = {
  url: '',
  certificates: '',
  base: '',
  bindName: '',
  userFilter: '',
  wrongPasswords: '3',
  issuer: '',
  clientId: '',
  console: '',
  groupsClaim: 'groups',
  loginClaim: 'preferred_username',
  scopes: 'profile',
  acrValues: '',
  maxAgeSeconds: '',
  stepUp: '',
  stepUpAcr: '',
  keysSeconds: '12',
  syncMinutes: '15',
}

/** The settings of a directory as they are typed. */
function textsOf({ settings, syncMinutes }: DirectoryView): Texts {
  const every = { ...usual, syncMinutes: String(syncMinutes), certificates: settings.certificates ?? '' }
  if (settings.kind === 'ldap')
    return {
      ...every,
      url: settings.url,
      base: settings.base,
      bindName: settings.bindName,
      userFilter: settings.userFilter ?? '',
      wrongPasswords: String(settings.wrongPasswords),
    }
  const { stepUp, maxAgeSeconds } = settings
  return {
    ...every,
    issuer: settings.issuer,
    clientId: settings.clientId,
    console: settings.console,
    groupsClaim: settings.groupsClaim,
    loginClaim: settings.loginClaim,
    scopes: settings.scopes.join(' '),
    acrValues: settings.acrValues.join(' '),
    maxAgeSeconds: maxAgeSeconds === null ? '' : String(maxAgeSeconds / 60),
    stepUp: stepUp === null ? '' : String(stepUp.withinSeconds / 60),
    stepUpAcr: stepUp?.acrValues.join(' ') ?? '',
    keysSeconds: String(settings.keysSeconds / 3600),
  }
}

function numberIn(texts: Texts, name: string, field: string, unit = ''): number {
  const text = texts[name] ?? ''
  if (/^\d{1,6}(\.\d{1,3})?$/.test(text)) return Number(text)
  throw new Refused({ status: 400, code: 'invalid', title: `${field}: write a number${unit}` })
}

const words = (text: string | undefined) => (text ?? '').split(/[\s,]+/).filter((word) => word !== '')

function ldapSettings(texts: Texts, flavour: LdapSettings['flavour']): LdapSettings {
  const { url = '', certificates = '', base = '', bindName = '', userFilter = '' } = texts
  return {
    kind: 'ldap',
    flavour,
    url: /^[a-z]+:\/\//i.test(url) ? url : `ldaps://${url}`,
    certificates,
    base,
    userFilter: userFilter === '' ? null : userFilter,
    bindName,
    wrongPasswords: numberIn(texts, 'wrongPasswords', 'settings.wrongPasswords'),
  }
}

function oidcSettings(texts: Texts): OidcSettings {
  const { issuer = '', clientId = '', console: address = '', certificates = '' } = texts
  const minutes = (name: string, field: string) =>
    texts[name] === '' ? null : Math.round(numberIn(texts, name, field, ' of minutes') * 60)
  const withinSeconds = minutes('stepUp', 'settings.stepUp.withinSeconds')
  return {
    kind: 'oidc',
    issuer,
    clientId,
    certificates: certificates === '' ? null : certificates,
    console: address.replace(/\/$/, ''),
    groupsClaim: texts['groupsClaim'] ?? '',
    loginClaim: texts['loginClaim'] ?? '',
    scopes: words(texts['scopes']),
    acrValues: words(texts['acrValues']),
    maxAgeSeconds: minutes('maxAgeSeconds', 'settings.maxAgeSeconds'),
    stepUp: withinSeconds === null ? null : { withinSeconds, acrValues: words(texts['stepUpAcr']) },
    keysSeconds: Math.round(numberIn(texts, 'keysSeconds', 'settings.keysSeconds', ' of hours') * 3600),
  }
}

/** Adds a directory, or changes one: all of its settings in one form. */
export function DirectoryForm({
  directory,
  onClose,
}: {
  readonly directory: DirectoryView | null
  readonly onClose: () => void
}) {
  const change = useChange()
  const [name, setName] = useState('')
  const before = directory?.settings
  const [kind, setKind] = useState<Kind>(
    before?.kind === 'ldap' ? before.flavour : (before?.kind ?? 'active-directory'),
  )
  const [texts, setTexts] = useState<Texts>(() =>
    directory === null ? { ...usual, console: window.location.origin } : textsOf(directory),
  )
  const [secret, setSecret] = useState('')
  const [more, setMore] = useState(false)
  const [code, setCode] = useState('')
  const needed =
    kind === 'oidc' ? ['issuer', 'clientId', 'console'] : ['url', 'certificates', 'base', 'bindName']
  const isWhole =
    needed.every((one) => texts[one] !== '') &&
    (directory !== null || (name !== '' && (kind === 'oidc' || secret !== '')))
  /** What a field of this name needs; `name`: as the api calls it. */
  const of = (field: string, api = `settings.${field}`) => ({
    name: api,
    value: texts[field] ?? '',
    onChange: (value: string) => setTexts((all) => ({ ...all, [field]: value })),
  })
  const act = async () => {
    const settings: DirectorySettings = kind === 'oidc' ? oidcSettings(texts) : ldapSettings(texts, kind)
    const said = {
      settings,
      ...(secret === ''
        ? {}
        : { sealedSecret: await sealDirectorySecret(directory?.name ?? name, settings, secret) }),
      ...(kind === 'oidc'
        ? {}
        : { syncMinutes: numberIn(texts, 'syncMinutes', 'syncMinutes', ' of minutes') }),
    }
    if (directory === null) {
      const body = await proven(code, 'directory.add', {}, { name, ...said })
      await change(() => ask('POST', '/api/directories', body))
    } else {
      const body = await proven(code, 'directory.change', { directory: directory.id }, said)
      await change(() => ask('PUT', at`/api/directories/${directory.id}`, body))
    }
    onClose()
  }
  const keeps = directory?.hasSecret === true
  const secretHint = keeps
    ? 'Left empty it stays; with another address, certificate or name it is given anew'
    : 'Sealed in this browser to the vault'
  return (
    <Dialog
      title={directory === null ? 'Add a directory' : `Change ${visible(directory.name)}`}
      action={directory === null ? 'Add it' : 'Change it'}
      wide
      ready={isWhole && isCode(code)}
      onClose={onClose}
      act={act}
    >
      {directory === null ? (
        <>
          <Field
            label="Name"
            name="name"
            value={name}
            onChange={setName}
            autoFocus
            hint="How it is called here: corp"
          />
          <Choice
            label="Kind"
            value={kind}
            onChange={(value) => setKind(value === 'ldap' || value === 'oidc' ? value : 'active-directory')}
            options={[
              { value: 'active-directory', label: 'Active Directory (Samba too)' },
              { value: 'ldap', label: 'LDAP' },
              { value: 'oidc', label: 'OpenID Connect (Keycloak, Entra ID, Okta, …)' },
            ]}
          />
        </>
      ) : null}
      {kind === 'oidc' ? (
        <>
          <Field
            label="Issuer"
            {...of('issuer')}
            mono
            hint="As the provider writes itself, sign for sign: https://login.plant.example/realms/plant"
          />
          <Field label="Client" {...of('clientId')} mono hint="How the provider calls this installation" />
          <Field
            label="Secret of the client"
            name="sealedSecret"
            type="password"
            value={secret}
            onChange={setSecret}
            autoComplete="new-password"
            required={false}
            hint={
              keeps ? secretHint : 'Left empty where the client has none. Sealed in this browser to the vault'
            }
          />
          <Field
            label="Console"
            {...of('console')}
            mono
            hint={`Where people reach it. At the provider, let the client return to ${visible(texts['console'] ?? '')}/sign-in/return`}
          />
        </>
      ) : (
        <Field
          label="Address"
          {...of('url')}
          mono
          hint="dc1.plant.example, or ldaps://dc1.plant.example:636. It is spoken with over TLS alone"
        />
      )}
      <LongField
        label="Certificate"
        {...of('certificates')}
        required={kind !== 'oidc'}
        rows={4}
        mono
        placeholder="-----BEGIN CERTIFICATE-----"
        hint={
          kind === 'oidc'
            ? 'Of the CA that signed the provider’s, in PEM; left empty where a public one did'
            : 'Of the CA that signed the directory’s, or the directory’s own, in PEM'
        }
      />
      {kind === 'oidc' ? null : (
        <>
          <Field
            label="Base"
            {...of('base')}
            mono
            hint="Below which entry people are found: DC=plant,DC=example"
          />
          <Field
            label="Read as"
            {...of('bindName')}
            mono
            hint="Who may read people and groups, and nothing else: tagout@plant.example, or a DN"
          />
          <Field
            label="Its password"
            name="sealedSecret"
            type="password"
            value={secret}
            onChange={setSecret}
            autoComplete="new-password"
            required={!keeps}
            hint={secretHint}
          />
        </>
      )}
      <Button
        variant="link"
        isInline
        aria-expanded={more}
        onClick={() => setMore(!more)}
        className="align-start"
      >
        {more ? 'Less' : 'More settings'}
      </Button>
      {more && kind !== 'oidc' ? (
        <>
          <Field
            label="Filter of people"
            {...of('userFilter')}
            required={false}
            mono
            hint="A filter of LDAP; left empty: all that the directory calls people"
          />
          <Field
            label="Wrong passwords"
            {...of('wrongPasswords')}
            inputMode="numeric"
            hint="Of one person in half an hour that reach it: fewer than lock them there"
          />
          <Field
            label="Read every"
            {...of('syncMinutes', 'syncMinutes')}
            inputMode="numeric"
            hint="Minutes; 0: by hand alone"
          />
        </>
      ) : null}
      {more && kind === 'oidc' ? <OidcMore of={of} /> : null}
      <FreshCode code={code} onChange={setCode} />
    </Dialog>
  )
}

type Of = (
  field: string,
  api?: string,
) => { readonly name: string; readonly value: string; readonly onChange: (value: string) => void }

function OidcMore({ of }: { readonly of: Of }) {
  return (
    <>
      <Field label="Groups in" {...of('groupsClaim')} mono hint="The claim of the ID token that lists them" />
      <Field label="Names in" {...of('loginClaim')} mono hint="The claim with how people are called" />
      <Field label="Scopes" {...of('scopes')} required={false} mono hint="Asked for beside openid" />
      <Field
        label="Asked by"
        {...of('acrValues')}
        required={false}
        mono
        hint="acr values: people have to have been asked by one of them. Left empty: however it likes"
      />
      <Field
        label="Asked within"
        {...of('maxAgeSeconds')}
        required={false}
        inputMode="numeric"
        hint="Minutes: how long ago that may have been at a sign-in. Left empty: however long"
      />
      <Field
        label="Asked anew after"
        {...of('stepUp', 'settings.stepUp.withinSeconds')}
        required={false}
        inputMode="numeric"
        hint="Minutes: what takes a fresh code takes a sign-in there no longer ago than this, too. Left empty: the code alone"
      />
      <Field
        label="Asked anew by"
        {...of('stepUpAcr', 'settings.stepUp.acrValues')}
        required={false}
        mono
        hint="acr values; left empty: however it likes"
      />
      <Field
        label="SSH keys"
        {...of('keysSeconds')}
        inputMode="numeric"
        hint="Hours for which they are good after a sign-in there"
      />
    </>
  )
}
