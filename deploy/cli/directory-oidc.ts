import type { Command } from 'commander'
import type { DirectorySettings, OidcSettings } from '../../vault/contract.ts'
import { misuse } from './complaint.ts'
import { sealSecretOf } from './directory-secret.ts'
import { parseDuration } from './duration.ts'
import { collect, examples, type Tools } from './tools.ts'

type Options = {
  readonly issuer?: string
  readonly clientId?: string
  readonly console?: string
  readonly ca?: string
  readonly groupsClaim?: string
  readonly nameClaim?: string
  readonly scope?: readonly string[]
  readonly acr?: readonly string[]
  readonly anyAcr?: true
  readonly askedWithin?: string
  readonly stepUpWithin?: string
  readonly stepUpAcr?: readonly string[]
  readonly keysFor?: string
  readonly secretStdin?: true
  readonly public?: true
}

/** `tagout directory add-oidc` and `change-oidc`: providers of OpenID Connect. */
export function addOidcCommands(command: Command, tools: Tools): void {
  withSettings(
    command
      .command('add-oidc <name>')
      .description('add a provider of OpenID Connect; asks for the secret of the client')
      .requiredOption('--issuer <url>', 'the provider, sign for sign as it writes itself: https://…')
      .requiredOption('--client-id <id>', 'how the provider calls this installation')
      .requiredOption('--console <url>', 'where people reach the console: https://gateway.plant.example'),
  )
    .option('--public', 'a public client: the provider gave no secret')
    .addHelpText(
      'after',
      `
Register the client at the provider for the authorization code flow with PKCE, with this address to return to:
the console's, followed by /sign-in/return. Its ID tokens need a claim that lists groups.
${examples(
  'tagout directory add-oidc corp --issuer https://login.plant.example/realms/plant --client-id tagout --console https://gateway.plant.example --ca ca.pem',
  'tagout directory map corp ot-operators --role operator --policy-group line-3',
)}`,
    )
    .action(async (name: string, options: Options) => {
      const settings = await settingsFrom(tools, undefined, options)
      const added = await tools.withVault(async (vault) =>
        vault.ask('directory.add', {
          name,
          settings,
          syncMinutes: 0,
          ...(options.public === true
            ? {}
            : {
                sealedSecret: await sealSecretOf(tools, vault, name, settings, secretOf(settings, options)),
              }),
        }),
      )
      tools.show(
        added,
        () =>
          `added the directory ${added.name}; at the provider, let it return to: ${settings.console}/sign-in/return\n` +
          `see whether it answers: tagout directory test ${added.name}\n` +
          `then say what its groups give: tagout directory map ${added.name} GROUP --role operator`,
      )
    })

  withSettings(
    command
      .command('change-oidc <directory>')
      .description(
        'change a provider; with another issuer, client or certificate its secret is asked for anew',
      )
      .option('--issuer <url>', 'the provider, sign for sign as it writes itself')
      .option('--client-id <id>', 'how the provider calls this installation')
      .option('--console <url>', 'where people reach the console')
      .option('--any-acr', 'however people were asked there')
      .option('--no-step-up', 'a fresh code alone is enough for everything'),
  )
    .option('--anew', 'ask for the secret of the client anew')
    .addHelpText(
      'after',
      examples(
        'tagout directory change-oidc corp --acr two-factors --asked-within 8h',
        'tagout directory change-oidc corp --ca new-ca.pem',
      ),
    )
    .action(async (name: string, options: Options & { readonly anew?: true; readonly stepUp?: boolean }) => {
      const changed = await tools.withVault(async (vault) => {
        const found = await vault.ask('directory.show', { directory: name })
        if (found.settings.kind !== 'oidc')
          throw misuse(`${found.name} is no provider of OpenID Connect`, 'use: tagout directory change')
        const settings = {
          ...(await settingsFrom(tools, found.settings, options)),
          ...(options.stepUp === false ? { stepUp: null } : {}),
        }
        const moves = [options.issuer, options.clientId, options.ca].some((one) => one !== undefined)
        const asks = options.anew === true || options.secretStdin === true || (moves && found.hasSecret)
        return vault.ask('directory.change', {
          directory: found.id,
          settings,
          ...(asks
            ? {
                sealedSecret: await sealSecretOf(
                  tools,
                  vault,
                  found.name,
                  settings,
                  secretOf(settings, options),
                ),
              }
            : {}),
        })
      })
      tools.show(changed, () => `changed the directory ${changed.name}`)
    })
}

