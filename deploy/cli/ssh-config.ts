import type { Command } from 'commander'
import { type Action, fileActions, fitsProtocol } from '../../vault/contract.ts'
import { Complaint, misuse } from './complaint.ts'
import { readReady } from './installation.ts'
import { examples, type Tools, type Vault } from './tools.ts'

type Login = { readonly target: string; readonly logins: readonly string[] }

/** The alias under which the gateway's one host key is known, whatever name or address it is reached by. */
export const hostKeyAlias = 'tagout'

export type SshConfig = { readonly config: string; readonly knownHosts: string }

/** Host blocks and known_hosts lines with which plain `ssh press-3` goes through the gateway. */
export function makeSshConfig(
  gateway: { readonly host: string; readonly port: number; readonly publicKeys: readonly string[] },
  user: string,
  targets: readonly Login[],
  knownHostsFile: string,
): SshConfig {
  const trust = [
    `  HostKeyAlias ${hostKeyAlias}`,
    `  UserKnownHostsFile ${knownHostsFile}`,
    '  StrictHostKeyChecking yes',
  ]
  const blocks = [
    ['Host tagout', `  HostName ${gateway.host}`, `  Port ${gateway.port}`, `  User ${user}`, ...trust],
    ...targets.map(({ target, logins }) => [
      ...(logins.length > 1
        ? [`# Several accounts: ${logins.map((login) => `ssh ${login}@${target}`).join(', ')}`]
        : []),
      `Host ${target}`,
      `  HostName ${target}`,
      '  ProxyJump tagout',
      // With several accounts the person names one.
      ...(logins.length === 1 ? [`  User ${logins[0]}`] : []),
      ...trust,
    ]),
  ]
  return {
    config: blocks.map((lines) => `${lines.join('\n')}\n`).join('\n'),
    knownHosts: gateway.publicKeys.map((line) => `${hostKeyAlias} ${line}\n`).join(''),
  }
}

/** `tagout ssh-config`: what goes into a user's ~/.ssh/config and known_hosts. */
export function addSshConfigCommand(root: Command, tools: Tools): void {
  root
    .command('ssh-config')
    .description('print Host blocks for ~/.ssh/config, and the lines for known_hosts')
    .option('--user <name>', 'the user who will connect')
    .option('--gateway <host>', 'name or address under which users reach this machine')
    .option('--known-hosts', 'print the lines for known_hosts alone: they are the same for everybody')
    .addHelpText(
      'after',
      `
Afterwards plain names work for ssh, sftp, scp, rsync, git and Ansible: ssh press-3
${examples(
  'tagout ssh-config --user bob --gateway gateway.plant.example > tagout.conf',
  'tagout ssh-config --known-hosts >> ~/.ssh/known_hosts_tagout',
)}`,
    )
    .action(async (options: { user?: string; gateway?: string; knownHosts?: boolean }) => {
      const { user } = options
      if (user === undefined && options.knownHosts !== true)
        throw misuse('for whom?', 'give --user NAME, or --known-hosts for the host keys alone')
      const ready = await readReady(tools.dataDir())
      const publicKeys = ready.ssh.knownHosts ?? []
      if (publicKeys.length === 0)
        throw new Complaint('the gateway’s host key is not known yet', 'start the installation: npm start')
      const gateway = {
        host: options.gateway ?? ready.ssh.host,
        port: ready.ssh.port,
        publicKeys,
      }
      if (user === undefined || options.knownHosts === true) {
        const { knownHosts } = makeSshConfig(gateway, '', [], knownHostsFile)
        return tools.show({ knownHosts }, () => knownHosts)
      }
      const logins = await tools.withVault((vault) => loginsOf(vault, user))
      if (logins.length === 0)
        tools.note(
          `${user} has no grants that ssh could use, so there is no machine to name: tagout grant add ${user} …`,
        )
      const made = makeSshConfig(gateway, user, logins, knownHostsFile)
      tools.show(
        made,
        () =>
          `# Put these into ~/.ssh/known_hosts_tagout (tagout ssh-config --known-hosts prints them alone):\n${made.knownHosts.replace(/^/gm, '# ').replace(/# $/, '')}\n${made.config}`,
      )
    })
}

const knownHostsFile = '~/.ssh/known_hosts_tagout'

async function loginsOf(vault: Vault, user: string): Promise<readonly Login[]> {
  const found = await vault.ask('user.show', { user })
  const grants = await vault.ask('grant.list', { user: found.id })
  return groupLogins(
    grants
      .filter((grant) => grant.state === 'active' || grant.state === 'future')
      // What is of desktops alone no ssh reaches.
      .filter(({ actions }) => actions.some((action) => isOfSsh(action, actions)))
      .map((grant) => grant.account),
  )
}

/** A desktop's files go beside its picture, and are granted with its use. */
function isOfSsh(action: Action, granted: readonly Action[]): boolean {
  return fitsProtocol(action, 'ssh') && !(granted.includes('interact') && fileActions.includes(action))
}

function groupLogins(accounts: readonly string[]): readonly Login[] {
  const byTarget = new Map<string, Set<string>>()
  for (const account of accounts) {
    const [target, login] = account.split('/')
    if (target === undefined || login === undefined) continue
    byTarget.set(target, (byTarget.get(target) ?? new Set()).add(login))
  }
  return [...byTarget]
    .map(([target, logins]) => ({ target, logins: [...logins].sort() }))
    .sort((a, b) => (a.target < b.target ? -1 : 1))
}