function withSettings(command: Command): Command {
  return command
    .option('--ca <file>', 'certificate of the CA that signed the provider’s (PEM); left out: public ones')
    .option('--groups-claim <claim>', 'where the ID token lists groups (groups)')
    .option('--name-claim <claim>', 'where it says how people are called (preferred_username)')
    .option('--scope <scopes>', 'what to ask for beside openid (profile)', collect)
    .option('--acr <values>', 'how people have to have been asked there: any of these', collect)
    .option('--asked-within <duration>', 'how long ago that may have been: 8h; left out: however long')
    .option(
      '--step-up-within <duration>',
      'what takes a fresh code takes a sign-in there no longer ago than this, too: 5m',
    )
    .option('--step-up-acr <values>', 'and people asked like that: any of these', collect)
    .option('--keys-for <duration>', 'for how long after a sign-in there their SSH keys are good (12h)')
    .option('--secret-stdin', 'read the secret from standard input')
}

function secretOf(settings: OidcSettings, options: Options) {
  return {
    what: `secret of the client ${settings.clientId}`,
    fromStdin: options.secretStdin === true,
    option: '--secret-stdin',
  }
}

const usual: Omit<OidcSettings, 'issuer' | 'clientId' | 'console'> = {
  kind: 'oidc',
  certificates: null,
  groupsClaim: 'groups',
  loginClaim: 'preferred_username',
  scopes: ['profile'],
  acrValues: [],
  maxAgeSeconds: null,
  stepUp: null,
  keysSeconds: 12 * 3600,
}

async function settingsFrom(
  tools: Tools,
  before: OidcSettings | undefined,
  options: Options,
): Promise<OidcSettings> {
  const { issuer, clientId, ca, groupsClaim, nameClaim, scope, acr, askedWithin, keysFor } = options
  const { stepUpWithin, stepUpAcr } = options
  const stepUp = before?.stepUp ?? { withinSeconds: 300, acrValues: [] }
  return {
    ...(before ?? { ...usual, issuer: '', clientId: '', console: '' }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(clientId === undefined ? {} : { clientId }),
    ...(options.console === undefined ? {} : { console: options.console.replace(/\/$/, '') }),
    ...(ca === undefined ? {} : { certificates: await tools.readText(ca) }),
    ...(groupsClaim === undefined ? {} : { groupsClaim }),
    ...(nameClaim === undefined ? {} : { loginClaim: nameClaim }),
    ...(scope === undefined ? {} : { scopes: [...scope] }),
    ...(acr === undefined ? {} : { acrValues: [...acr] }),
    ...(options.anyAcr === true ? { acrValues: [] } : {}),
    ...(askedWithin === undefined ? {} : { maxAgeSeconds: parseDuration(askedWithin) }),
    ...(stepUpWithin === undefined && stepUpAcr === undefined
      ? {}
      : {
          stepUp: {
            withinSeconds: stepUpWithin === undefined ? stepUp.withinSeconds : parseDuration(stepUpWithin),
            acrValues: stepUpAcr === undefined ? stepUp.acrValues : [...stepUpAcr],
          },
        }),
    ...(keysFor === undefined ? {} : { keysSeconds: parseDuration(keysFor) }),
  }
}

/** A provider, for people. */
export function oidcFacts(settings: DirectorySettings & { readonly kind: 'oidc' }) {
  return [
    ['at', settings.issuer],
    ['kind', 'OpenID Connect'],
    ['client', settings.clientId],
    ['returns to', `${settings.console}/sign-in/return`],
    ['groups in', settings.groupsClaim],
    ['names in', settings.loginClaim],
    ['asked by', settings.acrValues.length === 0 ? 'however it likes' : settings.acrValues.join(' or ')],
    ['asked within', settings.maxAgeSeconds === null ? 'any time' : `${settings.maxAgeSeconds / 60} min`],
    ['step-up', stepUpText(settings.stepUp)],
    ['SSH keys', `good for ${settings.keysSeconds / 3600} h after a sign-in there`],
  ] as const
}

function stepUpText(stepUp: OidcSettings['stepUp']): string {
  if (stepUp === null) return 'a fresh code is enough'
  const how = stepUp.acrValues.length === 0 ? '' : `, by ${stepUp.acrValues.join(' or ')}`
  return `with a fresh code, a sign-in there within ${stepUp.withinSeconds / 60} min${how}`
}
